"""Everything that decides how a model is built and trained, as data.

Presets, a settings file and flags are merged into one frozen `TrainConfig`, which is saved
beside the run and inside the weights.
"""

import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, get_type_hints

from sketchcli.errors import UsageError

Options = Mapping[str, bool | int | float | str]


class Fit(StrEnum):
    """How a picture of another shape becomes one of the wanted size."""

    CROP = "crop"  # scaled until it covers the size, the centre is kept
    PAD = "pad"  # scaled until it fits in, on white
    STRETCH = "stretch"  # each side for itself, as the CUHK figures are measured


class Align(StrEnum):
    """What pictures are turned, scaled and cut by before they are fitted."""

    NONE = "none"
    FACE = "face"  # the eyes come to where the CUHK crops have them


class Direction(StrEnum):
    """Where the photo is in a side-by-side picture."""

    PHOTO_LEFT = "photo-left"
    PHOTO_RIGHT = "photo-right"


ADVERSARIAL_LOSSES = ("bce", "hinge")
RECONSTRUCTION_LOSSES = ("l1", "mse")
LARGEST = 2**63  # beyond any number that makes sense, and what a seed may be
SCHEDULES = ("constant", "linear", "inverse-epoch")


def bounded(least: float, default: Any, most: float = math.inf) -> Any:  # noqa: ANN401
    """A number with bounds, which `merge` checks."""
    return field(default=default, metadata={"least": least, "most": most})


def one_of(choices: Sequence[str], default: str) -> Any:  # noqa: ANN401 - as dataclasses.field
    """A word out of a few, which `merge` checks."""
    return field(default=default, metadata={"choices": tuple(choices)})


@dataclass(frozen=True)
class ModelConfig:
    """Which networks; their options are checked by the module that the name stands for."""

    generator: str = "resunet"
    generator_options: Options = field(default_factory=dict)
    discriminator: str = "patch"
    discriminator_options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the generator's losses; the adversarial kind holds for both networks."""

    adversarial: str = one_of(ADVERSARIAL_LOSSES, "hinge")
    adversarial_weight: float = bounded(0, 1.0)
    reconstruction: str = one_of(RECONSTRUCTION_LOSSES, "l1")
    reconstruction_weight: float = bounded(0, 60.0)
    feature_matching_weight: float = bounded(0, 10.0)


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam for both networks."""

    lr: float = bounded(0, 2e-4)  # generator
    discriminator_lr_factor: float = bounded(0, 2.0)  # discriminator's rate / generator's rate
    beta1: float = bounded(0, 0.5, most=0.9999)
    beta2: float = bounded(0, 0.999, most=0.9999)
    eps: float = bounded(0, 1e-8)
    schedule: str = one_of(SCHEDULES, "linear")
    decay_from: float = bounded(
        0, 0.5, most=1
    )  # linear: share of the run after which the rate falls to zero


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes of the training pairs; sketch and photo always move together."""

    flip: bool = True
    rotation: float = 10.0  # degrees, either way
    scale: float = 0.12  # relative, either way
    shift: float = 0.08  # of the picture's size, either way
    elastic: float = 0.025  # displacement of a 5x5 grid, of the picture's size
    sketch_contrast: float = 0.4  # relative change of the sketch's contrast and darkness
    discriminator: bool = True  # DiffAugment on what the discriminator sees


@dataclass(frozen=True)
class DataConfig:
    """How pairs are drawn from a prepared set."""

    batch_size: int = bounded(1, 8)
    validation_pairs: int = bounded(0, 4)  # held out of training where the set has no `val` split


@dataclass(frozen=True)
class TrainConfig:
    """One training run, whole."""

    preset: str = "modern"
    epochs: int = bounded(1, 100)
    seed: int = bounded(0, 0)
    ema_half_life: float = bounded(
        0, 2500.0
    )  # images until a weight's share of the average halves; 0: off
    sample_every: int = bounded(1, 10)  # epochs between sample pictures
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    data: DataConfig = field(default_factory=DataConfig)


NO_AUGMENTATION = AugmentationConfig(
    flip=False,
    rotation=0.0,
    scale=0.0,
    shift=0.0,
    elastic=0.0,
    sketch_contrast=0.0,
    discriminator=False,
)

