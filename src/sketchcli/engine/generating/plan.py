"""Where photos go: a mirrored tree, in which no two have one name and none is lost."""

import csv
import datetime as dt
import io
import os
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sketchcli import files
from sketchcli.engine.events import Advanced, Converted, Note, Reporter
from sketchcli.engine.generating import inputs
from sketchcli.engine.generating.inputs import (
    STREAM,
    Existing,
    Found,
    Naming,
    Request,
    Share,
    Sketch,
)
from sketchcli.engine.results import GeneratedFile, GenerateResult
from sketchcli.errors import DataError, ExitCode, LostProcessError, UsageError
from sketchcli.files import WRITABLE
from sketchcli.machine import number

FORMATS = ("png", "jpg", "webp")
WHOLE = Share()
WITH_QUALITY = frozenset({".jpg", ".jpeg", ".webp"})


@dataclass(frozen=True)
class Job:
    """A photo to make.

    Args:
        source: The sketch, or `-`.
        output: The photo's file, or `-`.
        place: The sketch's place in the tree of inputs.
        variation: Which of several photos of the sketch, from 0.
        is_done: Whether the photo is there already, and is left alone.
        note: What a person should know about the name.
    """

    source: Path
    output: Path
    place: Path
    variation: int = 0
    is_done: bool = False
    note: str = ""


@dataclass(frozen=True)
class Plan:
    """All photos to make, and the folder that none of them may leave; None for a single file."""

    jobs: tuple[Job, ...]
    folder: Path | None
    notes: tuple[str, ...] = ()


def plan_outputs(
    found: Found, output: str, naming: Naming, share: Share = WHOLE, variations: int = 1
) -> Plan:
    """Give each sketch the file that its photo goes to.

    Args:
        found: The sketches.
        output: A file, a folder, or `-`.
        naming: Format, suffix, and what becomes of photos that are there.
        share: Which share of the photos is meant; they are named as if there were but one.
        variations: Photos a sketch.

    Raises:
        DataError: A photo would take the place of a sketch, or of another photo.
        UsageError: The options contradict each other.
    """
    if output == STREAM:
        jobs, folder = [_to_stream(found, variations)], None
    elif found.is_one_file and not _is_folder(output):
        jobs, folder = [_to_file(found.sketches[0], Path(output), naming)], None
    else:
        folder = Path(output)
        check_folder(found.folders, folder)
        jobs = list(_to_folder(found.sketches, folder, naming))
    jobs = [each for job in jobs for each in _variations(job, variations)]
    _check_quality(jobs, naming)
    _spare_sketches(found, [job.output for job in jobs])
    jobs = jobs[share.number - 1 :: share.count]
    notes = [*found.notes, *(job.note for job in jobs if job.note and not job.variation)]
    return Plan(tuple(_heed_existing(jobs, naming.existing)), folder, tuple(notes))


def check_beside(found: Found, plan: Plan, files: Sequence[Path], existing: Existing) -> None:
    """Make sure that what is written beside the photos takes the place of nothing else.

    Raises:
        DataError: It has the name of a sketch or of a photo, or may not be replaced.
    """
    _spare_sketches(found, files)
    check_older(files, existing)
    for file in files:
        if file.resolve() in {job.output.resolve() for job in plan.jobs}:
            raise DataError(f"{file}: a photo goes there", hint="name another file")


def check_older(files: Sequence[Path], existing: Existing) -> None:
    """Make sure that a manifest and a sheet may go where they are to.

    Raises:
        DataError: An older one is there, and nothing was said of what is there; or a folder.
    """
    for file in files:
        if file.is_dir():
            raise DataError(f"{file}: a folder, where a file would go", hint="name another file")
    if existing is Existing.REFUSE:
        there = [file for file in files if os.path.lexists(file)]
        _refuse(there, "name another file, or add --overwrite to replace it")


def _is_folder(output: str) -> bool:
    return Path(output).is_dir() or output.endswith(("/", "\\"))


def _to_stream(found: Found, variations: int) -> Job:
    if not found.is_one_file or variations > 1:
        raise UsageError("- holds one photo", hint="name a folder for the photos")
    return Job(found.sketches[0].path, Path(STREAM), found.sketches[0].place)


def _to_file(sketch: Sketch, output: Path, naming: Naming) -> Job:
    suffix = output.suffix.lower()
    if suffix not in WRITABLE:
        raise DataError(
            f"{output}: neither a picture's name nor a folder that exists",
            hint=f"use .png, .jpg or .webp; for a folder, write {output}/",
        )
    wanted = {".jpeg": "jpg"}.get(suffix, suffix[1:])
    if naming.format and naming.format != wanted:
        raise UsageError(f"--format {naming.format}, but {output}", hint="leave one of them out")
    return Job(sketch.path, output.with_stem(output.stem + naming.suffix), sketch.place)


