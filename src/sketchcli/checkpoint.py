"""Weights (for people) and training state (for going on), both as safetensors.

Nothing executable is ever loaded: a file is a JSON header and plain tensors.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from sketchcli import files
from sketchcli.errors import CheckpointError

FORMAT = 1
_KEY = "sketch2img"


class DamagedError(CheckpointError):
    """A file of ours that a crash or a disk has damaged."""


def save(
    path: Path,
    tensors: Mapping[str, Tensor],
    about: Mapping[str, Any],
    *,
    previous: Path | None = None,
) -> None:
    """Write tensors and what is to be known about them, whole or not at all.

    Args:
        path: The file.
        tensors: Its tensors.
        about: Plain values, ready for JSON.
        previous: What becomes of an older file of that name; by default it is replaced.

    Raises:
        DataError: The folder cannot be written, or the disk is full.
    """
    header = {_KEY: json.dumps({"format": FORMAT} | dict(about))}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    files.write_whole(path, lambda part: _save(plain, part, header), previous=previous)


def read_about(path: Path) -> dict[str, Any]:
    """What is known about a file's tensors, without reading them.

    Raises:
        CheckpointError: The file is missing, damaged, or not ours.
    """
    return load(path, only=())[1]


def load(
    path: Path, *, only: Iterable[str] | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and what is known about them.

    Args:
        path: A safetensors file that `save` wrote.
        only: Read just the tensors whose names start so; all by default.

    Raises:
        CheckpointError: The file is missing, damaged, or not ours.
    """
    if path.suffix in {".pt", ".pth", ".ckpt", ".pkl"}:
        raise CheckpointError(
            f"{path}: a pickle can run any code when it is opened, and is never loaded",
            hint="use a weights.safetensors that sketch2img wrote",
        )
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file", hint="name another with --model")
    starts = None if only is None else tuple(only)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(_KEY)
            names = list(file.keys())
            names = [n for n in names if starts is None or n.startswith(starts)]
            tensors = {name: file.get_tensor(name) for name in names} if header else {}
    except (safetensors.SafetensorError, OSError) as error:
        raise DamagedError(
            f"{path}: damaged or not safetensors ({error})", hint="train again, or name another"
        ) from error
    return tensors, _about(path, header)


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put a part's name before its tensors' names.

    >>> list(with_prefix("ema", {"weight": torch.zeros(1)}))
    ['ema.weight']
    """
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of one part, under their own names."""
    start = f"{prefix}."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's moments as flat tensors: `0.exp_avg`, `0.step`, ..."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(v) for i, s in state.items() for name, v in s.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` took."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = _laid_out_like(parameters[int(index)], tensor)
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def _save(tensors: dict[str, Tensor], part: Path, header: dict[str, str]) -> None:
    try:
        safetensors.torch.save_file(tensors, part, header)
    except safetensors.SafetensorError as error:  # a full disk, most often
        raise OSError(str(error)) from error


def _laid_out_like(parameter: Tensor, tensor: Tensor) -> Tensor:
    """A moment in its parameter's memory format; fused optimisers walk both as flat memory."""
    if tensor.shape != parameter.shape:
        return tensor
    return torch.empty_like(parameter).copy_(tensor).detach()


def _about(path: Path, header: str | None) -> dict[str, Any]:
    if header is None:
        raise CheckpointError(f"{path}: not written by sketch2img")
    try:
        about = json.loads(header)
        found = about["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedError(f"{path}: damaged header") from error
    if found != FORMAT:
        raise CheckpointError(
            f"{path}: format {found}, this version reads {FORMAT}", hint="update sketch2img"
        )
    return dict(about)
