"""Prepare a dataset: plan the pairs, make them, audit them, and store the result."""

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sketchcli import files, paths
from sketchcli.config import SKETCH, Domain, Domains
from sketchcli.data import prepared, splits
from sketchcli.data.audit.terms import Audit
from sketchcli.data.pairing import Exclusions, canonical
from sketchcli.data.prepared import Description, PreparedSet
from sketchcli.data.sources import DRAFT, Source, SourcePair
from sketchcli.data.splits import SplitBy, SplitRule, uniform_hash
from sketchcli.engine import lookup
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.fetching.fetch import FetchConfig, fetch
from sketchcli.engine.lookup import Inputs, find_prepared, find_source, prepared_folders
from sketchcli.engine.preprocessing import assemble as assembling
from sketchcli.engine.preprocessing import chunks
from sketchcli.engine.preprocessing.assemble import Assembly, Side
from sketchcli.engine.preprocessing.chunks import ChunkStore
from sketchcli.engine.preprocessing.pair_builder import Job, PairOptions
from sketchcli.engine.reporting import audit_report
from sketchcli.engine.results import PreprocessResult
from sketchcli.engine.runs import Provenance
from sketchcli.errors import DataError, InterruptedRunError

AUDIT = audit_report.NAME


@dataclass(frozen=True)
class PreprocessConfig:
    """How image files become a prepared dataset."""

    options: PairOptions = field(default_factory=PairOptions)
    division: SplitRule = field(default_factory=SplitRule)
    styles: tuple[str, ...] = ("hand",)  # photos without a sketch start with a random one of these
    draws: int = 1  # sketches per such photo, in the styles in turn
    is_strict: bool = False  # whether to refuse a dataset that is not entirely clean
    # The next three are about the inputs and targets of the prepared dataset.
    channels: tuple[int | None, int | None] = (None, None)  # None: the images decide
    names: tuple[str, str] = ("", "")  # if empty, those of a known dataset
    is_reversed: bool = False  # whether photos are the inputs, and sketches the targets
    command: str = ""

    def sides(self, known: Domains | None, jobs: Sequence[Job]) -> list[Side]:
        """Return what options, a known dataset and drawing say of sketches and photos."""
        usual: list[Domain | None] = [known.input, known.target] if known else [None, None]
        reasons = ["as usual for this dataset"] * 2
        if all(job.style for job in jobs):
            usual[0], reasons[0] = SKETCH, "drawn by sketch2img"
        order = -1 if self.is_reversed else 1
        asked = zip(self.channels[::order], self.names[::order], strict=True)
        sides = []
        for domain, reason, (channels, name) in zip(usual, reasons, asked, strict=True):
            side = Side(domain.name, domain.channels, reason) if domain else Side()
            side = replace(side, channels=channels, reason="as asked") if channels else side
            sides.append(replace(side, name=Domain(name, 1).name if name else side.name))
        return sides


def preprocess(
    source: Source,
    origin: Provenance,
    config: PreprocessConfig,
    *,
    target: Path,
    overwrite: bool = False,
    processes: int = 1,
    reporter: Reporter = SILENT,
) -> PreprocessResult:
    """Make, audit and store every pair of a source in `target`; report every skipped file.

    The target appears whole or not at all, and an existing dataset is replaced only with
    `overwrite`. If it is interrupted, the same call resumes. Any number of `processes` gives the
    same pixels. A strict config refuses an unclean dataset and saves the audit next to the target.
    """
    target, exclusions = target.resolve(), Exclusions(dict(source.left_out))
    jobs = plan(source.pairs, exclusions, config)
    if not jobs:
        raise _nothing_left(exclusions.left_out)
    assembly = Assembly(config.sides(source.domains, jobs), config.is_reversed)
    options = replace(config.options, channels=assembly.channels)
    store = ChunkStore(target.parent / f".{target.name}.work", options, jobs)
    with files.locked(target):
        files.check_new(target, is_ours=prepared.is_prepared, overwrite=overwrite)
        _assemble(store, assembly, exclusions, processes, reporter)
        audit = assembling.audit(assembly, config.division)
        pairs, domains, reasons = assembly.as_stored()
        about = Description(
            name=target.name,
            size=config.options.size,
            fit=config.options.fit,
            align=config.options.align,
            licence=origin.licence,
            notice=origin.notice,
            citation=origin.citation,
            command=config.command,
            pairing=source.rule,
            pairs=pairs,
            left_out=exclusions.left_out,
            repeated=exclusions.repeated,
            unaligned=assembly.unaligned,
            findings=audit.counts,
            domains=domains,
        )
        _write(PreparedSet(store.assembled, about), audit, target, is_strict=config.is_strict)
        files.move_in(store.assembled, target, is_ours=prepared.is_prepared, overwrite=overwrite)
        files.discard(store.folder)
    tell(about, audit, source, config.division, reporter)
    return _result(about, audit, target, reasons)


