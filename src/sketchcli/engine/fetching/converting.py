"""Published networks, which are pickles, into safetensors with the names of our own graphs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sketchcli import checkpoint
from sketchcli.engine.fetching.inventory import sha256_of
from sketchcli.engine.fetching.network_layouts import PUBLISHED, Layout, PublishedNetwork
from sketchcli.engine.fetching.pickled_arrays import Float32
from sketchcli.engine.fetching.unpickling import HINT, read_arrays
from sketchcli.errors import DataError

CONVERTED = frozenset(PUBLISHED)  # the networks that are pickles; the others stay as they are


def convert(name: str, sources: Sequence[Path], target: Path) -> None:
    """Write a network's tensors as safetensors; nothing that the sources hold is executed.

    Args:
        name: One of `CONVERTED`.
        sources: The files of one edition, in any order: the official ones (for LPIPS a backbone
            and its heads), or the one file of a package.
        target: The file to write; it keeps the names and SHA-256 of the sources.

    Raises:
        DataError: A source cannot be read, asks for code to be run, or holds another network; or
            the target cannot be written.
    """
    network = PUBLISHED[name]()
    wanted = {n for layout in network.layouts for origin in layout.values() for n in origin.names}
    arrays: dict[str, Float32] = {}
    for source in sources:
        arrays |= read_arrays(source, wanted)
    where = " and ".join(str(source) for source in sources)
    layout = _layout_of(arrays, network.layouts, name, where)
    made = {n: origin.make(*(arrays[o] for o in origin.names)) for n, origin in layout.items()}
    _check(made, network, where)
    about = {
        "network": name,
        "sources": [{"file": source.name, "sha256": sha256_of(source)} for source in sources],
    }
    checkpoint.save(target, {n: torch.from_numpy(array) for n, array in made.items()}, about)


def _layout_of(
    arrays: dict[str, Float32], layouts: Sequence[Layout], name: str, where: str
) -> Layout:
    """The layout whose tensors are all there."""
    missing = []
    for layout in layouts:
        needed = [n for origin in layout.values() for n in origin.names]
        missing.append([n for n in needed if n not in arrays])
        if not missing[-1]:
            return layout
    nearest = min(missing, key=len)
    raise DataError(f"{where}: not the network {name}: no tensor {nearest[0]}", hint=HINT)


def _check(made: dict[str, Float32], network: PublishedNetwork, where: str) -> None:
    """Refuse tensors that the graph cannot take, or that no network learns."""
    expected: dict[str, Tensor] = network.graph.state_dict()
    for name, tensor in expected.items():
        if made[name].shape != tuple(tensor.shape):
            raise DataError(
                f"{where}: {name} has the shape {made[name].shape}, not {tuple(tensor.shape)}",
                hint=HINT,
            )
        if not np.isfinite(made[name]).all():
            raise DataError(f"{where}: {name} holds values that are no numbers", hint=HINT)
