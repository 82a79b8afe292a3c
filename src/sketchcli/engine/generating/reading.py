"""Pictures from files or standard input, and failures in words."""

import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sketchcli import images
from sketchcli.device import is_out_of_memory
from sketchcli.engine.generating.inputs import STREAM
from sketchcli.errors import SketchError
from sketchcli.images import Pixels


@dataclass
class Streams:
    """What `-` stands for; may be used by several threads at once.

    Args:
        read: By default standard input, which may be closed as long as nobody asks for it.
        write: By default standard output.
    """

    read: BinaryIO | None = None
    write: BinaryIO | None = None
    _picture: Pixels | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def picture(self) -> Pixels:
        """The picture of standard input: read once, however many photos are drawn of it.

        Raises:
            DataError: It is none.
        """
        with self._lock:
            if self._picture is None:
                stream = sys.stdin.buffer if self.read is None else self.read
                self._picture = images.read_stream(stream, name="standard input")
            return self._picture

    def put(self, photo: bytes) -> None:
        """Write an encoded photo to standard output."""
        stream = sys.stdout.buffer if self.write is None else self.write
        stream.write(photo)
        stream.flush()


def read(source: Path, streams: Streams) -> Pixels:
    """The picture of a file, or of standard input: RGB `(H, W, 3)`, or grey `(H, W)`.

    Raises:
        DataError: It cannot be read, or is no picture.
    """
    if str(source) == STREAM:
        return streams.picture()
    return images.read(source)


def failure(source: Path, error: Exception) -> str:
    """Why a file gave no photo, and what helps, in one line."""
    if isinstance(error, SketchError):
        reason = error.message if str(source) in error.message else f"{source}: {error.message}"
        return f"{reason} ({error.hint})" if error.hint else reason
    if is_out_of_memory(error):
        return f"{source}: too large for this machine's memory"
    reason = str(error).partition("\n")[0]
    return f"{source}: {type(error).__name__}: {reason}"