def check_folder(sources: Sequence[Path], folder: Path) -> None:
    """Make sure that photos may go to a folder.

    Raises:
        DataError: It is a file, or it lies where the sketches are.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: a file, where a folder is needed", hint="name a folder")
    if not folder.exists() and folder.suffix.lower() in WRITABLE:
        raise DataError(f"{folder}: one file for several photos", hint="name a folder")
    for source in sources:
        if folder.resolve().is_relative_to(source.resolve()):
            raise DataError(
                f"{folder}: in {source}, where the sketches are; they would be mixed",
                hint="choose a folder beside it",
            )


def _to_folder(sketches: Sequence[Sketch], folder: Path, naming: Naming) -> Iterator[Job]:
    ending = f"{naming.suffix}.{naming.format or 'png'}"
    stems = Counter(_key(sketch.place.with_suffix("")) for sketch in sketches)
    taken = {stem for stem, count in stems.items() if count == 1}
    for sketch in sketches:
        place = sketch.place
        name, note = place.stem, ""
        if stems[_key(place.with_suffix(""))] > 1:  # a.jpg and a.png: a_jpg and a_png
            name = _free(place, taken)
            note = f"{place} has a namesake: its photo is {place.with_name(name + ending)}"
        output = folder / place.with_name(f"{name}{ending}")
        yield Job(sketch.path, output, place, note=note)


def _free(place: Path, taken: set[str]) -> str:
    """A name with the file's suffix in it, and a number where even that is taken."""
    base = f"{place.stem}{place.suffix.replace('.', '_')}"
    name, number = base, 2
    while _key(place.with_name(name)) in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(_key(place.with_name(name)))
    return name


def _key(place: Path) -> str:
    """What two names share that are one on some disks: Windows' and macOS's ignore case."""
    return unicodedata.normalize("NFC", place.as_posix()).casefold()


def _variations(job: Job, count: int) -> Iterator[Job]:
    for index in range(count):
        stem = f"{job.output.stem}-{index + 1}" if count > 1 else job.output.stem
        output = job.output if job.output == Path(STREAM) else job.output.with_stem(stem)
        yield replace(job, output=output, variation=index)


def _check_quality(jobs: Sequence[Job], naming: Naming) -> None:
    if naming.quality is None or naming.format in {"jpg", "webp"}:
        return
    if any(job.output.suffix.lower() not in WITH_QUALITY for job in jobs):
        raise UsageError("--quality is for JPEG and WebP", hint="add --format jpg, or webp")


def _spare_sketches(found: Found, written: Sequence[Path]) -> None:
    sketches = {sketch.path.resolve() for sketch in found.sketches if str(sketch.path) != STREAM}
    for path in written:
        if path.resolve() in sketches:
            raise DataError(f"{path}: would overwrite a sketch", hint="name another output")


def _heed_existing(jobs: Sequence[Job], existing: Existing) -> list[Job]:
    there = {j.output for j in jobs if os.path.lexists(j.output) and str(j.output) != STREAM}
    folders = [output for output in there if output.is_dir() and not output.is_symlink()]
    if folders:
        raise DataError(f"{folders[0]}: a folder, where a photo would go", hint="move it away")
    if existing is Existing.REFUSE:
        kept = "add --skip-existing to keep, or --overwrite to replace"
        _refuse([job.output for job in jobs if job.output in there], kept)
    is_kept = existing is Existing.SKIP
    return [replace(job, is_done=is_kept and job.output in there) for job in jobs]


def _refuse(there: Sequence[Path], hint: str) -> None:
    if there:
        more = f", and {len(there) - 1} more" if len(there) > 1 else ""
        raise DataError(f"{there[0]} exists{more}", hint=hint)


# What a request comes to, before anything heavy is imported: which files, and where to.


def make_plan(request: Request) -> Plan:
    """All photos of a request.

    Raises:
        DataError: Nothing to read, nowhere to write, or something would be overwritten.
        UsageError: The request contradicts itself.
    """
    found = inputs.find(request.sources, request.listed, request.selection)
    variations = request.drawing.variations
    planned = plan_outputs(found, request.output, request.naming, request.share, variations)
    beside = [path for path in (request.manifest, request.grid) if path is not None]
    files = [of_share(path, request.share) for path in beside]
    check_beside(found, planned, files, request.naming.existing)
    return planned


def parse_share(text: str | None) -> Share:
    """The share of the work that `2/8` means; without it, a torchrun rank's, or all.

    Raises:
        UsageError: It means none, or torchrun's variables hold no numbers.

    >>> parse_share("2/8")
    Share(number=2, count=8)
    """
    if text is None:
        text = f"{number('RANK', 0) + 1}/{number('WORLD_SIZE', 1)}"
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    share = Share(int(match[1]), int(match[2])) if match else Share(0, 0)
    if not 1 <= share.number <= share.count:
        raise UsageError(f"'{text}' is no share of the work", hint="write --shard 2/8")
    return share


