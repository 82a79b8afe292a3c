"""The header of a weights file, checked before memory of the size it claims is allocated.

The format is safetensors: 8 bytes for the header's length (little-endian), the header in JSON,
and the tensors' bytes. A crafted header could promise tensors beyond the file's end, or sizes that
no memory has; a file passes only if its tensors lie side by side and fill it to the last byte.
"""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sketchcli.errors import CheckpointError

FORMAT = 1
KEY = "sketch2img"  # key of our own text in the header
PICKLES = frozenset({".pt", ".pth", ".ckpt", ".pkl", ".bin"})
LARGEST_HEADER = 2**26  # bytes; each training photo takes 16 of them
MOST_TENSORS = 100_000
MOST_DIMENSIONS = 8
ITEM_SIZES = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL"), 1),
}


class DamagedError(CheckpointError):
    """A file of ours that a crash or a disk error has damaged."""


class HeaderError(Exception):
    """A header that no honest writer produces."""


@dataclass(frozen=True)
class Header:
    """The tensors of a file, by name, and the texts that its writer added."""

    shapes: dict[str, tuple[int, ...]]
    kinds: dict[str, str]  # data types, such as `F32`
    texts: dict[str, str]


def read_header(path: Path) -> Header:
    """Return a file's header; a missing file, a damaged one or a pickle is an error."""
    if path.suffix.lower() in PICKLES:
        raise CheckpointError(
            f"{path} is a pickle, which can run any code when it is opened, so it is never loaded",
            hint="import its weights, which runs no code; run: sketch2img import-weights --help",
        )
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing or not a file", hint="choose another file with --model"
        )
    try:
        return _read(path)
    except (HeaderError, OSError) as error:
        hint = "train again, or choose another file"
        message = f"{path} is damaged or not a safetensors file ({error})"
        raise DamagedError(message, hint=hint) from error


def read_about(path: Path) -> dict[str, Any]:
    """Return the description of a file's tensors, without reading them."""
    return about_of(path, read_header(path))


def about_of(path: Path, header: Header) -> dict[str, Any]:
    """Return the description of the tensors in a file of ours; any other file is an error."""
    text = header.texts.get(KEY)
    if text is None:
        raise CheckpointError(f"{path} was not written by sketch2img")
    try:
        about = json.loads(text)
        found = about["format"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DamagedError(f"{path} has a damaged header") from error
    if found != FORMAT:
        raise CheckpointError(
            f"{path} has format {found}, but this version of sketch2img reads format {FORMAT}",
            hint="update sketch2img",
        )
    return dict(about)


def _read(path: Path) -> Header:
    """Return the header of a file; nothing else of the file is read.

    Raises:
        HeaderError: If the file is not safetensors, or its header does not match its size.
    """
    with path.open("rb") as file:
        whole = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if whole < 8 or length > min(LARGEST_HEADER, whole - 8):
            raise HeaderError("the header length does not match the file size")
        text = file.read(length)
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HeaderError("the header is not JSON") from error
    if not isinstance(entries, dict) or len(entries) > MOST_TENSORS:
        raise HeaderError("the header is not a table of tensors, or has too many of them")
    texts = entries.pop("__metadata__", {})
    if not isinstance(texts, dict) or not all(isinstance(t, str) for t in texts.values()):
        raise HeaderError("the metadata is not a table of texts")
    spans = sorted(_span(name, entry) for name, entry in entries.items())
    _check_fills(spans, whole - 8 - length)
    shapes = {name: tuple(entry["shape"]) for name, entry in entries.items()}
    return Header(shapes, {name: entry["dtype"] for name, entry in entries.items()}, texts)


def _span(name: str, entry: Any) -> tuple[int, int]:  # noqa: ANN401 - anything that JSON can hold
    """Return where a tensor's bytes begin and end, after checking that its shape matches."""
    try:
        kind, shape = entry["dtype"], entry["shape"]
        start, end = entry["data_offsets"]
        numbers = [start, end, *shape]
        is_plain = all(type(n) is int and n >= 0 for n in numbers)
        fits = is_plain and len(shape) <= MOST_DIMENSIONS
        size = math.prod(shape) * ITEM_SIZES[kind] if fits else -1
    except (KeyError, TypeError, ValueError) as error:
        raise HeaderError(f"tensor {name!r:.60} is not described correctly") from error
    if end - start != size:
        raise HeaderError(f"tensor {name!r:.60} has a shape that does not match its bytes")
    return start, end


def _check_fills(spans: list[tuple[int, int]], size: int) -> None:
    place = 0
    for start, end in spans:
        if start != place:
            raise HeaderError("the tensors overlap or leave gaps")
        place = end
    if place != size:
        raise HeaderError("the tensor data does not match the file size")
