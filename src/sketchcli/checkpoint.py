"""Weights (to use) and training state (to resume from), both as safetensors.

Nothing executable is ever loaded: a file is a JSON header and plain tensors.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from sketchcli import files
from sketchcli.weights_header import FORMAT, KEY, DamagedError, about_of, read_about, read_header

__all__ = [
    "DamagedError",
    "load",
    "optimizer_tensors",
    "read_about",
    "read_header",
    "restore_optimizer",
    "save",
    "with_prefix",
    "without_prefix",
]

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
    header = {KEY: json.dumps({"format": FORMAT} | dict(about))}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

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
    missing or not ours is a `CheckpointError`, a damaged one a `DamagedError`.
    """
    starts = None if only is None else tuple(only)
    header = read_header(path)
    about = about_of(path, header)
    names = [name for name in header.shapes if starts is None or name.startswith(starts)]
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in names}, about
    except (safetensors.SafetensorError, OSError) as error:
        raise DamagedError(f"{path} is damaged or not a safetensors file ({error})") from error


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
    """Restore an optimiser's moments from what `optimizer_tensors` returned."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        parameter, moment = parameters[int(index)], tensor
        if tensor.shape == parameter.shape:  # fused optimisers walk both as flat memory
            moment = torch.empty_like(parameter).copy_(tensor).detach()
        state.setdefault(int(index), {})[name] = moment
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