def _assemble(
    store: ChunkStore,
    assembly: Assembly,
    exclusions: Exclusions,
    processes: int,
    reporter: Reporter,
) -> None:
    store.prepare(reporter)
    made = chunks.made_chunks(store, workers=processes, reporter=reporter)
    try:
        with contextlib.closing(made), files.writing(store.folder, hint=chunks.GO_ON):
            shutil.rmtree(store.assembled, ignore_errors=True)
            store.assembled.mkdir()
            assembling.assemble(store, made, assembly, exclusions, reporter)
    except KeyboardInterrupt:
        raise InterruptedRunError(
            "interrupted", hint="run the same command again to resume"
        ) from None
    if not assembly.pairs:
        shutil.rmtree(store.folder, ignore_errors=True)
        raise _nothing_left(exclusions.left_out)


def _write(dataset: PreparedSet, audit: Audit, target: Path, *, is_strict: bool) -> None:
    """Write index and report; refuse a dataset that is not clean if strict."""
    folder, description = dataset.folder, dataset.description
    prepared.write_index(folder, description)
    assembling.write_report(folder / AUDIT, dataset, audit)
    refusal = target.with_name(f"{target.name}.{AUDIT}")
    troubles = {
        "skipped": len(description.left_out),
        "repeated": len(description.repeated),
        "unaligned": len(description.unaligned),
    } | description.findings
    found = ", ".join(f"{count} {kind}" for kind, count in troubles.items() if count)
    if is_strict and found:
        (folder / AUDIT).replace(refusal)
        raise DataError(
            f"the dataset is not clean: {found}", hint=f"review {refusal} or omit --strict"
        )
    refusal.unlink(missing_ok=True)  # an earlier strict call may have left it


def _result(
    about: Description, audit: Audit, target: Path, reasons: tuple[str, str]
) -> PreprocessResult:
    return PreprocessResult(
        name=about.name,
        folder=target,
        size=about.size,
        counts=about.counts,
        pairing=about.pairing,
        left_out=about.left_out,
        repeated=about.repeated,
        unaligned=about.unaligned,
        findings=about.findings,
        errors=audit.errors,
        is_spoiled=audit.is_spoiled,
        audit=target / AUDIT,
        domains=about.domains,
        reasons=reasons,
    )


def _nothing_left(left_out: dict[str, str]) -> DataError:
    reasons = [f"{file}: {reason}" for file, reason in left_out.items()]
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    found = f"no pair can be used; {reasons[0]}{more}" if reasons else "no pairs were found"
    names = "give a sketch and its photo matching names, such as anna_sketch.png and anna.jpg"
    hint = f"{names}; or {DRAFT}"
    if all("unreadable" in reason for reason in left_out.values()):
        hint = "convert the images to PNG or JPEG"
    if any("(line " in reason for reason in left_out.values()):
        hint = "write paths relative to the folder of the CSV, with forward slashes"
    return DataError(found, hint=hint)


# This section plans which pairs to make, in which split, and in which style to draw sketches.


