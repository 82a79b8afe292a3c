"""`preprocess`: files of pictures in, a prepared set out."""

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sketchcli import files, machine, paths
from sketchcli.data import prepared, splits
from sketchcli.data.audit.terms import Audit
from sketchcli.data.pairing import Exclusions, canonical
from sketchcli.data.prepared import Description, PreparedSet
from sketchcli.data.sources import Source, SourcePair
from sketchcli.data.splits import SplitBy, SplitRule, uniform_hash
from sketchcli.engine import lookup
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.fetching.fetch import FetchConfig, fetch
from sketchcli.engine.lookup import Inputs, find_prepared, find_source, prepared_folders
from sketchcli.engine.preprocessing import assemble as assembling
from sketchcli.engine.preprocessing import chunks
from sketchcli.engine.preprocessing.assemble import Assembly, assemble
from sketchcli.engine.preprocessing.chunks import GO_ON, ChunkStore
from sketchcli.engine.preprocessing.pair_builder import Job, PairOptions
from sketchcli.engine.reporting import audit_report, sample_sheets
from sketchcli.engine.results import PreprocessResult, ShareResult
from sketchcli.engine.runs import Provenance
from sketchcli.errors import DataError, InterruptedRunError
from sketchcli.machine import ProcessRank

CONTACT_SHEET = "contact-sheet.png"
AUDIT = audit_report.NAME
CONTACT_PAIRS = 24


@dataclass(frozen=True)
class PreprocessConfig:
    """How pictures become a prepared set."""

    recipe: PairOptions = field(default_factory=PairOptions)
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
    place: ProcessRank | None = None,
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
    target, ledger = target.resolve(), Exclusions(dict(source.left_out))
    jobs = _plan(source, config, ledger)
    if not jobs:
        raise _nothing_left(ledger.left_out)
    workshop = ChunkStore(target.parent / f".{target.name}.work", config.recipe, jobs)
    place = place or _place_in_environment()
    if not place.is_first:  # it puts the set together; this one makes its share of the pairs
        return _make_share(workshop, target, place, processes)
    with files.locked(target):
        files.check_new(target, is_ours=prepared.is_prepared, overwrite=overwrite)
        assembly = _assemble(workshop, ledger, place, processes, reporter)
        audit = assembling.audit(assembly, config.division, threads=processes)
        about = _describe(
            assembly, audit, source, origin, config, name=target.name, recipe=workshop.identity
        )
        _write(workshop.assembled, about, audit, config, target)
        files.move_in(workshop.assembled, target, is_ours=prepared.is_prepared, overwrite=overwrite)
        workshop.remove()
    tell(about, audit, source, config.division, reporter)
    return _result(about, target, audit)


def _place_in_environment() -> ProcessRank:
    """As `torchrun` says; where processes meet need not be set: these meet on the disk."""
    return ProcessRank(machine.number("RANK", 0), machine.number("WORLD_SIZE", 1))


def _assemble(
    workshop: ChunkStore, ledger: Exclusions, place: ProcessRank, processes: int, reporter: Reporter
) -> Assembly:
    workshop.prepare(reporter)
    made = chunks.made_chunks(workshop, workers=processes, reporter=reporter, place=place)
    with _interruptible(), contextlib.closing(made):
        return _put_together(workshop, made, ledger, reporter)


def _plan(source: Source, config: PreprocessConfig, ledger: Exclusions) -> tuple[Job, ...]:
    return plan(
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
    workshop: ChunkStore, made: Iterable[int], ledger: Exclusions, reporter: Reporter
) -> Assembly:
    with files.writing(workshop.folder, hint=GO_ON):
        shutil.rmtree(workshop.assembled, ignore_errors=True)
        workshop.assembled.mkdir()
        assembly = assemble(workshop, made, workshop.assembled, ledger, reporter)
    if not assembly.pairs:
        workshop.remove()
        raise _nothing_left(ledger.left_out)
    return assembly


