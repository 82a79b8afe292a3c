"""A large set is looked at in portions, so that its audit needs little memory."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

BLOCK = 256  # records at a time
PANEL = 2000  # records that a statistic of the whole set is taken from

Result = TypeVar("Result")


def blocks(count: int) -> Iterator[slice]:
    """Consecutive slices that cover `count` records.

    >>> [part.stop for part in blocks(600)]
    [256, 512, 600]
    """
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def each_block(count: int, look: Callable[[slice], Result], *, threads: int) -> Iterator[Result]:
    """What a function finds in each block, in order; NumPy lets several threads compute."""
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(look, blocks(count))


def panel(count: int) -> NDArray[np.intp]:
    """Rows of at most PANEL records, sorted; drawn by a fixed seed where there are more."""
    if count <= PANEL:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, PANEL, replace=False))
