"""A run's losses, scores and sample sheets for TensorBoard, if it is installed."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

from sketchcli import images
from sketchcli.engine.events import BatchTrained, EpochTrained, Event, Reporter, Validated
from sketchcli.errors import UsageError

FOLDER = "tensorboard"  # subfolder of the run's folder
KINDS = {BatchTrained: "batch", EpochTrained: "epoch", Validated: "validation"}
POSITIONS = {"epoch", "epochs", "batch", "batches"}  # numbers of an event that are no values


@contextlib.contextmanager
def also_written(reporter: Reporter, folder: Path, *, is_wanted: bool) -> Iterator[Reporter]:
    """Yield a reporter that, if wanted, also writes events for TensorBoard until the block ends."""
    if not is_wanted:
        yield reporter
        return
    with contextlib.closing(EventsWriter(folder)) as write:

        def report(event: Event) -> None:
            reporter(event)
            write(event)

        yield report


class EventsWriter:
    """A reporter that writes the numbers of every batch, epoch and validation, and the samples.

    A number has the name that it has in `log.jsonl`, such as `validation/scores/ssim`. The step is
    the number of batches so far. A run that is resumed, or that returns to an earlier training
    state, trains some batches again; their old values are purged from TensorBoard.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - optional and slow
        except ImportError as error:
            raise UsageError(
                "TensorBoard is not installed",
                hint="run: pipx inject sketch2img tensorboard, or remove --tensorboard",
            ) from error
        self.open, self.folder = SummaryWriter, folder
        self.writer: SummaryWriter | None = None
        self.step = 0

    def __call__(self, event: Event) -> None:
        """Write an event of these kinds; before the first batch there is no step, so skip them."""
        if isinstance(event, BatchTrained):
            step = (event.epoch - 1) * event.batches + event.batch
            if self.writer is None or step <= self.step:  # the first step, or a repeated one
                self.close()
                self.writer = self.open(str(self.folder / FOLDER), purge_step=step)
            self.step = step
        kind = KINDS.get(type(event))
        if self.writer is None or kind is None:
            return
        for tag, value in _numbers(kind, dataclasses.asdict(event)):
            self.writer.add_scalar(tag, value, self.step)
        if isinstance(event, Validated) and (self.folder / event.sample).is_file():
            sheet = images.read_rgb(self.folder / event.sample)
            self.writer.add_image("samples", sheet, self.step, dataformats="HWC")
        if not isinstance(event, BatchTrained):
            self.writer.flush()

    def close(self) -> None:
        """Write the remaining values and close the file; a later batch opens a new one."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None


def _numbers(tag: str, values: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(f"{tag}/{name}", value)
        elif isinstance(value, int | float) and name not in POSITIONS:
            yield f"{tag}/{name}", value
