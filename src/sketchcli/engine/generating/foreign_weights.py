"""Import of weights from a pickle, which is read without executing any code in it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sketchcli import __version__, checkpoint, files
from sketchcli import config as settings
from sketchcli.config import (
    PHOTO,
    SKETCH,
    SKETCH_TO_PHOTO,
    Align,
    Domain,
    Domains,
    Fit,
    ModelConfig,
    TrainConfig,
)
from sketchcli.engine.fetching.unpickling import read_arrays
from sketchcli.engine.results import ImportResult
from sketchcli.errors import CheckpointError, DataError
from sketchcli.models.building import build_generator

COUNTER = "num_batches_tracked"  # a batch norm's counter, of no use to a trained network
HINT = "give a state dict that torch.save wrote, and check that the file is complete"
Arrays = Mapping[str, NDArray[np.float32]]
COLOUR = Domain("input", 3)
USUAL = (  # in the order in which they are tried
    SKETCH_TO_PHOTO,
    Domains(COLOUR, PHOTO),
    Domains(COLOUR, Domain("target", 1)),
    Domains(SKETCH, Domain("photo", 1)),
)


def import_weights(
    source: Path,
    target: Path,
    model: ModelConfig,
    *,
    size: tuple[int, int],
    fit: Fit,
    domains: Domains | None = None,
    licence: str = "not stated",
    overwrite: bool = False,
) -> ImportResult:
    """Import a generator's tensors from another program's file.

    `source` is a state dict that `torch.save` wrote, possibly nested in dictionaries. The network
    was trained at `size` (height, width), on sketches resized as `fit` says. If its domains are not
    given, the tensors tell the channels.
    """
    if target.exists() and not overwrite:
        raise DataError(f"{target} exists", hint="add --overwrite, or choose another name")
    choices = (domains,) if domains else USUAL
    with torch.device("meta"):
        networks = {each: build_generator(model, each) for each in choices}
    arrays = read_arrays(source, lambda name: not name.endswith(COUNTER), hint=HINT)
    tensors, domains = _fitted(arrays, networks, source)
    about = {
        "version": __version__,
        "config": settings.to_dict(TrainConfig(model=model)),
        "size": size,
        "fit": fit,
        "align": Align.NONE,
        "domains": asdict(domains),
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
    return ImportResult(source, target, model.generator, len(tensors), domains)


def _fitted(
    arrays: Arrays, networks: Mapping[Domains, nn.Module], source: Path
) -> tuple[dict[str, Tensor], Domains]:
    """Return the tensors by the network's names, and the first domains whose network they fit."""
    for domains, network in networks.items():
        if tensors := _named(arrays, network):
            return tensors, domains
    first = next(iter(networks.values())).state_dict()
    wanted = [tensor for name, tensor in first.items() if not name.endswith(COUNTER)]
    raise CheckpointError(
        f"{source} does not match this network ({len(arrays)} tensors; the network has "
        f"{len(wanted)}, with {sum(t.numel() for t in wanted):,} values)",
        hint="specify the network with --generator and --option, as it was trained",
    )


def _named(arrays: Arrays, generator: nn.Module) -> dict[str, Tensor] | None:
    """Return the tensors by the network's names, matched by name or by order and shape."""
    wanted = generator.state_dict()
    shapes = {n: tuple(t.shape) for n, t in wanted.items() if not n.endswith(COUNTER)}
    origin = _by_name(arrays, shapes)
    if origin is None and [a.shape for a in arrays.values()] == list(shapes.values()):
        origin = dict(zip(shapes, arrays, strict=True))
    if origin is None:
        return None
    found = {name: torch.from_numpy(arrays[origin[name]].copy()) for name in shapes}
    counters = {n: torch.zeros((), dtype=t.dtype) for n, t in wanted.items() if n not in shapes}
    return found | counters


def _by_name(arrays: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str] | None:
    first = next(iter(shapes))
    for start in [name.removesuffix(first) for name in arrays if name.endswith(first)]:
        if all(start + n in arrays and arrays[start + n].shape == s for n, s in shapes.items()):
            return {name: start + name for name in shapes}
    return None
