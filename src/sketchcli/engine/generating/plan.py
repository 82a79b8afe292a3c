"""The plan of a `generate`: which photos to generate, and where each is written.

The output paths mirror the input's folders, and no two photos share one. The outcome of every
sketch is counted, and written as a table.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sketchcli import files
from sketchcli.config.domains import Domain, Domains
from sketchcli.engine.events import Advanced, Converted, Note, Reporter
from sketchcli.engine.generating import inputs
from sketchcli.engine.generating.inputs import STREAM, Existing, Found, Naming, Request, Sketch
from sketchcli.engine.results import GeneratedFile, GenerateResult
from sketchcli.errors import DataError, UsageError
from sketchcli.file_kinds import WRITABLE


@dataclass(frozen=True)
class Job:
    """A photo to generate."""

    source: Path  # the sketch, or `-`
    output: Path  # the photo's file, or `-`
    variation: int = 0  # which of several photos of the sketch, from 0
    is_done: bool = False  # the photo already exists and is kept
    note: str = ""  # why the photo has another name than the sketch


@dataclass(frozen=True)
class Plan:
    """All photos to generate."""

    jobs: tuple[Job, ...]
    folder: Path | None  # no photo may leave it; None for a single file
    notes: tuple[str, ...] = ()


def make_plan(request: Request) -> Plan:
    """Plan all photos of a request, and check that nothing would be overwritten."""
    output = Path(request.output)
    found = inputs.find(
        request.sources, request.listed, request.selection, output, domains=request.domains
    )
    return plan_outputs(found, request)


def plan_outputs(found: Found, request: Request) -> Plan:
    """Give each sketch that was found the output path of its photo.

    Only the photos of the request's shard are planned; their names do not depend on the shard.
    """
    naming, shard, variations = request.naming, request.shard, request.drawing.variations
    domains, photo = request.domains, request.domains.target
    is_folder = Path(request.output).is_dir() or request.output.endswith(("/", "\\"))
    folder = None
    if request.output == STREAM:
        if not found.is_one_file or variations > 1:
            raise UsageError(
                f"- (standard output) can hold only one {photo.one}",
                hint=f"give a folder for the {photo.many}",
            )
        jobs = [Job(found.sketches[0].path, Path(STREAM))]
    elif found.is_one_file and not is_folder:
        jobs = [_to_file(found.sketches[0], Path(request.output), naming)]
    else:
        folder = Path(request.output)
        check_folder(found.folders, folder, domains)
        jobs = list(_to_folder(found.sketches, folder, naming, domains))
    if variations > 1:
        jobs = [
            replace(
                job, output=job.output.with_stem(f"{job.output.stem}-{index + 1}"), variation=index
            )
            for job in jobs
            for index in range(variations)
        ]
    beside = [shard.name(path) for path in (request.manifest, request.grid) if path is not None]
    suffix = jobs[0].output.suffix.lower() or f".{naming.format}"  # the same for all photos
    if naming.quality is not None and suffix not in {".jpg", ".jpeg", ".webp"}:
        raise UsageError("--quality applies only to JPEG and WebP", hint="add --format jpg or webp")
    _spare_sketches(found, [*(job.output for job in jobs), *beside], domains.input)
    jobs = _heed_existing(jobs[shard.number - 1 :: shard.count], naming.existing, photo)
    check_beside(beside, naming.existing, photo, jobs)
    notes = [*found.notes, *(job.note for job in jobs if job.note and not job.variation)]
    return Plan(tuple(jobs), folder, tuple(notes))


def check_folder(sources: Sequence[Path], folder: Path, domains: Domains) -> None:
    """Check that a folder can hold the photos: it is no file and lies in no searched folder."""
    sketches, photos = domains.input.many, domains.target.many
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file, but a folder is needed", hint="choose a folder")
    if not folder.exists() and folder.suffix.lower() in WRITABLE:
        raise DataError(
            f"{folder} names one file, but there are several {photos}", hint="choose a folder"
        )
    for source in sources:
        if folder.resolve().is_relative_to(source.resolve()):
            raise DataError(
                f"{folder} is inside {source}, so {photos} and {sketches} would be mixed",
                hint=f"choose a folder outside the {sketches}' folder",
            )


def check_beside(
    paths: Sequence[Path], existing: Existing, photo: Domain, jobs: Sequence[Job] = ()
) -> None:
    """Check that a manifest and a contact sheet can be written, and are no photo's output."""
    for path in paths:
        if path.is_dir():
            raise DataError(f"{path} is a folder, but a file is needed", hint="choose another file")
        if path.resolve() in {job.output.resolve() for job in jobs}:
            fault = f"{path} is also the output path of {photo.a}"
            raise DataError(fault, hint="use another name")
    if existing is Existing.REFUSE:
        there = [path for path in paths if os.path.lexists(path)]
        _refuse(there, "choose another file, or add --overwrite to replace it")


