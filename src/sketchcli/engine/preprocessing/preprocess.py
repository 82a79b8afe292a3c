"""`preprocess`: files of pictures in, a prepared set out."""

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sketchcli import files, machine
from sketchcli.data import prepared
from sketchcli.data.audit.terms import Audit
from sketchcli.data.pairing import Ledger
from sketchcli.data.prepared import Description, PreparedSet
from sketchcli.data.sources import Source
from sketchcli.data.splits import SplitRule
from sketchcli.engine import audit_report, pictures
from sketchcli.engine.events import SILENT, Reporter
from sketchcli.engine.preprocessing import auditing, planning, telling, workers
from sketchcli.engine.preprocessing.assembling import Assembly, assemble
from sketchcli.engine.preprocessing.pair_maker import Job, Recipe
from sketchcli.engine.preprocessing.workshop import GO_ON, Workshop
from sketchcli.engine.results import PreprocessResult, ShareResult
from sketchcli.engine.runs import Provenance
from sketchcli.errors import DataError, InterruptedRunError
from sketchcli.machine import Place

CONTACT_SHEET = "contact-sheet.png"
AUDIT = audit_report.NAME
CONTACT_PAIRS = 24


@dataclass(frozen=True)
class PreprocessConfig:
    """How pictures become a prepared set."""

    recipe: Recipe = field(default_factory=Recipe)
    division: SplitRule = field(default_factory=SplitRule)
    styles: tuple[str, ...] = ("hand",)  # for photos without a sketch, mixed by a draw for each
    draws: int = 1  # sketches of each such photo, in the styles in turn
    is_strict: bool = False  # whether to refuse a set in which the audit finds anything
    command: str = ""


def preprocess(
    source: Source,
    origin: Provenance,
    config: PreprocessConfig,
    *,
    target: Path,
    overwrite: bool = False,
    processes: int = 1,
    reporter: Reporter = SILENT,
    place: Place | None = None,
) -> PreprocessResult | ShareResult:
    """Make every pair of a source, audit them, and store them; list whatever is left out.

    Killed, it goes on where it was when it is called again.

    Args:
        source: The pairs found.
        origin: Where they come from.
        config: How they are made and divided.
        target: The folder to make; it appears whole or not at all.
        overwrite: Whether an older one may be replaced.
        processes: How many make pairs at once; the pixels are the same for any number.
        reporter: Told of the progress, and of every file left out.
        place: Which process of several this is; by default as `torchrun` says.

    Raises:
        DataError: No pair can be used, the folder cannot be written, or there are findings and the
            config is strict: then the audit is left beside the target.
        UsageError: RANK and WORLD_SIZE are no numbers, or contradict one another.
    """
    target, ledger = target.resolve(), Ledger(dict(source.left_out))
    jobs = _plan(source, config, ledger)
    if not jobs:
        raise _nothing_left(ledger.left_out)
    workshop = Workshop(target.parent / f".{target.name}.work", config.recipe, jobs)
    place = place or _place_in_environment()
    if not place.is_first:  # it puts the set together; this one makes its share of the pairs
        return _make_share(workshop, target, place, processes)
    with files.locked(target):
        files.check_new(target, is_ours=prepared.is_prepared, overwrite=overwrite)
        assembly = _assemble(workshop, ledger, place, processes, reporter)
        audit = auditing.audit(assembly, config.division, threads=processes)
        about = _describe(
            assembly, audit, source, origin, config, name=target.name, recipe=workshop.identity
        )
        _write(workshop.assembled, about, audit, config, target)
        files.move_in(workshop.assembled, target, is_ours=prepared.is_prepared, overwrite=overwrite)
        workshop.remove()
    telling.tell(about, audit, source, config.division, reporter)
    return _result(about, target, audit)


def _place_in_environment() -> Place:
    """As `torchrun` says; where processes meet need not be set: these meet on the disk."""
    return Place(machine.number("RANK", 0), machine.number("WORLD_SIZE", 1))


def _assemble(
    workshop: Workshop, ledger: Ledger, place: Place, processes: int, reporter: Reporter
) -> Assembly:
    workshop.prepare(reporter)
    made = workers.made_chunks(workshop, workers=processes, reporter=reporter, place=place)
    with _interruptible(), contextlib.closing(made):
        return _put_together(workshop, made, ledger, reporter)


def _plan(source: Source, config: PreprocessConfig, ledger: Ledger) -> tuple[Job, ...]:
    return planning.plan(
        source.pairs,
        ledger,
        rule=config.division,
        styles=config.styles,
        draws=config.draws,
        seed=config.recipe.seed,
    )


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Say that what was made stays, where Ctrl-C comes."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError("interrupted", hint="the same command goes on") from None


