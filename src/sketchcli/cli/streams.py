"""Everything that is printed: harmless on a terminal, whatever a file or a server is called."""

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sketchcli.engine.wording import printable
from sketchcli.errors import DataError


def say(*lines: str, is_error: bool = False) -> None:
    """Print the lines that are not empty, to stdout or stderr; none can begin another line."""
    stream = sys.stderr if is_error else sys.stdout
    if stream is not None:  # it is None if the caller has closed it
        stream.write("".join(f"{printable(line)}\n" for line in lines if line))
        stream.flush()


def say_name(path: Path) -> None:
    """Print the name of a file to stdout; another program gets it as it is."""
    if sys.stdout is None or sys.stdout.isatty():
        say(str(path))
    else:
        sys.stdout.buffer.write(os.fsencode(path) + b"\n")
        sys.stdout.buffer.flush()


def json_text(data: Any, *, indent: int | None = None) -> str:  # noqa: ANN401 - what JSON can hold
    """Return JSON that is harmless on a terminal, in the characters that stdout can encode."""
    is_ascii = "utf" not in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    text = json.dumps(
        data, indent=indent, ensure_ascii=is_ascii, allow_nan=False, default=os.fspath
    )
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """In the block, let stdout fail in one way, and only once; messages on stderr never fail."""
    for number in range(3):  # a file that took the place of a closed stream would be written to
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    out: Any = sys.stdout and Guarded(sys.stdout, may_fail=True)
    err: Any = sys.stderr and Guarded(sys.stderr, may_fail=False)
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"warning: {printable(str(message))}\n"
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield
    finally:
        warnings.formatwarning = before


class ClosedPipeError(BaseException):
    """The reader of standard output has ended, such as `head`; it is no error of any file."""


class Guarded:
    """A standard stream that is dropped once it fails, so that Python's exit does not fail, too."""

    def __init__(self, stream: Any, *, may_fail: bool) -> None:  # noqa: ANN401
        self._stream, self._may_fail = stream, may_fail

    def write(self, data: Any) -> int:  # noqa: ANN401 - text or bytes
        """Write text, or bytes if it is a buffer."""
        if data != "":  # which Typer writes to find out what it may write
            self._try(self._stream.write, data)
        return len(data)

    def flush(self) -> None:
        """Send what was written."""
        self._try(self._stream.flush)

    @property
    def buffer(self) -> "Guarded":
        """The stream's bytes."""
        return Guarded(self._stream.buffer, may_fail=self._may_fail)

    def _try(self, act: Callable[..., object], *data: object) -> None:
        try:
            act(*data)
        except OSError as error:
            with contextlib.suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())
            if not self._may_fail:
                return
            if isinstance(error, BrokenPipeError):
                raise ClosedPipeError from error
            raise DataError(
                f"cannot write to standard output: {error.strerror or error}",
                hint="check the free disk space, or redirect it to another place",
            ) from error

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)