PRESETS: dict[str, TrainConfig] = {
    "modern": TrainConfig(),
    # The published student system; docs/explanation/source-system.md lists where we differ.
    "paper": TrainConfig(
        preset="paper",
        epochs=60,
        ema_half_life=0.0,
        model=ModelConfig(generator="resnet", discriminator="dense"),
        loss=LossConfig(
            adversarial="bce",
            reconstruction="mse",
            reconstruction_weight=10.0,
            feature_matching_weight=0.0,
        ),
        optimizer=OptimizerConfig(discriminator_lr_factor=1.0, beta1=0.9, schedule="inverse-epoch"),
        augmentation=NO_AUGMENTATION,
        data=DataConfig(batch_size=30),
    ),
}


def preset(name: str) -> TrainConfig:
    """The preset of that name.

    Raises:
        UsageError: No such preset.
    """
    if name not in PRESETS:
        raise UsageError(f"unknown preset '{name}'", hint=f"known: {', '.join(PRESETS)}")
    return PRESETS[name]


def merge(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """A config with nested changes laid over it.

    Raises:
        UsageError: Unknown keys or values of the wrong type, all listed in one message.

    >>> merge(TrainConfig(), {"optimizer": {"lr": 1}}).optimizer.lr
    1.0
    """
    problems = list(_problems(type(config), changes, ""))
    if problems:
        raise UsageError(f"settings: {'; '.join(problems)}", hint="see docs/reference/settings.md")
    merged = _merge(config, changes)
    if not isinstance(merged, TrainConfig):  # for the type checker: _merge keeps the class
        raise TypeError(merged)
    return merged


def from_dict(data: Mapping[str, Any]) -> TrainConfig:
    """The config that `to_dict` made this from; what is missing takes its default."""
    return merge(TrainConfig(), data)


def to_dict(config: TrainConfig) -> dict[str, Any]:
    """Plain nested dictionaries, ready for JSON or TOML."""
    return asdict(config)


def read_file(path: Path) -> dict[str, Any]:
    """Settings from a .toml or .json file, not yet checked.

    Raises:
        UsageError: The file is missing or malformed.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read settings from {path}: {error}") from error
    if not isinstance(data, dict):
        raise UsageError(f"cannot read settings from {path}: not a table of settings")
    return data


def to_toml(config: TrainConfig) -> str:
    """TOML text that `read_file` and `from_dict` turn back into the same config."""
    return "\n".join(_toml_lines(to_dict(config), ())) + "\n"


def _toml_lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    if path:
        yield f"\n[{'.'.join(path)}]"
    for key, value in table.items():
        if not isinstance(value, Mapping):
            # TOML's scalars and strings are written as JSON writes them.
            yield f"{key} = {json.dumps(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _toml_lines(value, (*path, key))


def _merge(config: Any, changes: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any config class
    values = {}
    for item in fields(config):
        old = getattr(config, item.name)
        new = changes.get(item.name, old)
        if item.name in changes and is_dataclass(old):
            new = _merge(old, new)
        elif isinstance(old, float):
            new = float(new)
        values[item.name] = new
    return type(config)(**values)


def _problems(kind: type, changes: Mapping[str, Any], prefix: str) -> Iterator[str]:
    hints = get_type_hints(kind)
    limits = {item.name: item.metadata for item in fields(kind)}
    for key, value in changes.items():
        hint, name = hints.get(key), prefix + key
        if hint is None:
            yield f"unknown key '{name}'"
        elif is_dataclass(hint) or hint == Options:
            if not isinstance(value, Mapping):
                yield f"'{name}' must be a table"
            elif isinstance(hint, type) and is_dataclass(hint):
                yield from _problems(hint, value, f"{name}.")
        elif not _fits(value, hint):
            yield f"'{name}' must be {hint.__name__}, not {value!r}"
        else:
            yield from _out_of_bounds(name, value, limits[key])


def _out_of_bounds(name: str, value: Any, limits: Mapping[str, Any]) -> Iterator[str]:  # noqa: ANN401
    if "choices" in limits and value not in limits["choices"]:
        yield f"'{name}' must be one of {', '.join(limits['choices'])}, not '{value}'"
    is_number = isinstance(value, int | float)
    if is_number and not abs(value) < LARGEST:  # nor is NaN
        yield f"'{name}' is out of bounds"
    elif "least" in limits and not limits["least"] <= value <= limits["most"]:
        upper = f" and at most {limits['most']}" if limits["most"] < math.inf else ""
        yield f"'{name}' must be at least {limits['least']}{upper}, not {value!r}"


def _fits(value: object, hint: type) -> bool:
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    return isinstance(value, (int, float) if hint is float else hint)