def of_share(path: Path, share: Share) -> Path:
    """A file's name with the share in it, so that several can be written side by side.

    >>> of_share(Path("a.csv"), Share(2, 8)).name
    'a-2-of-8.csv'
    """
    if share.is_whole:
        return path
    return path.with_stem(f"{path.stem}-{share.number}-of-{share.count}")


# What became of every sketch: told as it happens, and written as a table.

COLUMNS = ("source", "output", "status", "milliseconds", "warnings", "error")


class Tally:
    """What became of each job so far.

    Args:
        jobs: All of them; those that are done already count at once.
        reporter: Told of each.
    """

    def __init__(self, jobs: Sequence[Job], reporter: Reporter) -> None:
        self.places = {(job.source, job.output): i for i, job in enumerate(jobs)}
        self.failing = {job.source: i for i, job in enumerate(jobs)}
        self.total, self.reporter = len(jobs), reporter
        self.found: list[tuple[int, GeneratedFile]] = []
        for job in jobs:
            if job.is_done:
                self.add(GeneratedFile(job.source, job.output, 0.0, status="skipped"))

    def add(self, file: GeneratedFile) -> None:
        """Note a file, and report it."""
        place = self.places[file.source, file.output] if file.output else self.failing[file.source]
        self.found.append((place, file))
        report_file(file, self.reporter)
        self.reporter(Advanced("sketches", len(self.found), self.total))

    @property
    def files(self) -> tuple[GeneratedFile, ...]:
        """In the order of the jobs."""
        return tuple(file for _, file in sorted(self.found, key=lambda found: found[0]))


def report_file(file: GeneratedFile, reporter: Reporter) -> None:
    """Tell of a file, and of what is odd about it."""
    for warning in file.warnings:
        reporter(Note(f"{file.source}: {warning}", is_warning=True))
    reporter(Converted(file))


def nothing_to_do(request: Request, plan: Plan, reporter: Reporter) -> GenerateResult | None:
    """The result where every photo is there already; None where something is left to do.

    Raises:
        DataError: The manifest cannot be written.
    """
    if not all(job.is_done for job in plan.jobs):
        return None
    done = Tally(plan.jobs, reporter).files
    return GenerateResult((), done, write_manifest(request, done))


def write_manifest(request: Request, done: Sequence[GeneratedFile]) -> Path | None:
    """Write a CSV in UTF-8 with a line for each file, whole or not at all, where one is asked for.

    Returns:
        Where it is.

    Raises:
        DataError: It cannot be written.
    """
    if request.manifest is None:
        return None
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for file in done:
        told = ("; ".join(file.warnings), file.error or "")
        table.writerow([file.source, file.output or "", file.status, file.milliseconds, *told])
    path = of_share(request.manifest, request.share)
    files.write_text(path, text.getvalue())
    return path


# The ranks of one `generate`, as `torchrun` starts them: none of them ends before the others.
#
# torchrun stops every rank as soon as one ends with another code than 0. With a bad file in one
# share, the others would be left half done.

STARTED_BY_TORCHRUN = "TORCHELASTIC_RUN_ID"  # a variable that it sets for its ranks
LONGEST = dt.timedelta(days=7)  # that a rank waits for another one's share
PAUSE = 0.1  # seconds between two looks: Ctrl-C is heard in between


def exit_code(result: GenerateResult) -> ExitCode:
    """0, 7 where some files failed, 3 where all did; under torchrun, of all ranks' files.

    Raises:
        LostProcessError: Another rank has ended before its share was done.
    """
    failed, count = len(result.failed), len(result.files)
    if STARTED_BY_TORCHRUN in os.environ and number("WORLD_SIZE", 1) > 1:
        failed, count = _of_all(failed, count)
    if not failed:
        return ExitCode.OK
    return ExitCode.DATA if failed == count else ExitCode.SOME_FILES_FAILED


def _of_all(*counts: int) -> list[int]:
    """The sum of each count over all ranks, when all are done."""
    import torch  # noqa: PLC0415 - heavy, and needed under torchrun alone
    from torch import distributed as dist  # noqa: PLC0415

    sums = torch.tensor(counts)
    try:
        dist.init_process_group("gloo", timeout=LONGEST)
        work = dist.all_reduce(sums, async_op=True)
        while not work.is_completed():
            time.sleep(PAUSE)
        work.wait()
        dist.destroy_process_group()
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise LostProcessError(
            f"another process of torchrun's is lost: {reason}",
            hint="--skip-existing, without torchrun, finishes what is missing",
        ) from error
    return [int(total) for total in sums]
