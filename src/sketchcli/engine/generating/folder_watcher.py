"""Watching a folder: each sketch that appears in it is converted once it is complete."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from sketchcli.device import Device
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.generating import inputs, plan
from sketchcli.engine.generating.generate import Pipeline, Writer, open_models
from sketchcli.engine.generating.inputs import Existing, Request
from sketchcli.engine.generating.plan import Job, report_file, write_manifest
from sketchcli.engine.results import GeneratedFile, GenerateResult
from sketchcli.errors import DataError

Signature = tuple[int, int]  # size in bytes, time of the last change in nanoseconds
PAUSE, SETTLED = 0.5, 1.0  # seconds between two polls; seconds without a change


def watch(
    request: Request, folder: Path, *, device: Device, reporter: Reporter = SILENT
) -> GenerateResult:
    """Convert the sketches in a folder, and those that appear in it, until Ctrl-C.

    A file waits until its size and date have not changed for a while; one that changes later is
    converted again. Existing photos are kept, unless the request overwrites them.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not an existing folder", hint="create the folder to watch")
    if request.selection.root is not None:
        inputs.check_below(folder, request.selection.root)
    plan.check_folder([folder], Path(request.output), request.domains)
    if request.manifest is not None:
        plan.check_beside([request.manifest], request.naming.existing, request.domains.target)
    preparer, sampler = open_models(request.models, request.drawing, device, reporter)
    is_replacing = request.naming.existing is Existing.OVERWRITE
    # The watcher knows which photos may be overwritten, so the plan need not check them.
    unchecked = replace(request.naming, existing=Existing.OVERWRITE)
    planned = replace(request, naming=unchecked, manifest=None)
    watcher = FolderWatcher(planned, folder, reporter, is_replacing=is_replacing)
    naming = unchecked if is_replacing else replace(unchecked, existing=Existing.SKIP)
    output = Path(request.output).resolve()
    writer = Writer(naming, output, ours=watcher.ours, mark=request.mark)
    pipeline = Pipeline(preparer, sampler, writer)
    reporter(Note(f"watching {folder}; press Ctrl-C to stop"))
    try:
        while True:
            pipeline.convert(watcher.ready(time.monotonic()), watcher.note)
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        reporter(Note(f"stopped watching {folder}"))
    finally:
        manifest = write_manifest(request, watcher.done)
    done = tuple(watcher.done)
    return GenerateResult(request.models, done, manifest, domains=request.domains)


@dataclass
class FolderWatcher:
    """The state of the folder: finished and waiting sketches, and since when they are unchanged."""

    request: Request
    folder: Path
    reporter: Reporter
    is_replacing: bool  # whether photos may replace those that were there before
    done: list[GeneratedFile] = field(default_factory=list)
    handled: dict[Path, Signature] = field(default_factory=dict)
    waiting: dict[Path, tuple[Signature, float]] = field(default_factory=dict)
    ours: set[Path] = field(default_factory=set)  # photos written since the watch began

    def ready(self, now: float) -> list[Job]:
        """Return jobs for the sketches that are complete, and new or changed."""
        try:
            found = inputs.find((), [str(self.folder)], self.request.selection)
        except DataError:  # the folder is still empty
            return []
        complete = set()
        for path in (sketch.path for sketch in found.sketches):
            try:
                about = path.stat()
            except OSError:
                continue
            signature = (about.st_size, about.st_mtime_ns)
            before, since = self.waiting.get(path, (None, now))
            if self.handled.get(path) == signature:
                continue
            if before != signature:
                self.waiting[path] = (signature, now)
            elif now - since >= SETTLED:
                self.handled[path] = signature
                self.waiting.pop(path)
                complete.add(path)
        return [
            job
            for job in plan.plan_outputs(found, self.request).jobs
            if job.source in complete
            and (self.is_replacing or job.output in self.ours or not job.output.exists())
        ]

    def note(self, file: GeneratedFile) -> None:
        """Remember that a photo is ours, and report it."""
        self.done.append(file)
        if file.output is not None and file.status == "made":
            self.ours.add(file.output)
        report_file(file, self.reporter)