def plan(
    pairs: Sequence[SourcePair], exclusions: Exclusions, config: PreprocessConfig
) -> tuple[Job, ...]:
    """Return the jobs, test pairs first, with the sketches of one photo next to each other.

    Pairs that belong to no split are entered in the exclusions. Every photo without a sketch is
    drawn several times, in the styles in turn; the seed decides which style comes first.
    """
    rule = config.division
    lists = lookup.official_splits() if rule.by is SplitBy.CUHK else {}
    jobs = []
    names = [canonical(pair.id) for pair in pairs]
    found = [
        rule.split_of(pair.id, name=name, given=pair.split, official=lists)
        for pair, name in zip(pairs, names, strict=True)
    ]
    if rule.by is not SplitBy.CUHK:
        units = [rule.group_of(p.id) or name for p, name in zip(pairs, names, strict=True)]
        is_drawn = [rule.by is SplitBy.SHARES or not pair.split for pair in pairs]
        found = rule.fill_empty(units, found, is_drawn)
    for pair, split in zip(pairs, found, strict=True):
        if split is None:
            files_of = [path for path in (pair.sketch, pair.photo) if path]
            exclusions.leave_out("in neither of the official CUHK lists", *files_of)
            continue
        jobs.append(Job(pair.id, split, pair.sketch, pair.photo, pair.direction))
    jobs.sort(key=lambda job: (-splits.SPLITS.index(job.split), job.id))
    planned, styles = [], config.styles
    for job in jobs:
        chance = uniform_hash(f"style of {canonical(job.id)}", config.options.seed)
        first = int(chance * len(styles))
        for draw in range(1 if job.sketch else config.draws):
            name = f"{job.id}#{draw + 1}" if draw else job.id
            style = "" if job.sketch else styles[(first + draw) % len(styles)]
            planned.append(replace(job, id=name, style=style, draw=draw))
    return tuple(planned)


# This section reports to the terminal what a user should know about the new dataset.

MOST_TOLD = 20  # files per kind of note that are listed in the terminal


def tell(
    description: Description, audit: Audit, source: Source, rule: SplitRule, reporter: Reporter
) -> None:
    """Report audit errors, files that were skipped or need attention, groups and empty splits."""
    if audit.errors:
        where = f"review {AUDIT} before you train on this dataset"
        reporter(Note(f"{audit_report.headline(audit)}: {where}", is_warning=True))
    for verb, about in (
        ("skipped", description.left_out),
        ("kept", description.repeated | description.unaligned),
    ):
        for file, reason in list(about.items())[:MOST_TOLD]:
            reporter(Note(f"{verb} {file}: {reason}", is_warning=True))
        if len(about) > MOST_TOLD:
            rest = f"{len(about) - MOST_TOLD} more files, listed in {AUDIT} and dataset.json"
            reporter(Note(f"{verb} {rest}", is_warning=True))
    if rule.group:
        groups = list(filter(None, (rule.group_of(pair.id) for pair in description.pairs)))
        found = f"{len(set(groups))} groups in {len(groups)} of {len(description.pairs)} names"
        reporter(Note(f"--group-by found {found}", is_warning=not groups))
    is_asked = {splits.TRAIN: True, splits.VAL: rule.val > 0, splits.TEST: rule.test > 0}
    is_drawn = rule.by is SplitBy.SHARES or (
        rule.by is SplitBy.GIVEN and any(pair.split is None for pair in source.pairs)
    )
    for split, is_wanted in is_asked.items():
        if is_drawn and is_wanted and split not in description.counts:
            message = f"the '{split}' split is empty: change its fraction (--val, --test) or --seed"
            reporter(Note(message, is_warning=True))


# This section provides the small drawn dataset that `train` uses if nothing has been prepared.

NAME = "demo"
SIDE, PAIRS = 64, 200
LONGEST_WAIT = 120.0  # seconds to wait for another process that makes it


def set_to_train(name: Path | None, reporter: Reporter = SILENT) -> PreparedSet:
    """Return the named prepared dataset; without a name the newest, or else the demo dataset."""
    if name is not None or prepared_folders():
        return find_prepared(name)
    reporter(Note("no dataset has been prepared: training on the drawn demo dataset"))
    raw, target = paths.raw_home() / NAME, paths.prepared_home() / f"{NAME}-{SIDE}"
    with files.locked(paths.home() / NAME, patience=LONGEST_WAIT):
        if prepared.is_prepared(target):  # another process made it meanwhile
            return find_prepared(target)
        if not raw.exists():
            fetch(FetchConfig(NAME, count=PAIRS, size=SIDE), reporter=reporter)
        config = PreprocessConfig(
            PairOptions((SIDE, SIDE)), command=f"sketch2img preprocess {NAME} --size {SIDE}"
        )
        preprocess(*find_source(Inputs(raw)), config, target=target, reporter=reporter)
    return find_prepared(target)
