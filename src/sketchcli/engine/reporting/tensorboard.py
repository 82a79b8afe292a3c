"""A run's losses, scores and sample sheets for TensorBoard, if it is installed."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from sketchcli import images
from sketchcli.engine.events import BatchTrained, EpochTrained, Event, Reporter, Validated
from sketchcli.errors import UsageError

FOLDER = "tensorboard"  # subfolder of the run's folder


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
    """A reporter that writes the values of every batch, epoch and validation, and the samples.

    The step is the number of batches so far. A run that is resumed, or that returns to an earlier
    training state, trains some batches again; their old values are purged from TensorBoard.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - optional and slow
        except ImportError as error:
            raise UsageError(
                "TensorBoard is not installed",
                hint="run: pipx inject sketch2img tensorboard, or remove --tensorboard",
            ) from error
        self.open = SummaryWriter
        self.folder = folder
        self.writer: SummaryWriter | None = None
        self.step = 0

    def __call__(self, event: Event) -> None:
        """Write the values of an event; before the first batch there is no step, so skip them."""
        if isinstance(event, BatchTrained):
            self.begin_step((event.epoch - 1) * event.batches + event.batch)
        if self.writer is None:
            return
        for group, values in _scalars(event).items():
            for name, value in values.items():
                if value is not None:
                    self.writer.add_scalar(f"{group}/{name}", value, self.step)
        if isinstance(event, Validated) and (self.folder / event.sample).is_file():
            sheet = images.read_rgb(self.folder / event.sample)
            self.writer.add_image("samples", sheet, self.step, dataformats="HWC")
        if isinstance(event, EpochTrained | Validated):
            self.writer.flush()

    def begin_step(self, step: int) -> None:
        """Set the step of the values; open a new file for the first step or a repeated one."""
        if self.writer is None or step <= self.step:
            self.close()
            self.writer = self.open(str(self.folder / FOLDER), purge_step=step)
        self.step = step

    def close(self) -> None:
        """Write the remaining values and close the file; a later batch opens a new one."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None


def _scalars(event: Event) -> dict[str, Mapping[str, float | None]]:
    """Return the values of an event by group and name; other kinds of events have none."""
    if isinstance(event, BatchTrained):
        return {
            "batch loss": _losses(event),
            "generator's losses": event.parts,
            "discriminator": event.judging,
            "batch": {"augmentation": event.strength, "skipped": len(event.skipped)},
        }
    if isinstance(event, EpochTrained):
        about = {"img per s": event.images_per_second, "rate": event.lr}
        about |= {"memory in MB": event.memory_mb, "height": event.size[0]}
        return {"epoch loss": _losses(event), "epoch": about}
    if isinstance(event, Validated):
        signs = {
            "colour shift": event.colour_shift,
            "diversity": event.diversity,
            "sketch use": event.sketch_use,
            "real sign": event.real_sign_held_out,
        }
        whose = "held out" if event.is_held_out else "looked at"
        scores = event.scores | {"score": event.score} | signs
        return {whose: scores, "training pairs": event.training_scores}
    return {}


def _losses(event: BatchTrained | EpochTrained) -> dict[str, float]:
    return {"generator": event.generator_loss, "discriminator": event.discriminator_loss}
