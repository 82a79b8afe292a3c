"""Bounds on the memory that a file may take, checked before the memory is taken.

A small file can announce a huge image, array or network. Whoever is about to take memory for it
computes how much from the announcement, and asks `check_memory` first.
"""

import contextlib
import json
import math
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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

    Whatever is wrong with the file is an OSError, a ValueError, a RecursionError or a DataError.
    """
    with files.open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        check_memory(JSON_GROWTH * size, str(path))
        return json.loads(file.read(size).decode())


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
    power = next((p for p in (40, 30, 20, 10) if count >= 2**p), 0)
    unit = {40: "TB", 30: "GB", 20: "MB", 10: "KB", 0: "bytes"}[power]
    return f"{float(f'{count / 2**power:.2g}'):,g} {unit}"


def rounded(count: float) -> str:
    """Return an amount that `parse_bytes` reads, rounded up.

    >>> rounded(2**30 + 1), rounded(5)
    ('2G', '1M')
    """
    power, letter = (30, "G") if count > 2**30 else (20, "M")
    return f"{math.ceil(count / 2**power)}{letter}" if count < 2**60 else "none"


# Pillow walks through the parts of a file in Python, and keeps their contents. OpenJPEG allocates
# settings for each tile and each of its components, whatever their size.

_FEW, _USUAL_PART, _MOST_JUNK = 10_000, 256, 2**16  # parts of any size; bytes
_MOST_TILES, _TILE, _COMPONENT = 65_535, 8500, 1080  # the latter in bytes, measured
_JPEG_2000 = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_SIZ = re.compile(rb"\xff\x4f\xff\x51(?=(.{38}))", re.DOTALL)
_MARKER, _BLOCK = re.compile(rb"\xff([^\xff\0])", re.DOTALL), re.compile(rb"[!,;]")
_PNM_HEADER = re.compile(rb"P[1-6](?:(?:\s|#[^\r\n]*)+\d+){2}")


def check_parts(data: bytes, name: str) -> None:
    """Refuse an image file with so many parts, or so much between them, that it takes long."""
    walks = {b"\x89PNG": _png, b"\xff\xd8\xff": _jpeg, b"GIF8": _gif, b"P": _pnm}
    walk = next((walk for magic, walk in walks.items() if data.startswith(magic)), None)
    junk, end, most = 0, 0, _FEW + len(data) // _USUAL_PART
    for count, (start, stop) in enumerate(walk(data) if walk else ()):
        junk, end = junk + max(0, start - end), stop
        if count > most or junk > _MOST_JUNK:
            raise DataError(f"{name} has too many parts or comments", hint="save it again as PNG")


def check_tiles(data: bytes, name: str, most: float) -> None:
    """Refuse a JPEG 2000 file whose tiles take more bytes than `most`, without their pixels."""
    for found in _SIZ.finditer(data if data.startswith(_JPEG_2000) else b""):
        length, _, right, low, _, _, width, height, x, y, count = struct.unpack(">HH8IH", found[1])
        if length == 38 + 3 * count and width and height:
            tiles = -((x - right) // width) * -((y - low) // height)
            if min(tiles, _MOST_TILES) * (_TILE + _COMPONENT * count) > most:
                raise DataError(f"{name} has too many tiles", hint="save it again as PNG")


def _png(data: bytes) -> Iterator[tuple[int, int]]:
    at = 8
    while at < len(data):
        start, at = at, at + 12 + int.from_bytes(data[at : at + 4], "big")
        yield start, at


def _jpeg(data: bytes) -> Iterator[tuple[int, int]]:
    at = 2
    while (found := _MARKER.search(data, at)) and found[1] not in b"\xda\xd9":
        at = found.end()
        if not 0xD0 <= found[1][0] <= 0xD8:  # these have no content
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
        yield found.start(), at
    yield found.start() if found else len(data), len(data)


def _gif(data: bytes) -> Iterator[tuple[int, int]]:
    at, images = 13 + _palette(data[10:11]), 0
    while (found := _BLOCK.search(data, at)) and found[0] != b";" and images < 2:
        at = found.end() + 1
        if found[0] == b",":
            at, images = at + 9 + _palette(data[at + 7 : at + 8]), images + 1
        yield found.start(), at
        size = 1
        while size and at < len(data):
            start, size = at, data[at]
            at += 1 + size
            yield start, at
    yield found.start() if found else len(data), len(data)


def _palette(flags: bytes) -> int:
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 128 else 0


def _pnm(data: bytes) -> Iterator[tuple[int, int]]:
    header = _PNM_HEADER.match(data)
    yield header.end() if header else 0, len(data)
    if data[1:2] in b"123":
        yield from ((len(data), len(data)) for _ in range(data.count(b"#")))
