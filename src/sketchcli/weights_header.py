"""The header of a weights file (safetensors), read without its tensors and without torch."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sketchcli.errors import CheckpointError

FORMAT = 1
KEY = "sketch2img"  # key of our own text in the header
PICKLES = frozenset({".pt", ".pth", ".ckpt", ".pkl", ".bin"})
# safetensors checks that the tensors fill the file to its last byte; the rest is checked here.
LARGEST_HEADER = 2**26  # bytes; each training photo takes 16 of them
MOST_TENSORS = 100_000
MOST_ITEMS = 100_000  # in our description; an empty list takes 20 times its text
MOST_DIMENSIONS = 8
MOST_VALUES = 2**40  # of a tensor, were its empty dimensions 1


class DamagedError(CheckpointError):
    """A file of ours that a crash or a disk error has damaged."""


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
    import safetensors  # noqa: PLC0415 - doctor imports this module, and must say if it is broken

    try:
        return _read(path)
    except (ValueError, OSError, safetensors.SafetensorError) as error:
        reason = repr(str(error).removeprefix("Error while deserializing header: "))[1:-1]
        message = f"{path} is damaged or not a safetensors file ({reason:.100})"
        raise DamagedError(message, hint="train again, or choose another file") from error


def peek(path: Path) -> dict[str, Any]:
    """Return what `read_about` does, unchecked and without NumPy; any error if it cannot."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length if length < LARGEST_HEADER else 0)
    if sum(text.count(mark) for mark in (b"[", b"{", b",")) > 10 * MOST_ITEMS:
        raise ValueError("its header is too large")
    return dict(json.loads(json.loads(text)["__metadata__"][KEY]))


def read_about(path: Path) -> dict[str, Any]:
    """Return the description of a file's tensors, without reading them."""
    return about_of(path, read_header(path))


def about_of(path: Path, header: Header) -> dict[str, Any]:
    """Return the description of the tensors in a file of ours; any other file is an error."""
    text = header.texts.get(KEY)
    if text is None:
        raise CheckpointError(f"{path} was not written by sketch2img")
    if sum(text.count(mark) for mark in "[{,") > MOST_ITEMS:
        raise DamagedError(f"{path} has too long a description")
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
    import safetensors  # noqa: PLC0415 - see `read_header`

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        # Tensors are counted before they are parsed, which could take seconds: by their braces,
        # since `"dtype"` can be spelled with escapes.
        if length > LARGEST_HEADER or file.read(length).count(b"{") > MOST_TENSORS:
            raise ValueError("its header is too large")
    with safetensors.safe_open(path, framework="np") as opened:
        slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - no dict
        texts = dict(opened.metadata() or {})
    shapes = {name: tuple(found.get_shape()) for name, found in slices.items()}
    for name, shape in shapes.items():
        if len(shape) > MOST_DIMENSIONS or math.prod(side or 1 for side in shape) > MOST_VALUES:
            raise ValueError(f"tensor {name!r:.60} has an absurd shape")
    return Header(shapes, {name: found.get_dtype() for name, found in slices.items()}, texts)
