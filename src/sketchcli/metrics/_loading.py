"""A network's tensors, from a converted file into a graph of ours."""

from pathlib import Path
from typing import TypeVar

from torch import nn

from sketchcli import checkpoint
from sketchcli.device import channels_last
from sketchcli.errors import CheckpointError

Network = TypeVar("Network", bound=nn.Module)


def filled(network: Network, file: Path) -> Network:
    """The network with a file's tensors, ready to be asked and never to be trained.

    Args:
        network: The graph; its own tensors may be on the `meta` device.
        file: What `engine.fetching.converting` wrote.

    Raises:
        CheckpointError: The file is missing, damaged, or another network's.
    """
    tensors, _about = checkpoint.load(file)
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"{file}: the tensors of another network", hint="fetch it again with fetch-data"
        ) from error
    # That is how pictures lie in memory, and up to twice as fast on a CPU.
    return channels_last(network.eval().requires_grad_(requires_grad=False))
