"""What a file of weights says that it holds, checked before anything of that size is made.

The format is safetensors: 8 bytes, the header's length (little-endian); the header, JSON; the
tensors' bytes. A crafted header could promise tensors beyond the file's end, or sizes that no
memory has; a file passes here only where its tensors lie side by side and fill it to the last byte.
"""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sketchcli.errors import CheckpointError

FORMAT = 1
KEY = "sketch2img"  # of our own text in the header
PICKLES = frozenset({".pt", ".pth", ".ckpt", ".pkl", ".bin"})
LARGEST_HEADER = 2**26  # bytes; a training photo takes 16 of them
MOST_TENSORS = 100_000
MOST_DIMENSIONS = 8
ITEM_SIZES = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL"), 1),
}


class DamagedError(CheckpointError):
    """A file of ours that a crash or a disk has damaged."""


class HeaderError(Exception):
    """A header that no honest writer writes."""


@dataclass(frozen=True)
class Header:
    """A file's tensors and texts.

    Args:
        shapes: Name -> shape.
        kinds: Name -> kind of its numbers, as `F32`.
        texts: What the writer put beside them.
    """

    shapes: dict[str, tuple[int, ...]]
    kinds: dict[str, str]
    texts: dict[str, str]


def read_header(path: Path) -> Header:
    """The names, shapes and kinds of a file's tensors, and its texts.

    Raises:
        CheckpointError: The file is missing, damaged, or a pickle.
    """
    if path.suffix.lower() in PICKLES:
        raise CheckpointError(
            f"{path}: a pickle can run any code when it is opened, and is never loaded",
            hint="take its weights out, which runs nothing: sketch2img import-weights --help",
        )
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file", hint="name another with --model")
    try:
        return _read(path)
    except (HeaderError, OSError) as error:
        hint = "train again, or name another"
        message = f"{path}: damaged or not safetensors ({error})"
        raise DamagedError(message, hint=hint) from error


def read_about(path: Path) -> dict[str, Any]:
    """What is known about a file's tensors, without reading them.

    Raises:
        CheckpointError: The file is missing, damaged, or not ours.
    """
    return about_of(path, read_header(path))


def about_of(path: Path, header: Header) -> dict[str, Any]:
    """What a file of ours says about its tensors.

    Raises:
        CheckpointError: The file is damaged, or not ours.
    """
    text = header.texts.get(KEY)
    if text is None:
        raise CheckpointError(f"{path}: not written by sketch2img")
    try:
        about = json.loads(text)
        found = about["format"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DamagedError(f"{path}: damaged header") from error
    if found != FORMAT:
        raise CheckpointError(
            f"{path}: format {found}, this version reads {FORMAT}", hint="update sketch2img"
        )
    return dict(about)


def _read(path: Path) -> Header:
    """The header of a file; nothing else of it is read.

    Raises:
        HeaderError: It is no safetensors file, or its header does not fit its size.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        whole = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if whole < 8 or length > min(LARGEST_HEADER, whole - 8):
            raise HeaderError("no header of a fitting size")
        text = file.read(length)
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HeaderError("the header is no JSON") from error
    if not isinstance(entries, dict) or len(entries) > MOST_TENSORS:
        raise HeaderError("the header is no table of tensors")
    texts = entries.pop("__metadata__", {})
    if not isinstance(texts, dict) or not all(isinstance(t, str) for t in texts.values()):
        raise HeaderError("its texts are none")
    spans = sorted(_span(name, entry) for name, entry in entries.items())
    _check_fills(spans, whole - 8 - length)
    shapes = {name: tuple(entry["shape"]) for name, entry in entries.items()}
    return Header(shapes, {name: entry["dtype"] for name, entry in entries.items()}, texts)


def _span(name: str, entry: Any) -> tuple[int, int]:  # noqa: ANN401 - whatever JSON can hold
    """Where a tensor's bytes begin and end, if its shape and kind say the same."""
    try:
        kind, shape = entry["dtype"], entry["shape"]
        start, end = entry["data_offsets"]
        numbers = [start, end, *shape]
        is_plain = all(type(n) is int and n >= 0 for n in numbers)
        fits = is_plain and len(shape) <= MOST_DIMENSIONS
        size = math.prod(shape) * ITEM_SIZES[kind] if fits else -1
    except (KeyError, TypeError, ValueError) as error:
        raise HeaderError(f"tensor {name!r:.60}: not described rightly") from error
    if end - start != size:
        raise HeaderError(f"tensor {name!r:.60}: its shape and its bytes differ")
    return start, end


def _check_fills(spans: list[tuple[int, int]], size: int) -> None:
    place = 0
    for start, end in spans:
        if start != place:
            raise HeaderError("tensors overlap, or leave gaps")
        place = end
    if place != size:
        raise HeaderError("the tensors end elsewhere than the file")
