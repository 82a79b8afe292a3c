"""The settings of a training run, each with its bounds and a sentence on what it does."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sketchcli.machine import PRECISIONS

Options = Mapping[str, bool | int | float | str]
ADVERSARIAL_LOSSES = ("vanilla", "lsgan", "hinge", "relativistic")
RECONSTRUCTION_LOSSES = ("l1", "mse")
PERCEPTUAL_NETWORKS = ("lpips-alex", "lpips-vgg")
OPTIMIZERS = ("adam", "adamw", "rmsprop", "adagrad")
SCHEDULES = ("constant", "linear", "cosine", "step", "inverse-epoch")
DOCTORS = ("act", "tell")
VALIDATION_SCORES = ("combined", "ssim", "mae", "lpips-alex")
LARGEST = 2**63  # beyond any number that makes sense, and what a seed may be


def setting(default: Any, about: str) -> Any:  # noqa: ANN401 - as dataclasses.field
    """A switch, a word or a number of any size."""
    return field(default=default, metadata={"about": about})


def bounded(least: float, default: Any, about: str, *, most: float = math.inf) -> Any:  # noqa: ANN401
    """A number with bounds, which `merge` checks."""
    return field(default=default, metadata={"least": least, "most": most, "about": about})


def one_of(choices: Sequence[str], default: str, about: str) -> Any:  # noqa: ANN401
    """A word out of a few, which `merge` checks."""
    return field(default=default, metadata={"choices": tuple(choices), "about": about})


@dataclass(frozen=True)
class ModelConfig:
    """Which networks; their options are checked by the module that the name stands for."""

    generator: str = setting("resunet", "name of the generator")
    generator_options: Options = field(default_factory=dict)
    discriminator: str = setting("patch", "name of the discriminator")
    discriminator_options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the generator's losses; the adversarial kind holds for both networks."""

    adversarial: str = one_of(ADVERSARIAL_LOSSES, "hinge", "what the two networks play for")
    adversarial_weight: float = bounded(0, 0.15, "0 trains the generator alone")
    joint_batch: bool = setting(
        False, "judge real and generated photos in one batch, so that batch norm sees both"
    )
    reconstruction: str = one_of(RECONSTRUCTION_LOSSES, "l1", "difference pixel for pixel")
    reconstruction_weight: float = bounded(0, 60.0, "weight of that difference")
    structure_weight: float = bounded(0, 20.0, "weight of 1 - SSIM")
    gradient_weight: float = bounded(0, 0.0, "weight of the edges' difference at three scales")
    feature_matching_weight: float = bounded(0, 0.0, "weight of the discriminator's activations")
    perceptual_weight: float = bounded(0, 20.0, "weight of LPIPS, where its network is here")
    perceptual_network: str = one_of(PERCEPTUAL_NETWORKS, "lpips-alex", "the network of that loss")
    r1_weight: float = bounded(0, 0.0, "the discriminator's gradient penalty on real photos")
    r1_every: int = bounded(1, 16, "steps between two penalties; each counts that many times")