def _to_file(sketch: Sketch, output: Path, naming: Naming) -> Job:
    suffix = output.suffix.lower()
    if suffix not in WRITABLE:
        raise DataError(
            f"{output} has no supported image extension and is not an existing folder",
            hint=f"use .png, .jpg or .webp; for a new folder, write {output}/",
        )
    if naming.format not in {None, suffix[1:].replace("jpeg", "jpg")}:
        raise UsageError(
            f"--format {naming.format} contradicts the extension of {output}",
            hint="omit --format, or change the extension",
        )
    return Job(sketch.path, output.with_stem(output.stem + naming.suffix))


def _to_folder(
    sketches: Sequence[Sketch], folder: Path, naming: Naming, domains: Domains
) -> Iterator[Job]:
    ending = f"{naming.suffix}.{naming.format or 'png'}"
    stems = Counter(_key(sketch.place.with_suffix("")) for sketch in sketches)
    taken = {stem for stem, count in stems.items() if count == 1}
    for sketch in sketches:
        place = sketch.place
        name, note = place.stem, ""
        if stems[_key(place.with_suffix(""))] > 1:  # a.jpg and a.png: a_jpg and a_png
            name = base = f"{place.stem}{place.suffix.replace('.', '_')}"
            number = 2
            while _key(place.with_name(name)) in taken:
                name, number = f"{base}-{number}", number + 1
            taken.add(_key(place.with_name(name)))
            note = (
                f"{place}: another {domains.input.one} has the same name, so its "
                f"{domains.target.one} is saved as {place.with_name(name + ending)}"
            )
        yield Job(sketch.path, folder / place.with_name(name + ending), note=note)


def _key(place: Path) -> str:
    """Return a key that is equal for names that some disks (Windows, macOS) do not distinguish."""
    return unicodedata.normalize("NFC", place.as_posix()).casefold()


def _spare_sketches(found: Found, written: Sequence[Path], domain: Domain) -> None:
    sketches = {sketch.path.resolve() for sketch in found.sketches if str(sketch.path) != STREAM}
    for path in written:
        if path.resolve() in sketches:
            raise DataError(f"{path} would overwrite {domain.a}", hint="choose another output")


def _heed_existing(jobs: Sequence[Job], existing: Existing, photo: Domain) -> list[Job]:
    there = {j.output for j in jobs if os.path.lexists(j.output) and str(j.output) != STREAM}
    folders = [output for output in there if output.is_dir() and not output.is_symlink()]
    if folders:
        raise DataError(
            f"{folders[0]} is a folder, but {photo.a} needs this name", hint="rename the folder"
        )
    if existing is Existing.REFUSE:
        kept = f"add --skip-existing to keep existing {photo.many}, or --overwrite to replace them"
        _refuse([job.output for job in jobs if job.output in there], kept)
    is_kept = existing is Existing.SKIP
    return [replace(job, is_done=is_kept and job.output in there) for job in jobs]


def _refuse(there: Sequence[Path], hint: str) -> None:
    if there:
        more = f", and {len(there) - 1} more" if len(there) > 1 else ""
        raise DataError(f"{there[0]} exists{more}", hint=hint)


# The outcome of every sketch is reported as it happens, and written as a table.


class Tally:
    """The outcome of each job so far; jobs that are done already count at once."""

    def __init__(self, jobs: Sequence[Job], domain: Domain, reporter: Reporter) -> None:
        self.places: dict[tuple[Path, Path | None], int] = {}
        for place, job in enumerate(jobs):
            self.places[job.source, job.output] = self.places[job.source, None] = place
        self.what, self.total, self.reporter = domain.many, len(jobs), reporter
        self.found: list[GeneratedFile] = []
        for job in jobs:
            if job.is_done:
                self.add(GeneratedFile(job.source, job.output, 0.0, status="skipped"))

    def add(self, file: GeneratedFile) -> None:
        """Record a file's outcome, and report it."""
        self.found.append(file)
        report_file(file, self.reporter)
        self.reporter(Advanced(self.what, len(self.found), self.total))

    @property
    def files(self) -> tuple[GeneratedFile, ...]:
        """The outcomes so far, in the order of the jobs."""
        return tuple(sorted(self.found, key=lambda file: self.places[file.source, file.output]))


def report_file(file: GeneratedFile, reporter: Reporter) -> None:
    """Report a file and its warnings."""
    for warning in file.warnings:
        reporter(Note(f"{file.source}: {warning}", is_warning=True))
    reporter(Converted(file))


def nothing_to_do(request: Request, plan: Plan, reporter: Reporter) -> GenerateResult | None:
    """Return the result if all photos exist already, or None if at least one is missing."""
    if not all(job.is_done for job in plan.jobs):
        return None
    done = Tally(plan.jobs, request.domains.input, reporter).files
    return GenerateResult((), done, write_manifest(request, done), domains=request.domains)


def write_manifest(request: Request, done: Sequence[GeneratedFile]) -> Path | None:
    """Write the manifest, if one is requested: UTF-8 CSV with a line per file; return its path."""
    if request.manifest is None:
        return None
    rows: list[list[object]] = [["source", "output", "status", "milliseconds", "warnings", "error"]]
    for file in done:
        told = ("; ".join(file.warnings), file.error or "")
        rows.append([file.source, file.output or "", file.status, file.milliseconds, *told])
    path = request.shard.name(request.manifest)
    files.write_csv(path, rows)
    return path
