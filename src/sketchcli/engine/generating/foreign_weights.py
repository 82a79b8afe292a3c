"""Import of weights from a pickle, which is read without executing any code in it."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sketchcli import __version__, checkpoint, files
from sketchcli import config as settings
from sketchcli.config import Align, Fit, ModelConfig, TrainConfig
from sketchcli.engine.fetching.unpickling import read_arrays
from sketchcli.engine.results import ImportResult
from sketchcli.errors import CheckpointError, DataError
from sketchcli.models.building import build_generator

COUNTER = "num_batches_tracked"  # a batch norm's counter, of no use to a trained network
HINT = "give a state dict that torch.save wrote, and check that the file is complete"
Arrays = Mapping[str, NDArray[np.float32]]


def import_weights(
    source: Path,
    target: Path,
    model: ModelConfig,
    *,
    size: tuple[int, int],
    fit: Fit,
    licence: str = "not stated",
    overwrite: bool = False,
) -> ImportResult:
    """Import a generator's tensors from another program's file.

    `source` is a state dict that `torch.save` wrote, possibly nested in dictionaries. The network
    was trained at `size` (height, width), on sketches resized as `fit` says.
    """
    if target.exists() and not overwrite:
        raise DataError(f"{target} exists", hint="add --overwrite, or choose another name")
    with torch.device("meta"):
        generator = build_generator(model)
    arrays = read_arrays(source, lambda name: not name.endswith(COUNTER), hint=HINT)
    tensors = _named(arrays, generator, source)
    about = {
        "version": __version__,
        "config": settings.to_dict(TrainConfig(model=model)),
        "size": size,
        "fit": fit,
        "align": Align.NONE,
        "dataset": {
            "name": f"imported from {source.name}",
            "fingerprint": files.sha256_of(source),
            "licence": licence,
        },
        "scores": {},
        "epochs_done": 0,
    }
    checkpoint.check_finite(source, tensors)
    checkpoint.save(target, tensors, about)
    return ImportResult(source, target, model.generator, len(tensors))


def _named(arrays: Arrays, generator: nn.Module, source: Path) -> dict[str, Tensor]:
    """Return the tensors by the network's names, matched by name or by order and shape."""
    wanted = generator.state_dict()
    shapes = {n: tuple(t.shape) for n, t in wanted.items() if not n.endswith(COUNTER)}
    origin = _by_name(arrays, shapes)
    if origin is None and [a.shape for a in arrays.values()] == list(shapes.values()):
        origin = dict(zip(shapes, arrays, strict=True))
    if origin is None:
        numbers = sum(math.prod(shape) for shape in shapes.values())
        raise CheckpointError(
            f"{source} does not match this network ({len(arrays)} tensors; the network has "
            f"{len(shapes)}, with {numbers:,} values)",
            hint="specify the network with --generator and --option, as it was trained",
        )
    found = {name: torch.from_numpy(arrays[origin[name]].copy()) for name in shapes}
    counters = {n: torch.zeros((), dtype=t.dtype) for n, t in wanted.items() if n not in shapes}
    return found | counters


def _by_name(arrays: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str] | None:
    first = next(iter(shapes))
    for start in [name.removesuffix(first) for name in arrays if name.endswith(first)]:
        if all(start + n in arrays and arrays[start + n].shape == s for n, s in shapes.items()):
            return {name: start + name for name in shapes}
    return None
