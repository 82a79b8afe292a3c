"""Weights (to use) and training state (to resume from), both as safetensors.

Nothing executable is ever loaded: a file is a JSON header and plain tensors.
"""

import json
import math
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from sketchcli import files
from sketchcli.weights_header import FORMAT, KEY, DamagedError, about_of, read_header

CHECKSUM = "checksum"  # key in the description
ANOTHER = "train again, or choose another file"
Value = TypeVar("Value")


def save(
    path: Path,
    tensors: Mapping[str, Tensor],
    about: Mapping[str, Any],
    *,
    previous: Path | None = None,
) -> None:
    """Write tensors and a description of them, whole or not at all.

    `about` holds plain values, ready for JSON. An existing file is renamed to `previous`; by
    default it is replaced.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    described = {"format": FORMAT} | dict(about)
    described.pop(CHECKSUM, None)  # that of a file whose description is reused
    header = {KEY: json.dumps(described | {CHECKSUM: _checksum(plain, described)})}

    def save_file(part: Path) -> None:
        try:
            safetensors.torch.save_file(plain, part, header)
        except safetensors.SafetensorError as error:  # most often, the disk is full
            raise OSError(str(error)) from error

    files.write_whole(path, save_file, previous=previous)


def load(
    path: Path, *, only: Iterable[str] | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a file that `save` wrote, and their description.

    With `only`, just the tensors whose names have one of these prefixes are read. A file that is
    missing or not ours is a `CheckpointError`; a damaged one, or one with NaN or infinite values,
    a `DamagedError`.
    """
    starts = None if only is None else tuple(only)
    header = read_header(path)
    about = about_of(path, header)
    checksum = about.pop(CHECKSUM, None)  # older versions wrote none
    names = [name for name in header.shapes if starts is None or name.startswith(starts)]
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in names}
    except (safetensors.SafetensorError, OSError) as error:
        raise DamagedError(f"{path} is damaged or not a safetensors file ({error})") from error
    if checksum is not None and starts is None and checksum != _checksum(tensors, about):
        raise DamagedError(f"{path} is damaged (its checksum is wrong)", hint=ANOTHER)
    check_finite(path, tensors)
    return tensors, about


def check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise a `DamagedError` if a tensor of a file contains NaN or infinite values."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or math.isfinite(tensor.sum()):
            continue
        if count := tensor.numel() - int(torch.isfinite(tensor).sum()):  # not only an overflow
            of = f"{count:,} of the {tensor.numel():,} values of {name[:80]!r}"
            raise DamagedError(f"{path}: {of} are NaN or infinite", hint=ANOTHER)


def _checksum(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> int:
    """Return a checksum of contiguous tensors, with their names, and of their description."""
    found = zlib.crc32(json.dumps(about).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), found)
        found = zlib.crc32(tensor.flatten().view(torch.uint8).numpy().data, found)
    return found


def with_prefix(prefix: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the tensors or numbers of one part, with its name as a prefix of their names.

    >>> with_prefix("losses", {"l1": 0.5})
    {'losses.l1': 0.5}
    """
    return {f"{prefix}.{name}": value for name, value in values.items()}


def without_prefix(prefix: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the tensors or numbers of one part, without the prefix in their names."""
    start = f"{prefix}."
    return {n.removeprefix(start): v for n, v in values.items() if n.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's moments as flat tensors: `0.exp_avg`, `0.step`, ..."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(v) for i, s in state.items() for name, v in s.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore an optimiser's moments from what `optimizer_tensors` returned.

    Raises:
        ValueError, LookupError: If a tensor does not fit. A parameter without a gradient has none.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        parameter, moment = parameters[int(index)], tensor
        shape = () if name == "step" else parameter.shape
        if tensor.shape != shape or tensor.dtype != torch.float32:
            raise ValueError(f"{key} has another shape or type")
        if name != "step":  # fused optimisers walk both as flat memory
            moment = torch.empty_like(parameter).copy_(tensor).detach()
        state.setdefault(int(index), {})[name] = moment
    if len({frozenset(moments) for moments in state.values()}) > 1:
        raise ValueError("some moments are missing")
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
