"""What is wrong with a set of pairs, from the records that were made of each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli.data.audit import duplicates, looks, matching, shifts
from sketchcli.data.audit.terms import Audit, AuditedPair, Check, Finding, Severity


def examine(
    features: NDArray[Any], names: Sequence[AuditedPair], *, is_drawn: bool, threads: int = 1
) -> Audit:
    """Examine a whole set.

    It looks at blocks of records, so that a mapped array of 100,000 needs little memory.

    Args:
        features: (N,) of FEATURES, one record a pair.
        names: The same pairs' names, in the same order.
        is_drawn: Whether the sketches were drawn from the photos by this program: then no pair
            can be wrong or misaligned, and a sketch's looks are the style's.
        threads: How many look at blocks at once.
    """
    if not names:
        return Audit(0, (), ())
    measured = looks.look(features)
    found = looks.findings(measured, names, is_drawn=is_drawn)
    checks = looks.checks(len(names), is_drawn=is_drawn)
    pairings = _pairings(features, names, is_drawn, threads)
    for part in (pairings, _copies(features, names, is_drawn)):
        found += part[0]
        checks += part[1]
    found.sort(key=_rank)
    return Audit(len(names), tuple(found), tuple(checks))


def _rank(finding: Finding) -> tuple[bool, bool, float]:
    """Errors first; of each, what holds for the whole set first; then by score."""
    is_warning = finding.severity is Severity.WARNING
    return is_warning, finding.pair is not None, -finding.score


def _pairings(
    features: NDArray[Any], names: Sequence[AuditedPair], is_drawn: bool, threads: int
) -> tuple[list[Finding], list[Check]]:
    """Wrong and misaligned pairs."""
    count = len(names)
    if is_drawn:
        why = "the sketches were drawn here from their photos"
        return [], [matching.not_judged(count, why), shifts.not_judged(count, why)]
    measured, sizes = shifts.measure(features, threads=threads), features["size"]
    nowhere = np.zeros(count, bool)
    if count < matching.FEWEST:
        why = f"{matching.FEWEST} are needed to tell what strangers have in common"
        found = shifts.findings(measured, names, sizes, skip=nowhere)
        return found, [matching.not_judged(count, why), shifts.check(measured, sizes)]
    matches = matching.match(features, offset=measured.offset, threads=threads)
    if matches.is_mispaired:
        found = matching.findings(matches, names, shifted=nowhere)
        why = "the set looks mis-paired"
        return found, [matching.check(matches), shifts.not_judged(count, why)]
    found = matching.findings(matches, names, shifted=measured.far)
    found += shifts.findings(measured, names, sizes, skip=matches.wrong)
    return found, [matching.check(matches), shifts.check(measured, sizes)]


def _copies(
    features: NDArray[Any], names: Sequence[AuditedPair], is_drawn: bool
) -> tuple[list[Finding], list[Check]]:
    """Pictures that occur twice; copies of a photo have copies of its sketch drawn of them."""
    kinds = ("photo",) if is_drawn else ("photo", "sketch")
    copies = [duplicates.find(features, kind) for kind in kinds]
    found = [f for each in copies for f in duplicates.findings(each, features, names)]
    return found, [duplicates.check(copies, len(names))]
