"""Rows of features in a file, added batch by batch: memory stays the same for any number.

2048 numbers of each of 50,000 pictures are 400 MB, for every predictor.
"""

import tempfile
from typing import BinaryIO, cast

import numpy as np

from sketchcli import files, paths
from sketchcli.images import Floats


class Pile:
    """Rows of one width; the file has no name, and is gone with the last look at it."""

    def __init__(self) -> None:
        # The system's temporary folder may itself be memory.
        folder = paths.cache_home()
        with files.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = cast("BinaryIO", tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        self._width = 0

    def add(self, rows: Floats) -> None:
        """Put rows `(B, D)` on top.

        Raises:
            DataError: The disk is full.
        """
        self._width = rows.shape[1]
        with files.writing(paths.cache_home()):
            self._file.write(rows.astype(np.float32, copy=False).tobytes())
            self._file.flush()

    def whole(self) -> Floats:
        """All rows `(N, D)`, read from the file as they are looked at."""
        mapped = np.memmap(self._file, np.float32, mode="r")
        return np.asarray(mapped).reshape(-1, self._width)
