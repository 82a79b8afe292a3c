"""Which pairs are to be made, in which split, and which sketches are drawn in which style."""

from collections.abc import Sequence
from dataclasses import replace

from sketchcli.data import splits
from sketchcli.data.pairing import Ledger, canonical
from sketchcli.data.sources import SourcePair
from sketchcli.data.splits import SplitBy, SplitRule, uniform_hash
from sketchcli.engine import lookup
from sketchcli.engine.preprocessing.pair_maker import Job


def plan(
    pairs: Sequence[SourcePair],
    ledger: Ledger,
    *,
    rule: SplitRule,
    styles: Sequence[str],
    draws: int,
    seed: int,
) -> tuple[Job, ...]:
    """What to make, pairs to test on first, sketches of one photo one after another.

    Args:
        pairs: What was found.
        ledger: Told of the pairs that no split takes.
        rule: How they are divided.
        styles: For photos without a sketch.
        draws: Sketches of each such photo, in the styles in turn.
        seed: Of the style that each begins with.
    """
    lists = lookup.official_splits() if rule.by is SplitBy.CUHK else {}
    jobs = []
    for pair in pairs:
        name = canonical(pair.id)
        split = rule.split_of(pair.id, name=name, given=pair.split, official=lists)
        if split is None:
            found = [path for path in (pair.sketch, pair.photo) if path]
            ledger.leave_out("in neither of the official lists", *found)
            continue
        jobs.append(Job(pair.id, split, pair.sketch, pair.photo, pair.direction))
    jobs.sort(key=lambda job: (-splits.SPLITS.index(job.split), job.id))
    return tuple(
        drawn
        for job in jobs
        for drawn in ([job] if job.sketch else _drawn(job, styles, draws=draws, seed=seed))
    )


def _drawn(job: Job, styles: Sequence[str], *, draws: int, seed: int) -> list[Job]:
    """All sketches of one photo: the styles take turns, from one drawn by chance on."""
    first = int(uniform_hash(f"style of {canonical(job.id)}", seed) * len(styles))
    return [
        replace(
            job,
            id=f"{job.id}#{draw + 1}" if draw else job.id,
            style=styles[(first + draw) % len(styles)],
            draw=draw,
        )
        for draw in range(draws)
    ]
