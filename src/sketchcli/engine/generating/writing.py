"""Photos into files, whole or not at all, and never outside their folder."""

from collections.abc import Callable
from pathlib import Path

from sketchcli import images
from sketchcli.engine.generating.inputs import STREAM
from sketchcli.engine.generating.outputs import Job
from sketchcli.engine.generating.preparing import Prepared
from sketchcli.engine.generating.reading import Streams
from sketchcli.engine.generating.request import Existing, Naming
from sketchcli.errors import DataError
from sketchcli.images import Pixels


class Writer:
    """Writes photos where their jobs say; used by several threads at once.

    Args:
        naming: Format, quality, and what becomes of photos that are there.
        folder: That no photo may leave; None for a single file.
        streams: What `-` stands for.
        on_written: Told of each photo, with its sketch.
    """

    def __init__(
        self,
        naming: Naming,
        folder: Path | None,
        streams: Streams | None = None,
        on_written: Callable[[Job, Prepared, Pixels], None] | None = None,
    ) -> None:
        self.naming, self.streams, self.on_written = naming, streams or Streams(), on_written
        self.folder = folder and folder.resolve()

    def write(self, job: Job, sketch: Prepared, photo: Pixels) -> None:
        """Write one photo.

        Raises:
            DataError: The disk refuses it, a link leads elsewhere, or another file has taken its
                name since the work began.
        """
        if str(job.output) == STREAM:
            suffix = f".{self.naming.format or 'png'}"
            self.streams.put(images.encode(photo, suffix, quality=self.naming.quality))
        else:
            self._check_place(job.output)
            images.write(job.output, photo, quality=self.naming.quality)
        if self.on_written is not None:
            self.on_written(job, sketch, photo)

    def _check_place(self, output: Path) -> None:
        if self.folder is not None and not output.parent.resolve().is_relative_to(self.folder):
            raise DataError(
                f"{output}: a link leads out of {self.folder}",
                hint="remove the link, or write there",
            )
        if self.naming.existing is not Existing.OVERWRITE and output.exists():
            raise DataError(
                f"{output}: has appeared meanwhile", hint="add --overwrite to replace it"
            )
