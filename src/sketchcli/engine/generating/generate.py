"""`generate`: a request, carried out."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sketchcli.config import Align
from sketchcli.device import Device
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.generating.inputs import Drawing, Request
from sketchcli.engine.generating.load import LoadedModel, load_model
from sketchcli.engine.generating.pipeline import Grid, JobRunner, Streams, Writer
from sketchcli.engine.generating.plan import Job, Plan, Tally, make_plan, of_share, write_manifest
from sketchcli.engine.generating.prepare import Preparer
from sketchcli.engine.generating.sample import Sampler
from sketchcli.engine.results import GeneratedFile, GenerateResult
from sketchcli.errors import CheckpointError
from sketchcli.models.building import fold_batch_norms

BATCH = {"cpu": 4, "mps": 16, "cuda": 32}  # frames that go through a network together


def generate(
    request: Request,
    *,
    device: Device,
    reporter: Reporter = SILENT,
    plan: Plan | None = None,
    streams: Streams | None = None,
) -> GenerateResult:
    """Turn sketches into photos.

    Args:
        request: Sketches, outputs, models, and how to draw.
        device: Where to compute, and with which numbers.
        reporter: Told of every file.
        plan: What `planning.plan` makes of the request, where that is done already.
        streams: What `-` stands for; by default standard input and output.

    Raises:
        DataError: Nothing to read, or nowhere to write. A file that gives no photo does not
            raise: the result says why.
        CheckpointError: Weights cannot be used.
        UsageError: The request contradicts itself, or asks what the model cannot do.
    """
    plan = plan or make_plan(request)
    for note in plan.notes:
        reporter(Note(note))
    studio = Pipeline.open(request, device, reporter)
    jobs = [job for job in plan.jobs if not job.is_done]
    grid = Grid(of_share(request.grid, request.share), jobs) if request.grid else None
    writer = Writer(request.naming, plan.folder, streams, grid.add if grid else None)
    done = Tally(plan.jobs, reporter)
    try:
        studio.convert(jobs, writer, done.add)
    finally:  # after Ctrl-C too: what was written is listed
        manifest = write_manifest(request, done.files)
    return GenerateResult(request.models, done.files, manifest, grid.write() if grid else None)


@dataclass(frozen=True)
class Pipeline:
    """Models that are loaded, and what it takes to draw with them."""

    preparer: Preparer
    artist: Sampler

    @classmethod
    def open(cls, request: Request, device: Device, reporter: Reporter = SILENT) -> "Pipeline":
        """Load the models of a request.

        Raises:
            CheckpointError: Weights cannot be used.
            DataError: The network that finds faces is not here.
        """
        models = open_models(request.models, device, is_raw=request.is_raw)
        if models[0].align is Align.FACE and not request.drawing.is_aligned:
            reporter(Note("this model was trained on aligned faces; others: --align face"))
        return cls.of(models, request.drawing)

    @classmethod
    def of(cls, models: Sequence[LoadedModel], drawing: Drawing) -> "Pipeline":
        """A studio of models that are loaded already.

        Raises:
            DataError: Faces are to be aligned, and the network that finds them is not here.
        """
        detector = None
        if drawing.is_aligned:
            from sketchcli.engine.lookup import find_detector  # noqa: PLC0415 - knows all sets

            detector = find_detector(Align.FACE)
        batch = BATCH[models[0].device.torch.type]
        return cls(Preparer(models, drawing, detector), Sampler(models, drawing, batch))

    def convert(
        self, jobs: Iterable[Job], writer: Writer, tell: Callable[[GeneratedFile], None]
    ) -> None:
        """Turn jobs into files, and tell of each; of what is written before a Ctrl-C too."""
        pipeline = JobRunner(self.preparer, self.artist, writer)
        try:
            with contextlib.closing(pipeline.run(jobs)) as files:
                for file in files:
                    tell(file)
        finally:
            for file in pipeline.late():
                tell(file)


def open_models(
    paths: Sequence[Path], device: Device, *, is_raw: bool = False
) -> tuple[LoadedModel, ...]:
    """Models for drawing, with what only training needs folded away.

    Raises:
        CheckpointError: There are none, or one cannot be used.
    """
    if not paths:
        raise CheckpointError("no model is named", hint="name one with --model")
    models = [load_model(path, device, is_raw=is_raw) for path in paths]
    for model in models:
        fold_batch_norms(model.generator)
    return tuple(models)
