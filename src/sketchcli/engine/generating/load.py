"""Generators out of their weights, checked before anything of their size is made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sketchcli import checkpoint
from sketchcli import config as settings
from sketchcli.config import Align, Fit, ModelConfig
from sketchcli.data import appearance
from sketchcli.data.appearance import SketchStats
from sketchcli.device import Device, check_device
from sketchcli.engine.runs import Run
from sketchcli.errors import CheckpointError, UsageError
from sketchcli.models.building import build_generator
from sketchcli.weights_header import Header, about_of, read_header

LARGEST_SIDE = 8192  # pixels that a model may be trained at
LARGEST_OPTION = 2048  # of a network: of its width or its blocks
FLOATS = frozenset({"F32", "F16", "BF16"})  # weights may be stored in any of these
RAW = "generator"  # the prefix, in a state, of the weights as trained


@dataclass(frozen=True)
class LoadedModel:
    """A generator, ready to draw, and how its training sketches were prepared."""

    path: Path
    generator: nn.Module
    size: tuple[int, int]  # height, width
    fit: Fit  # how its training sketches got that size
    align: Align  # what they were aligned by before
    looks: SketchStats | None  # what they look like; None where the weights do not say
    dataset: str  # that it was trained on
    fingerprint: str  # of that set
    trained_on: str  # marks of its training photos; empty where it does not say
    device: Device


def load_model(path: Path, device: Device, *, is_raw: bool = False) -> LoadedModel:
    """Read a generator from its weights.

    Args:
        path: The weights.
        device: Where to compute.
        is_raw: Read the weights as trained, not their average, from the state beside the file.

    Raises:
        CheckpointError: The file is damaged, or its tensors do not fit its own settings.
        DeviceError: The device draws another photo than the CPU does.
    """
    file = _state_beside(path) if is_raw else path
    header = read_header(file)
    about = about_of(file, header)
    prefix = f"{RAW}." if is_raw else ""
    try:
        model = settings.from_dict(about["config"]).model
        described = _described(about)
        generator = _empty_generator(model)
        _check_fits(generator, header, prefix)
        tensors, _ = checkpoint.load(file, only=(prefix,))
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, UsageError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{file}: not the weights of a generator ({reason})",
            hint="a run's generator is in its weights.safetensors",
        ) from error
    expected = generator.state_dict()
    filled = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    cast = {name: tensor.to(expected[name].dtype) for name, tensor in filled.items()}
    generator.load_state_dict(cast, assign=True)
    placed = device.place(generator).eval()
    check_device(placed, device, described["size"])
    return LoadedModel(path=path, generator=placed, device=device, **described)


def _state_beside(path: Path) -> Path:
    state = Run(path.parent).state
    if not state.is_file():
        raise CheckpointError(
            f"{path}: no training state beside it, which the weights as trained are in",
            hint="leave out --raw, or name the folder of a run of yours",
        )
    return state


def _described(about: dict[str, Any]) -> dict[str, Any]:
    height, width = about["size"]
    if not all(type(side) is int and 1 <= side <= LARGEST_SIDE for side in (height, width)):
        raise ValueError(f"a size of {height!r:.20} by {width!r:.20}")
    data = about["dataset"]
    texts = {"dataset": data["name"], "fingerprint": data["fingerprint"]}
    texts["trained_on"] = data.get("trained_on", "")
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError("its data set is not described by texts")
    return {
        "size": (height, width),
        "fit": Fit(about["fit"]),
        "align": Align(about.get("align", Align.NONE)),
        "looks": appearance.from_dict(about.get("looks")),
        **texts,
    }


def _empty_generator(model: ModelConfig) -> nn.Module:
    """The network, its parameters without memory: they come out of the file."""
    for name, value in model.generator_options.items():
        if isinstance(value, int) and value > LARGEST_OPTION:
            raise ValueError(f"{name} of {value:.3g}")
    with torch.device("meta"):
        return build_generator(model)


def _check_fits(generator: nn.Module, header: Header, prefix: str) -> None:
    """Compare what the file says that it holds with what its settings need."""
    wanted = generator.state_dict()
    found = {name.removeprefix(prefix): n for n in header.shapes if (name := n).startswith(prefix)}
    strangers = sorted(found.keys() ^ wanted.keys())
    if strangers:
        which = "has no" if strangers[0] in wanted else "has an unknown"
        raise ValueError(f"{which} tensor {strangers[0]}")
    for name, tensor in wanted.items():
        shape, kind = header.shapes[found[name]], header.kinds[found[name]]
        if shape != tuple(tensor.shape):
            raise ValueError(f"{name} is {shape}, not {tuple(tensor.shape)}")
        if kind not in (FLOATS if tensor.is_floating_point() else {"I64"}):
            raise ValueError(f"{name} holds numbers of kind {kind}")