def _make_share(
    workshop: ChunkStore, target: Path, place: ProcessRank, processes: int
) -> ShareResult:
    def is_finished(identity: str) -> bool:
        try:
            return prepared.read(target).description.recipe == identity
        except DataError:  # nothing yet, or a set of another version, which the first rank replaces
            return False

    made = 0
    if chunks.share_of(workshop, place):
        chunks.await_workshop(workshop, is_finished)
        if workshop.folder.exists():
            with _interruptible():
                made = chunks.make_share(workshop, workers=processes, place=place)
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
    assembling.write_report(folder / AUDIT, dataset, audit)
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
    sample_sheets.write_contact_sheet(dataset.folder / CONTACT_SHEET, pairs)


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


# Which pairs are to be made, in which split, and which sketches are drawn in which style.


def plan(
    pairs: Sequence[SourcePair],
    ledger: Exclusions,
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


# What a person should know of a set that was just made.

MOST_TOLD = 20  # files of one fate that are named on the screen


def tell(
    description: Description, audit: Audit, source: Source, rule: SplitRule, reporter: Reporter
) -> None:
    """Tell of errors in the set, of files that were not simply taken, of groups and splits."""
    if audit.errors:
        where = f"look at {audit_report.NAME} before you train on this set"
        reporter(Note(f"{audit_report.headline(audit)}: {where}", is_warning=True))
    for verb, about in (
        ("left out", description.left_out),
        ("kept", description.repeated | description.unaligned),
    ):
        for file, reason in list(about.items())[:MOST_TOLD]:
            reporter(Note(f"{verb} {file}: {reason}", is_warning=True))
        if len(about) > MOST_TOLD:
            where = f"{audit_report.NAME} and dataset.json list them"
            rest = f"{verb} {len(about) - MOST_TOLD} more files: {where}"
            reporter(Note(rest, is_warning=True))
    if rule.group:
        groups = list(filter(None, (rule.group_of(pair.id) for pair in description.pairs)))
        found = f"{len(set(groups))} groups in {len(groups)} of {len(description.pairs)} names"
        reporter(Note(f"--group-by: {found}", is_warning=not groups))
    is_asked = {splits.TRAIN: True, splits.VAL: rule.val > 0, splits.TEST: rule.test > 0}
    is_drawn = rule.by is SplitBy.SHARES or (
        rule.by is SplitBy.GIVEN and any(pair.split is None for pair in source.pairs)
    )
    for split, is_wanted in is_asked.items():
        if is_drawn and is_wanted and split not in description.counts:
            message = f"no pair fell to '{split}': choose other shares (--val, --test) or --seed"
            reporter(Note(message, is_warning=True))


# What `train` falls back on where nothing is prepared: the drawn set, small.

NAME = "demo"
SIDE, PAIRS = 64, 200


def set_to_train(name: Path | None, reporter: Reporter = SILENT) -> PreparedSet:
    """The named prepared set, else the newest, else the demo set.

    Raises:
        DataError: There is no set of that name.
    """
    if name is None and not prepared_folders():
        return demo_set(reporter)
    return find_prepared(name)


def demo_set(reporter: Reporter = SILENT) -> PreparedSet:
    """Draw the demo set, unless it is there, and prepare it at 64 pixels."""
    reporter(Note("nothing is prepared: training on the drawn demo set"))
    raw = paths.raw_home() / NAME
    if not raw.exists():
        fetch(FetchConfig(NAME, count=PAIRS, size=SIDE), reporter=reporter)
    target = paths.prepared_home() / f"{NAME}-{SIDE}"
    config = PreprocessConfig(
        PairOptions((SIDE, SIDE)), command=f"sketch2img preprocess {NAME} --size {SIDE}"
    )
    alone = ProcessRank()  # where several processes train, the first one makes the set by itself
    preprocess(*find_source(Inputs(raw)), config, target=target, reporter=reporter, place=alone)
    return find_prepared(target)
