"""The plan of a `generate`: which process makes which photo, and where each is written.

The output paths mirror the input's folders; no two photos share a path, and none is lost. The
outcome of every sketch is counted, and written as a table.
"""

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
    """A photo to generate."""

    source: Path  # the sketch, or `-`
    output: Path  # the photo's file, or `-`
    place: Path  # the sketch's path in the tree of inputs
    variation: int = 0  # which of several photos of the sketch, from 0
    is_done: bool = False  # the photo already exists and is kept
    note: str = ""  # why the photo has another name than the sketch


@dataclass(frozen=True)
class Plan:
    """All photos to generate."""

    jobs: tuple[Job, ...]
    folder: Path | None  # no photo may leave it; None for a single file
    notes: tuple[str, ...] = ()


def plan_outputs(
    found: Found, output: str, naming: Naming, share: Share = WHOLE, variations: int = 1
) -> Plan:
    """Give each sketch the output path of its photo.

    `output` is a file, a folder, or `-`. Only the photos of one shard are planned, whose names do
    not depend on the shard. `variations` is the number of photos per sketch.
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
    """Check that a manifest and a contact sheet would overwrite no sketch, photo or older file."""
    _spare_sketches(found, files)
    check_older(files, existing)
    for file in files:
        if file.resolve() in {job.output.resolve() for job in plan.jobs}:
            raise DataError(f"{file} is also the output path of a photo", hint="use another name")


def check_older(files: Sequence[Path], existing: Existing) -> None:
    """Check that a manifest and a contact sheet can be written under their names."""
    for file in files:
        if file.is_dir():
            raise DataError(f"{file} is a folder, but a file is needed", hint="choose another file")
    if existing is Existing.REFUSE:
        there = [file for file in files if os.path.lexists(file)]
        _refuse(there, "choose another file, or add --overwrite to replace it")


def _is_folder(output: str) -> bool:
    return Path(output).is_dir() or output.endswith(("/", "\\"))


def _to_stream(found: Found, variations: int) -> Job:
    if not found.is_one_file or variations > 1:
        raise UsageError(
            "- (standard output) can hold only one photo", hint="give a folder for the photos"
        )
    return Job(found.sketches[0].path, Path(STREAM), found.sketches[0].place)


def _to_file(sketch: Sketch, output: Path, naming: Naming) -> Job:
    suffix = output.suffix.lower()
    if suffix not in WRITABLE:
        raise DataError(
            f"{output} has no supported image extension and is not an existing folder",
            hint=f"use .png, .jpg or .webp; for a new folder, write {output}/",
        )
    wanted = {".jpeg": "jpg"}.get(suffix, suffix[1:])
    if naming.format and naming.format != wanted:
        raise UsageError(
            f"--format {naming.format} contradicts the extension of {output}",
            hint="omit --format, or change the extension",
        )
    return Job(sketch.path, output.with_stem(output.stem + naming.suffix), sketch.place)


def check_folder(sources: Sequence[Path], folder: Path) -> None:
    """Check that a folder can hold the photos: it is no file and lies in no searched folder."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file, but a folder is needed", hint="choose a folder")
    if not folder.exists() and folder.suffix.lower() in WRITABLE:
        raise DataError(
            f"{folder} names one file, but there are several photos", hint="choose a folder"
        )
    for source in sources:
        if folder.resolve().is_relative_to(source.resolve()):
            raise DataError(
                f"{folder} is inside {source}, so photos and sketches would be mixed",
                hint="choose a folder outside the sketches' folder",
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
            note = (
                f"{place}: another sketch has the same name, so its photo is saved as "
                f"{place.with_name(name + ending)}"
            )
        output = folder / place.with_name(f"{name}{ending}")
        yield Job(sketch.path, output, place, note=note)


def _free(place: Path, taken: set[str]) -> str:
    """Return a name with the file's extension in it and, if that is taken, a number."""
    base = f"{place.stem}{place.suffix.replace('.', '_')}"
    name, number = base, 2
    while _key(place.with_name(name)) in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(_key(place.with_name(name)))
    return name


def _key(place: Path) -> str:
    """Return a key that is equal for names that some disks (Windows, macOS) do not distinguish."""
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
        raise UsageError("--quality applies only to JPEG and WebP", hint="add --format jpg or webp")


def _spare_sketches(found: Found, written: Sequence[Path]) -> None:
    sketches = {sketch.path.resolve() for sketch in found.sketches if str(sketch.path) != STREAM}
    for path in written:
        if path.resolve() in sketches:
            raise DataError(f"{path} would overwrite a sketch", hint="choose another output")


def _heed_existing(jobs: Sequence[Job], existing: Existing) -> list[Job]:
    there = {j.output for j in jobs if os.path.lexists(j.output) and str(j.output) != STREAM}
    folders = [output for output in there if output.is_dir() and not output.is_symlink()]
    if folders:
        raise DataError(
            f"{folders[0]} is a folder, but a photo needs this name", hint="rename the folder"
        )
    if existing is Existing.REFUSE:
        kept = "add --skip-existing to keep existing photos, or --overwrite to replace them"
        _refuse([job.output for job in jobs if job.output in there], kept)
    is_kept = existing is Existing.SKIP
    return [replace(job, is_done=is_kept and job.output in there) for job in jobs]


def _refuse(there: Sequence[Path], hint: str) -> None:
    if there:
        more = f", and {len(there) - 1} more" if len(there) > 1 else ""
        raise DataError(f"{there[0]} exists{more}", hint=hint)


# Planning a whole request imports nothing heavy, so that a wrong path fails at once.


def make_plan(request: Request) -> Plan:
    """Plan all photos of a request, and check that nothing would be overwritten."""
    found = inputs.find(request.sources, request.listed, request.selection)
    variations = request.drawing.variations
    planned = plan_outputs(found, request.output, request.naming, request.share, variations)
    beside = [path for path in (request.manifest, request.grid) if path is not None]
    files = [of_share(path, request.share) for path in beside]
    check_beside(found, planned, files, request.naming.existing)
    return planned


def parse_share(text: str | None) -> Share:
    """Parse a shard such as `2/8`. By default, take it from torchrun's rank and world size.

    Raises:
        UsageError: If the text is not a valid shard, or torchrun's variables are not numbers.

    >>> parse_share("2/8")
    Share(number=2, count=8)
    """
    if text is None:
        text = f"{number('RANK', 0) + 1}/{number('WORLD_SIZE', 1)}"
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    share = Share(int(match[1]), int(match[2])) if match else Share(0, 0)
    if not 1 <= share.number <= share.count:
        raise UsageError(f"invalid shard '{text}'", hint="write I/N, for example --shard 2/8")
    return share


def of_share(path: Path, share: Share) -> Path:
    """Add the shard to a file's name, so that several shards can write side by side.

    >>> of_share(Path("a.csv"), Share(2, 8)).name
    'a-2-of-8.csv'
    """
    if share.is_whole:
        return path
    return path.with_stem(f"{path.stem}-{share.number}-of-{share.count}")


# The outcome of every sketch is reported as it happens, and written as a table.

COLUMNS = ("source", "output", "status", "milliseconds", "warnings", "error")


class Tally:
    """The outcome of each job so far; jobs that are done already count at once."""

    def __init__(self, jobs: Sequence[Job], reporter: Reporter) -> None:
        self.places = {(job.source, job.output): i for i, job in enumerate(jobs)}
        self.failing = {job.source: i for i, job in enumerate(jobs)}
        self.total, self.reporter = len(jobs), reporter
        self.found: list[tuple[int, GeneratedFile]] = []
        for job in jobs:
            if job.is_done:
                self.add(GeneratedFile(job.source, job.output, 0.0, status="skipped"))

    def add(self, file: GeneratedFile) -> None:
        """Record a file's outcome, and report it."""
        place = self.places[file.source, file.output] if file.output else self.failing[file.source]
        self.found.append((place, file))
        report_file(file, self.reporter)
        self.reporter(Advanced("sketches", len(self.found), self.total))

    @property
    def files(self) -> tuple[GeneratedFile, ...]:
        """The outcomes so far, in the order of the jobs."""
        return tuple(file for _, file in sorted(self.found, key=lambda found: found[0]))


def report_file(file: GeneratedFile, reporter: Reporter) -> None:
    """Report a file and its warnings."""
    for warning in file.warnings:
        reporter(Note(f"{file.source}: {warning}", is_warning=True))
    reporter(Converted(file))


def nothing_to_do(request: Request, plan: Plan, reporter: Reporter) -> GenerateResult | None:
    """Return the result if all photos exist already, or None if at least one is missing."""
    if not all(job.is_done for job in plan.jobs):
        return None
    done = Tally(plan.jobs, reporter).files
    return GenerateResult((), done, write_manifest(request, done))


def write_manifest(request: Request, done: Sequence[GeneratedFile]) -> Path | None:
    """Write the manifest, if one is requested: UTF-8 CSV with a line per file; return its path."""
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


# Under torchrun, no process of a `generate` ends before the others. torchrun stops all of them as
# soon as one ends with a code other than 0: a bad file in one shard would cut off the other shards.

STARTED_BY_TORCHRUN = "TORCHELASTIC_RUN_ID"  # a variable that torchrun sets for its processes
LONGEST = dt.timedelta(days=7)  # time limit for waiting for the other shards
PAUSE = 0.1  # seconds between two polls; Ctrl-C is handled in between


def exit_code(result: GenerateResult) -> ExitCode:
    """Return 0, 7 if some files failed, or 3 if all did; under torchrun, over all processes.

    Raises:
        LostProcessError: If another process ended before its shard was done.
    """
    failed, count = len(result.failed), len(result.files)
    if STARTED_BY_TORCHRUN in os.environ and number("WORLD_SIZE", 1) > 1:
        failed, count = _of_all(failed, count)
    if not failed:
        return ExitCode.OK
    return ExitCode.DATA if failed == count else ExitCode.SOME_FILES_FAILED


def _of_all(*counts: int) -> list[int]:
    """Return the sum of each count over all processes, once all of them are done."""
    import torch  # noqa: PLC0415 - heavy, and needed only under torchrun
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
            f"another torchrun process ended before its shard was done: {reason}",
            hint="run the command again with --skip-existing and without torchrun to finish",
        ) from error
    return [int(total) for total in sums]
