"""What SIGINT (Ctrl-C), SIGTERM and SIGHUP (a closed terminal) do to a command.

The first one asks the command to stop: the main thread gets a KeyboardInterrupt between two units
of work, and cleans up. If it has not ended after `PATIENCE` seconds, because it waits for a long
call of a library, the process ends nevertheless. A second signal ends the process at once. `train`
postpones the first signal until its training state is saved. A signal that the process was started
to ignore, as `nohup` does with SIGHUP, stays ignored.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn

from sketchcli.errors import ExitCode

HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none
SIGNALS = tuple(each for each in (signal.SIGINT, signal.SIGTERM, HANGUP) if each is not None)
PATIENCE = 1.5  # seconds until a command that does not stop is ended
# Seconds in which another signal is the first one, passed on: `timeout` signals a process and then
# its group. torchrun and a closing shell take longer.
ECHO, LONG_ECHO = 0.1, 5.0
POLL = 0.05  # seconds between two looks at what has ended
SHOW_CURSOR = b"\x1b[?25h"  # a live display hides the cursor


def _say() -> object:
    return os.write(2, b"error: interrupted\n")


@dataclass
class _State:
    asked: threading.Event = field(default_factory=threading.Event)
    first: float = 0.0  # when the first signal came, on the monotonic clock
    is_delivered: bool = False  # whether it has reached the main thread
    is_watched: bool = False
    is_postponed: bool = False
    is_breakable: bool = False
    echo: float = ECHO
    say: Callable[[], object] | None = _say  # reports the end if the main thread does not


_state = _State()


def is_asked() -> bool:
    """Return whether a signal has asked this process to stop."""
    return _state.asked.is_set()


def check() -> None:
    """Raise KeyboardInterrupt if a signal has asked for it, even if a library swallowed that."""
    if is_asked() and not _state.is_postponed:
        raise KeyboardInterrupt


def is_reported() -> None:
    """Note that the main thread itself says that the command was interrupted."""
    _state.say = None


@contextlib.contextmanager
def watched(say: Callable[[], object] = _say) -> Iterator[None]:
    """Obey signals while the block runs; `say` reports the end if the block cannot.

    Only the main thread, to which Python delivers signals, can begin to.
    """
    with _watching() if _may_begin() else contextlib.nullcontext():
        before, _state.say = _state.say, say
        try:
            yield
        finally:
            _state.say = before


@contextlib.contextmanager
def postponed(*, echo: float = ECHO) -> Iterator[Callable[[], bool]]:
    """Only note a first signal while the block runs; yield a function that returns whether it came.

    Signals within `echo` seconds after it are the same one. If the block raises an error after it,
    as it does to stop, the process takes the time that it needs to end.
    """
    with _handling() if _may_begin() else contextlib.nullcontext():
        before, _state.is_postponed, _state.echo = _state.is_postponed, True, echo
        try:
            yield is_asked
        except BaseException:
            before = before or is_asked()
            raise
        finally:
            _state.is_postponed, _state.echo = before, ECHO


@contextlib.contextmanager
def breakable() -> Iterator[None]:
    """Within `postponed`, let a signal interrupt the block, which changes nothing that is saved."""
    _state.is_breakable = True
    try:
        if is_asked():
            raise KeyboardInterrupt
        yield
    finally:
        _state.is_breakable = False


def end_with(parent: int) -> None:
    """End this process, a worker, soon after its parent with this process id."""

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _may_begin() -> bool:
    return not _state.is_watched and threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def _watching() -> Iterator[None]:
    """Handle signals, and read their numbers in a thread.

    Python's handlers wait until the main thread leaves a library's call; the thread does not.
    """
    reader, writer = os.pipe()
    if sys.platform != "win32":  # which needs it only of sockets
        os.set_blocking(writer, False)
    ended, hook = threading.Event(), sys.unraisablehook

    def hide(unraisable: Any) -> None:  # noqa: ANN401 - its type has no public name
        if not (is_asked() and issubclass(unraisable.exc_type, KeyboardInterrupt)):
            hook(unraisable)  # a callback of the interpreter cannot be interrupted

    threading.Thread(target=_read_signals, args=(reader, ended), daemon=True).start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    sys.unraisablehook = hide
    try:
        with _handling():
            _state.is_watched = True
            yield
    finally:
        sys.unraisablehook = hook
        signal.set_wakeup_fd(before)
        ended.set()
        os.close(writer)  # ends the thread


@contextlib.contextmanager
def _handling() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    ours = {n: handler for n, handler in before.items() if handler not in {signal.SIG_IGN, None}}
    for number in ours:
        signal.signal(number, _handle)
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        vars(_state).update(vars(_State()))


def _handle(number: int, frame: FrameType | None) -> None:
    del frame
    if not _state.is_delivered:
        _state.is_delivered = True
        _take_note(number)
        if _state.is_breakable or not _state.is_postponed:
            raise KeyboardInterrupt
    elif not _state.is_watched and _is_another(number):
        raise KeyboardInterrupt


def _read_signals(reader: int, ended: threading.Event) -> None:
    is_first = True
    with open(reader, "rb", buffering=0) as numbers:
        while number := numbers.read(1):
            if number[0] not in SIGNALS:
                continue
            if is_first:
                is_first = False
                _take_note(number[0])
                threading.Thread(target=_expire, args=(ended,), daemon=True).start()
            elif _is_another(number[0]):
                _leave()


def _take_note(number: int) -> None:
    if is_asked():
        return
    _state.first = time.monotonic()
    if number == HANGUP:  # what is written to a closed terminal is an error
        for stream in (1, 2):
            try:
                os.write(stream, b"")
            except OSError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    _state.asked.set()


def _is_another(number: int) -> bool:
    """Return whether a signal is not the first one, passed on."""
    echo = LONG_ECHO if number == HANGUP and _state.is_postponed else _state.echo
    return time.monotonic() - _state.first > echo


def _expire(ended: threading.Event) -> None:
    left = PATIENCE
    while left > 0:
        if ended.wait(POLL):
            return
        left -= 0 if _state.is_postponed else POLL
    threading.Timer(PATIENCE / 10, _leave).start()  # nobody may read what is said
    if _state.say:
        with contextlib.suppress(Exception):
            _state.say()
    _leave()


def _leave() -> NoReturn:
    """End the process at once: Python's own way waits for threads, and may abort in a library."""
    with contextlib.suppress(OSError):
        if os.isatty(2):
            os.write(2, SHOW_CURSOR)
    os._exit(ExitCode.INTERRUPTED)