@dataclass(frozen=True)
class OptimizerConfig:
    """How both networks learn."""

    name: str = one_of(OPTIMIZERS, "adam", "optimiser of both networks")
    lr: float = bounded(0, 2e-4, "learning rate of the generator")
    discriminator_lr_factor: float = bounded(0, 2.0, "discriminator's rate / generator's rate")
    beta1: float = bounded(0, 0.5, "Adam: memory of the gradient", most=0.9999)
    beta2: float = bounded(0, 0.999, "Adam, RMSprop: memory of its square", most=0.9999)
    eps: float = bounded(0, 1e-8, "added to the denominator")
    weight_decay: float = bounded(0, 0.0, "decay of the generator's weights, decoupled in AdamW")
    schedule: str = one_of(SCHEDULES, "linear", "how the rate falls")
    decay_from: float = bounded(0, 0.5, "linear, cosine: share of the run before it falls", most=1)
    step_every: float = bounded(0, 0.25, "step: share of the run between two steps", most=1)
    step_factor: float = bounded(0, 0.5, "step: what the rate is multiplied with", most=1)


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes of the training pairs; sketch and photo always move together."""

    flip: bool = setting(True, "mirror half of the pairs")
    rotation: float = setting(10.0, "degrees, either way")
    scale: float = setting(0.12, "relative, either way")
    shift: float = setting(0.08, "of the picture's size, either way")
    elastic: float = setting(0.025, "displacement of a 5x5 grid, of the picture's size")
    mixing: float = bounded(0, 0.5, "share of pairs blended with others in patches", most=1)
    jitter: float = bounded(0, 0.0, "pix2pix: enlarged by this share, then cut at random", most=1)
    sketch_contrast: float = setting(0.4, "relative change of the sketch's contrast and darkness")
    sketch_stroke: float = bounded(0, 0.2, "how far strokes get thicker or thinner", most=1)
    sketch_gamma: float = bounded(0, 0.15, "how far midtones get darker or lighter", most=2)
    sketch_tone: float = bounded(0, 0.03, "unevenness of the paper", most=1)
    sketch_erasure: float = bounded(0, 0.1, "share of sketches with rubbed-out spots", most=1)
    sketch_noise: float = bounded(0, 0.02, "grain, of the range", most=1)
    discriminator: bool = setting(True, "DiffAugment on what the discriminator sees")
    adaptive: bool = setting(True, "ADA: as strong as the discriminator overfits")
    adaptive_target: float = bounded(0, 0.6, "ADA: wanted mean sign of its real logits", most=1)
    adaptive_images: int = bounded(1, 20_000, "ADA: images from no strength to all of it")


@dataclass(frozen=True)
class DataConfig:
    """How pairs are drawn from a prepared set."""

    batch_size: int = bounded(1, 8, "pairs a step, over all processes")
    accumulate: int = bounded(1, 1, "parts that a step's batch is taken in, to save memory")
    validation_pairs: int = bounded(0, 4, "held out of training where the set has no `val` split")
    grow_from: int = bounded(0, 0, "first size's shorter side, doubled up to the set's; 0: off")
    grow_share: float = bounded(0, 0.5, "share of the run until the whole size", most=1)


@dataclass(frozen=True)
class ValidationConfig:
    """What is measured on the held-out pairs while a model is trained."""

    every: int = bounded(1, 10, "epochs between two measurements, with sample pictures")
    score: str = one_of(VALIDATION_SCORES, "combined", "what `best.safetensors` is the best of")
    patience: int = bounded(0, 0, "measurements without a better score until it stops; 0: never")
    doctor: str = one_of(
        DOCTORS, "act", "training doctor: act lowers learning rates, tell only reports"
    )


@dataclass(frozen=True)
class RunConfig:
    """How a run is computed; changing it does not change what is learned."""

    precision: str = one_of(
        PRECISIONS, "auto", "numbers to compute with; auto: whichever is fastest here"
    )
    compile: bool = setting(False, "torch.compile on both networks")
    checkpointing: bool = setting(False, "compute activations twice, to save memory")
    tensorboard: bool = setting(False, "write TensorBoard's events into the run's folder")


@dataclass(frozen=True)
class TrainConfig:
    """One training run, whole."""

    preset: str = setting("modern", "what these settings started from")
    epochs: int = bounded(1, 100, "times that every pair is seen")
    seed: int = bounded(0, 0, "of everything that is drawn at random")
    ema_half_life: float = bounded(
        0, 2500.0, "images until a weight's share of the average halves; 0: off"
    )
    init_from: str = setting("", "weights to start from: a file, a run's folder or name")
    freeze: str = setting("", "parts of the generator that stay as they are, with commas")
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    data: DataConfig = field(default_factory=DataConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    run: RunConfig = field(default_factory=RunConfig)


# How pictures become those that a network takes.


class Fit(StrEnum):
    """How a picture of another shape becomes one of the wanted size."""

    CROP = "crop"  # scaled until it covers the size, the centre is kept
    PAD = "pad"  # scaled until it fits in, on white
    STRETCH = "stretch"  # each side for itself, as the CUHK figures are measured


class Align(StrEnum):
    """What pictures are turned, scaled and cut by before they are fitted."""

    NONE = "none"
    FACE = "face"  # the eyes come to where the CUHK crops have them
    LOOSE = "loose"  # about there: turned, moved and cut wider by chance


class Backdrop(StrEnum):
    """What is behind the sitter of a portrait."""

    KEEP = "keep"  # what the photo has there
    STUDIO = "studio"  # a plain, softly lit surface


class Light(StrEnum):
    """How the sitter of a portrait is lit."""

    KEEP = "keep"  # as in the photo
    EVEN = "even"  # exposed, and its cast taken out, as in one studio


class Likeness(StrEnum):
    """How true a drawn sketch is to its photo."""

    TRUE = "true"  # lines and tone are the photo's
    FREE = "free"  # features are off, and shaded as faces usually are drawn


class Direction(StrEnum):
    """Where the photo is in a side-by-side picture."""

    PHOTO_LEFT = "photo-left"
    PHOTO_RIGHT = "photo-right"
