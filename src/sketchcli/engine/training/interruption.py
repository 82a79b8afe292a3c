"""Ctrl-C and SIGTERM as a question that a loop can ask between two batches."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def interruption(*, echo: float = 0.0) -> Iterator[Callable[[], bool]]:
    """Give a function that says whether the user wants to stop.

    A second signal acts as it always does, at once. Outside the main thread, where Python
    delivers no signals, the answer is always no.

    Args:
        echo: Seconds in which further signals are the same wish: torchrun passes on the Ctrl-C
            that its processes have got from the terminal already.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    first: list[float] = []

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        asked.set()
        first.append(time.monotonic())
        if not echo:
            signal.signal(number, before[signal.Signals(number)])
        elif first[-1] - first[0] > echo:
            signal.signal(number, before[signal.Signals(number)])
            signal.raise_signal(number)

    for number in SIGNALS:
        signal.signal(number, ask)
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
