"""Bounds on the memory that a file may take, checked before the memory is taken.

A small file can announce a huge image, array or network; `check_memory` judges the announcement.
"""

import contextlib
import json
import math
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from sketchcli import files
from sketchcli.errors import DataError, SketchError, UsageError
from sketchcli.machine import available_memory

VARIABLE = "SKETCH2IMG_MAX_MEMORY"  # worker processes inherit it
SHARE = 0.75  # of the memory that is available
JSON_GROWTH = 30  # bytes of memory per byte of a JSON file: `[{},{},{}]`
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def check_memory(
    needed: float,
    what: str,
    *,
    most: float = math.inf,
    error: type[SketchError] = DataError,
    cure: str = "",
) -> None:
    """Refuse what needs more bytes than `most`, or than three quarters of the available memory.

    `what` begins the message: `face.png (20,000x20,000 pixels)`. A bound that the user has set
    replaces both. `cure` is what takes less memory, as an instruction.
    """
    allowed = memory_limit(most=most)
    if needed > allowed:
        raise error(
            f"{what} would take {shown(needed)} of memory; at most {shown(allowed)} are allowed",
            hint=f"{cure}{', or, ' if cure else ''}if you trust it and the memory is enough, "
            f"add --max-memory {rounded(needed)}",
        )


def read_json(path: Path) -> Any:  # noqa: ANN401 - anything that JSON can hold
    """Return what a regular JSON file in UTF-8 holds, if its size allows that.

    Whatever is wrong with the file is an OSError, a ValueError or a DataError.
    """
    with files.open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        check_memory(JSON_GROWTH * size, str(path))
        try:
            return json.loads(file.read(size).decode())
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error


def fits(value: object, kind: Any) -> bool:  # noqa: ANN401 - a type, or a union of types
    """Return whether a value that JSON gave has a type; whole numbers, at least 0, may be floats.

    >>> fits({"a": 1}, dict[str, float]), fits(None, float | None), fits(True, int)
    (True, True, False)
    """
    kinds = get_args(kind) or (kind,)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(fits(item, kinds[1]) for item in value.values())
    if type(value) is int:
        return 0 <= value < 2**53 and (int in kinds or float in kinds)
    return type(value) in kinds


def memory_limit(*, most: float = math.inf) -> float:
    """Return how many bytes one thing may take; infinite if the user has lifted the bound."""
    text = os.environ.get(VARIABLE)
    return min(most, SHARE * available_memory()) if not text else parse_bytes(text)


@contextlib.contextmanager
def lifted(bound: str | None) -> Iterator[None]:
    """Use another bound in the block, such as `8G` or `none`, here and in worker processes."""
    if bound is None:
        yield
        return
    parse_bytes(bound)
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = bound
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


def parse_bytes(text: str) -> float:
    """Return a number of bytes; infinite for `none`.

    >>> parse_bytes("1.5G"), parse_bytes("none")
    (1610612736.0, inf)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if text.strip().lower() == "none":
        return math.inf
    if match is None:
        raise UsageError(
            f"invalid amount of memory: '{text}'", hint="use for example --max-memory 8G, or none"
        )
    return math.ldexp(float(match[1]), _UNITS[match[2].upper()])


def shown(count: float) -> str:
    """Return a number of bytes in words.

    >>> shown(1.5 * 2**30), shown(2**20), shown(1e40)
    ('1.5 GB', '1 MB', 'over 1,000 TB')
    """
    if count >= 1000 * 2**40:
        return "over 1,000 TB"
    letter = next((each for each in "TGMK" if count >= 2 ** _UNITS[each]), "")
    number = float(f"{count / 2 ** _UNITS[letter]:.2g}")
    return f"{number:,g} {f'{letter}B' if letter else 'bytes'}"


def rounded(count: float) -> str:
    """Return an amount that `parse_bytes` reads, rounded up.

    >>> rounded(2**30 + 1), rounded(5)
    ('2G', '1M')
    """
    letter = "G" if count > 2**30 else "M"
    return f"{math.ceil(count / 2 ** _UNITS[letter])}{letter}" if count < 2**60 else "none"


# OpenJPEG allocates settings for each tile and each of its components, whatever their size.

_MOST_TILES, _TILE, _COMPONENT = 65_535, 8500, 1080  # the latter in bytes, measured
_JPEG_2000 = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_SIZ = re.compile(rb"\xff\x4f\xff\x51(?=(.{38}))", re.DOTALL)


def check_tiles(data: bytes, name: str, most: float) -> None:
    """Refuse a JPEG 2000 file whose tiles take more bytes than `most`, without their pixels."""
    for found in _SIZ.finditer(data if data.startswith(_JPEG_2000) else b""):
        length, _, right, low, _, _, width, height, x, y, count = struct.unpack(">HH8IH", found[1])
        if length == 38 + 3 * count and width and height:
            tiles = -((x - right) // width) * -((y - low) // height)
            if min(tiles, _MOST_TILES) * (_TILE + _COMPONENT * count) > most:
                raise DataError(f"{name} has too many tiles", hint="save it again as PNG")