def _put_together(
    workshop: Workshop, made: Iterable[int], ledger: Ledger, reporter: Reporter
) -> Assembly:
    with files.writing(workshop.folder, hint=GO_ON):
        shutil.rmtree(workshop.assembled, ignore_errors=True)
        workshop.assembled.mkdir()
        assembly = assemble(workshop, made, workshop.assembled, ledger, reporter)
    if not assembly.pairs:
        workshop.remove()
        raise _nothing_left(ledger.left_out)
    return assembly


def _make_share(workshop: Workshop, target: Path, place: Place, processes: int) -> ShareResult:
    def is_finished(identity: str) -> bool:
        try:
            return prepared.read(target).description.recipe == identity
        except DataError:  # nothing yet, or a set of another version, which the first rank replaces
            return False

    made = 0
    if workers.share_of(workshop, place):
        workers.await_workshop(workshop, is_finished)
        if workshop.folder.exists():
            with _interruptible():
                made = workers.make_share(workshop, workers=processes, place=place)
    return ShareResult(place.rank, place.count, made)


def _describe(
    assembly: Assembly,
    audit: Audit,
    source: Source,
    origin: Provenance,
    config: PreprocessConfig,
    *,
    name: str,
    recipe: str,
) -> Description:
    return Description(
        name=name,
        size=config.recipe.size,
        fit=config.recipe.fit,
        align=config.recipe.align,
        licence=origin.licence,
        notice=origin.notice,
        citation=origin.citation,
        command=config.command,
        pairing=source.rule,
        pairs=tuple(assembly.pairs),
        left_out=assembly.ledger.left_out,
        repeated=assembly.ledger.repeated,
        unaligned=assembly.unaligned,
        findings=audit.counts,
        recipe=recipe,
    )


def _write(
    folder: Path, description: Description, audit: Audit, config: PreprocessConfig, target: Path
) -> None:
    """Write all but the arrays."""
    dataset = PreparedSet(folder, description)
    prepared.write_index(folder, description)
    _write_contact_sheet(dataset)
    auditing.write_report(folder / AUDIT, dataset, audit)
    refusal = target.with_name(f"{target.name}.{AUDIT}")
    if config.is_strict:
        _refuse(folder, description, refusal)
    refusal.unlink(missing_ok=True)  # of an earlier call


def _result(description: Description, target: Path, audit: Audit) -> PreprocessResult:
    return PreprocessResult(
        name=description.name,
        folder=target,
        size=description.size,
        counts=description.counts,
        pairing=description.pairing,
        left_out=description.left_out,
        repeated=description.repeated,
        unaligned=description.unaligned,
        findings=description.findings,
        errors=audit.errors,
        is_spoiled=audit.is_spoiled,
        contact_sheet=target / CONTACT_SHEET,
        audit=target / AUDIT,
    )


def _refuse(folder: Path, description: Description, report: Path) -> None:
    troubles = {
        "left out": len(description.left_out),
        "repeated": len(description.repeated),
        "unaligned": len(description.unaligned),
    } | description.findings
    if found := ", ".join(f"{count} {kind}" for kind, count in troubles.items() if count):
        (folder / AUDIT).replace(report)
        raise DataError(f"not clean: {found}", hint=f"look at {report}, or leave out --strict")


def _write_contact_sheet(dataset: PreparedSet) -> None:
    shares = len(dataset.description.counts)
    stored = [dataset.split(name) for name in dataset.description.counts]
    few = [split.take(_evenly(len(split), CONTACT_PAIRS // shares)) for split in stored]
    pairs = [pair for split in few for pair in zip(split.sketches, split.photos, strict=True)]
    pictures.write_contact_sheet(dataset.folder / CONTACT_SHEET, pairs)


def _evenly(count: int, most: int) -> list[int]:
    """Some of `count` positions, evenly spread."""
    shown = min(count, most)
    return [index * count // shown for index in range(shown)]


def _nothing_left(left_out: dict[str, str]) -> DataError:
    reasons = [f"{file}: {reason}" for file, reason in left_out.items()]
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    found = f"no pair can be used; {reasons[0]}{more}" if reasons else "no pairs found"
    is_listed = any("(line " in reason for reason in left_out.values())
    hint = "paths in a CSV are relative to its folder, with forward slashes"
    if not is_listed:
        hint = "a sketch and its photo share a name, as anna_sketch.png and anna.jpg do"
    return DataError(found, hint=hint)
