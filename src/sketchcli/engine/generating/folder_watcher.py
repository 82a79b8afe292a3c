"""A folder under watch: each sketch that appears in it is converted, once it is whole."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sketchcli.device import Device
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.generating import inputs, plan
from sketchcli.engine.generating.generate import Pipeline, Writer
from sketchcli.engine.generating.inputs import Existing, Request
from sketchcli.engine.generating.plan import Job, report_file, write_manifest
from sketchcli.engine.results import GeneratedFile, GenerateResult
from sketchcli.errors import DataError

Signature = tuple[int, int]  # size in bytes, nanoseconds of the last change
PAUSE, SETTLED = 0.5, 1.0  # seconds between two looks; that a file must stay as it is


def watch(
    request: Request,
    folder: Path,
    *,
    device: Device,
    reporter: Reporter = SILENT,
    is_over: Callable[[], bool] = lambda: False,
    pause: float = PAUSE,
    settled: float = SETTLED,
) -> GenerateResult:
    """Convert what is in a folder, and what appears in it, until Ctrl-C.

    A file that is still being written waits until its size and date have stayed the same for a
    while. One that changes later is converted again. Photos that were there before are left alone,
    unless the request says otherwise.

    Args:
        request: Outputs, models, and how to draw; its sources are not looked at.
        folder: The folder to watch, with all below it.
        device: Where to compute.
        reporter: Told of every file.
        is_over: Asked after each look whether to stop.
        pause: Seconds between two looks.
        settled: Seconds after which an unchanged file counts as whole.

    Raises:
        DataError: There is no such folder, it is not below the tree's root, or the photos' lies in
            it.
        CheckpointError: Weights cannot be used.
    """
    target = _checked(request, folder)
    studio = Pipeline.open(request, device, reporter)
    # What is there, and not ours, was told from what may be replaced before it is written.
    writer = Writer(replace(request.naming, existing=Existing.OVERWRITE), target)
    desk = FolderWatcher(request, folder, settled, reporter)
    reporter(Note(f"watching {folder}; Ctrl-C ends it"))
    try:
        while True:
            studio.convert(desk.ready(time.monotonic()), writer, desk.note)
            if is_over():
                break
            time.sleep(pause)
    except KeyboardInterrupt:
        reporter(Note(f"no longer watching {folder}"))
    finally:
        manifest = write_manifest(request, desk.done)
    return GenerateResult(request.models, tuple(desk.done), manifest)


def _checked(request: Request, folder: Path) -> Path:
    """The folder for the photos."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", hint="make the folder that is to be watched")
    if request.selection.root is not None:
        inputs.check_below(folder, request.selection.root)
    target = Path(request.output)
    plan.check_folder([folder], target)
    if request.manifest is not None:
        plan.check_older([request.manifest], request.naming.existing)
    return target


@dataclass
class FolderWatcher:
    """What lies in the folder, what has been done about it, and since when it is as it is."""

    request: Request
    folder: Path
    settled: float
    reporter: Reporter
    done: list[GeneratedFile] = field(default_factory=list)
    handled: dict[Path, Signature] = field(default_factory=dict)
    waiting: dict[Path, tuple[Signature, float]] = field(default_factory=dict)
    ours: set[Path] = field(default_factory=set)  # photos made since the watch began

    def ready(self, now: float) -> list[Job]:
        """The sketches that are whole, and new or changed."""
        jobs = []
        for job in self._jobs():
            found = _signature(job.source)
            if found is None or self.handled.get(job.source) == found:
                continue
            signature, since = self.waiting.get(job.source, (None, now))
            if signature != found:
                self.waiting[job.source] = (found, now)
            elif now - since >= self.settled:
                jobs.append((job, found))
        for job, found in jobs:
            self.handled[job.source] = found
            self.waiting.pop(job.source, None)
        return [job for job, _ in jobs if self._may_write(job.output)]

    def note(self, file: GeneratedFile) -> None:
        """Remember a photo as ours, and report it."""
        self.done.append(file)
        if file.output is not None:
            self.ours.add(file.output)
        report_file(file, self.reporter)

    def _jobs(self) -> Sequence[Job]:
        request = self.request
        try:
            found = inputs.find([str(self.folder)], (), request.selection)
        except DataError:  # nothing in it yet
            return ()
        naming = replace(request.naming, existing=Existing.OVERWRITE)
        return plan.plan_outputs(
            found, request.output, naming, variations=request.drawing.variations
        ).jobs

    def _may_write(self, output: Path) -> bool:
        is_asked = self.request.naming.existing is Existing.OVERWRITE
        return is_asked or output in self.ours or not output.exists()


def _signature(path: Path) -> Signature | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return (about.st_size, about.st_mtime_ns)
