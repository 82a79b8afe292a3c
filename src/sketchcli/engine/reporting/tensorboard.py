"""A run's losses, scores and sample sheets for TensorBoard, if it is installed."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sketchcli import images
from sketchcli.engine.events import BatchTrained, EpochTrained, Event, Reporter, Validated
from sketchcli.errors import UsageError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"  # subfolder of the run's folder


@contextlib.contextmanager
def also_written(reporter: Reporter, folder: Path, *, is_wanted: bool) -> Iterator[Reporter]:
    """Yield a reporter that, if wanted, also writes events for TensorBoard until the block ends."""
    if not is_wanted:
        yield reporter
        return
    write = events_writer(folder)

    def report(event: Event) -> None:
        reporter(event)
        write(event)

    try:
        yield report
    finally:
        write.close()


def events_writer(folder: Path) -> "EventsWriter":
    """Return a reporter that writes a run's events to `tensorboard/` in its folder."""
    try:
        import torch.utils.tensorboard  # noqa: F401, PLC0415 - optional and slow
    except ImportError as error:
        raise UsageError(
            "TensorBoard is not installed",
            hint="run: pipx inject sketch2img tensorboard, or remove --tensorboard",
        ) from error
    return EventsWriter(folder)


class EventsWriter:
    """A reporter that writes the values of every batch, epoch and validation, and the samples.

    The step is the number of batches so far. A run that is resumed, or that returns to an earlier
    training state, trains some batches again; their old values are purged from TensorBoard.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer: SummaryWriter | None = None
        self.step = 0

    def __call__(self, event: Event) -> None:
        """Write the values of an event; ignore other kinds of events."""
        if isinstance(event, BatchTrained):
            self.begin_step((event.epoch - 1) * event.batches + event.batch)
            losses = {"generator": event.generator_loss, "discriminator": event.discriminator_loss}
            self.write("batch loss", losses)
            self.write("generator's losses", event.parts)
            self.write("discriminator", event.judging)
            self.write("batch", {"augmentation": event.strength, "skipped": len(event.skipped)})
        elif isinstance(event, EpochTrained):
            losses = {"generator": event.generator_loss, "discriminator": event.discriminator_loss}
            self.write("epoch loss", losses)
            about = {"img per s": event.images_per_second, "rate": event.lr}
            self.write("epoch", about | {"memory in MB": event.memory_mb})
            self.flush()
        elif isinstance(event, Validated):
            self.write_measurement(event)
            self.flush()

    def begin_step(self, step: int) -> None:
        """Set the step of the values; open a new file for the first step or a repeated one."""
        if self.writer is None or step <= self.step:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - optional and slow

            self.close()
            self.writer = SummaryWriter(str(self.folder / FOLDER), purge_step=step)
        self.step = step

    def write_measurement(self, event: Validated) -> None:
        """Write scores on validation and training pairs, diagnostic values and the samples."""
        whose = "held out" if event.is_held_out else "looked at"
        signs = {
            "colour shift": event.colour_shift,
            "diversity": event.diversity,
            "sketch use": event.sketch_use,
            "real sign": event.real_sign_held_out,
        }
        self.write(whose, event.scores | {"score": event.score})
        self.write(whose, {name: value for name, value in signs.items() if value is not None})
        self.write("training pairs", event.training_scores)
        sample = self.folder / event.sample
        if self.writer is not None and sample.is_file():
            picture = images.read_rgb(sample)
            self.writer.add_image("samples", picture, self.step, dataformats="HWC")

    def write(self, group: str, values: Mapping[str, float]) -> None:
        """Write the values of one group; before the first batch there is no step, so skip them."""
        if self.writer is not None:
            for name, value in values.items():
                self.writer.add_scalar(f"{group}/{name}", value, self.step)

    def flush(self) -> None:
        """Flush all values to the disk."""
        if self.writer is not None:
            self.writer.flush()

    def close(self) -> None:
        """Write the remaining values and close the file; a later event opens a new one."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None
