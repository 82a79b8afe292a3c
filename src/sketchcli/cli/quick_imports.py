"""Torch's import without Python's garbage collector, which a third of its time would go to."""

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Import what is heavy without looking for garbage in it, now or ever.

    Torch's modules are some hundred thousand objects that stay until the end. While they are made,
    the collector goes through them again and again, and once more when Python ends.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
