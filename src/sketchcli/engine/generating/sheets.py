"""One contact sheet for many sketches: each beside its photo."""

import threading
from collections.abc import Sequence
from pathlib import Path

from sketchcli import images
from sketchcli.config import Fit
from sketchcli.engine.generating.outputs import Job
from sketchcli.engine.generating.preparing import Prepared
from sketchcli.images import Pixels

CELL = 128  # pixels a side
PAIRS_A_ROW = 4
MOST_PAIRS = 256  # the first ones; a sheet of more shows nobody anything


class Grid:
    """Collects small pictures of the first sketches and photos.

    Args:
        path: The sheet's file.
        jobs: In the order of the sheet.
    """

    def __init__(self, path: Path, jobs: Sequence[Job]) -> None:
        self.path = path
        self._places = {job.output: place for place, job in enumerate(jobs[:MOST_PAIRS])}
        self._cells: dict[int, tuple[Pixels, Pixels]] = {}
        self._lock = threading.Lock()

    def add(self, job: Job, sketch: Prepared, photo: Pixels) -> None:
        """Keep a small copy of a sketch and its photo."""
        place = self._places.get(job.output)
        if place is not None:
            pair = _cell(sketch.shown), _cell(photo)
            with self._lock:
                self._cells[place] = pair

    def write(self) -> Path | None:
        """Write the sheet, and say where; None where there is no photo to show.

        Raises:
            DataError: It cannot be written.
        """
        if not self._cells:
            return None
        flat = [cell for place in sorted(self._cells) for cell in self._cells[place]]
        row = 2 * PAIRS_A_ROW
        rows = [flat[i : i + row] for i in range(0, len(flat), row)]
        images.write(self.path, images.sheet(rows))
        return self.path


def _cell(picture: Pixels) -> Pixels:
    return images.to_rgb(images.fit(picture, (CELL, CELL), Fit.PAD))
