"""The settings of a training run, each with its limits and a description; the presets."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from sketchcli import errors
from sketchcli.machine import PRECISIONS

Options = Mapping[str, bool | int | float | str]
ADVERSARIAL_LOSSES = ("vanilla", "lsgan", "hinge", "relativistic")
RECONSTRUCTION_LOSSES = ("l1", "mse")
PERCEPTUAL_NETWORKS = ("lpips-alex", "lpips-vgg")
OPTIMIZERS = ("adam", "adamw", "rmsprop", "adagrad")
SCHEDULES = ("constant", "linear", "cosine", "step", "inverse-epoch")
VALIDATION_SCORES = ("combined", "ssim", "mae", "lpips-alex")
LARGEST = 2**63  # limit for all numbers: beyond any sensible value, and the limit for seeds


def setting(default: Any, about: str) -> Any:  # noqa: ANN401 - as dataclasses.field
    """Define a setting without limits: a boolean, a text or a number."""
    return field(default=default, metadata={"about": about})


def bounded(least: float, default: Any, about: str, *, most: float = math.inf) -> Any:  # noqa: ANN401
    """Define a number with limits, which `merge` checks."""
    return field(default=default, metadata={"least": least, "most": most, "about": about})


def one_of(choices: Sequence[str], default: str, about: str) -> Any:  # noqa: ANN401
    """Define a choice from a few words, which `merge` checks."""
    return field(default=default, metadata={"choices": tuple(choices), "about": about})


SMALLEST_SIDE = 24  # pixels of the height and width that the default networks can be trained on


@dataclass(frozen=True)
class ModelConfig:
    """The two networks; each network's module checks its options."""

    generator: str = setting("resunet", "generator architecture")
    generator_options: Options = field(default_factory=dict)
    discriminator: str = setting("patch", "discriminator architecture")
    discriminator_options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the generator's losses; the adversarial loss applies to both networks."""

    adversarial: str = one_of(ADVERSARIAL_LOSSES, "hinge", "adversarial loss of both networks")
    adversarial_weight: float = bounded(0, 0.15, "adversarial weight; 0: train only the generator")
    joint_batch: bool = setting(
        False, "classify real and generated photos in one batch, so that batch norm sees both"
    )
    reconstruction: str = one_of(RECONSTRUCTION_LOSSES, "l1", "loss per pixel")
    reconstruction_weight: float = bounded(0, 60.0, "weight of the reconstruction loss")
    structure_weight: float = bounded(0, 20.0, "weight of the loss 1 - SSIM")
    gradient_weight: float = bounded(0, 0.0, "weight of the edge loss, at three scales")
    feature_matching_weight: float = bounded(0, 0.0, "weight of the feature-matching loss")
    perceptual_weight: float = bounded(0, 20.0, "weight of LPIPS, if its network is downloaded")
    perceptual_network: str = one_of(PERCEPTUAL_NETWORKS, "lpips-alex", "LPIPS network")
    r1_weight: float = bounded(0, 0.0, "weight of the R1 gradient penalty on real photos")
    r1_every: int = bounded(1, 16, "steps between two penalties, each weighted by this number")


@dataclass(frozen=True)
class OptimizerConfig:
    """Optimisers and learning rates of both networks."""

    name: str = one_of(OPTIMIZERS, "adam", "optimiser of both networks")
    lr: float = bounded(0, 2e-4, "learning rate of the generator")
    discriminator_lr_factor: float = bounded(0, 2.0, "discriminator's over generator's rate")
    beta1: float = bounded(0, 0.5, "Adam: decay of averaged gradients", most=0.9999)
    beta2: float = bounded(0, 0.999, "Adam, RMSprop: decay of squared gradients", most=0.9999)
    eps: float = bounded(0, 1e-8, "number added to the denominator")
    weight_decay: float = bounded(0, 0.0, "generator's weight decay, decoupled in AdamW")
    schedule: str = one_of(SCHEDULES, "linear", "learning rate schedule")
    decay_from: float = bounded(0, 0.5, "linear, cosine: fraction of the run before decay", most=1)
    step_every: float = bounded(0, 0.25, "step schedule: fraction of the run per decay", most=1)
    step_factor: float = bounded(0, 0.5, "step schedule: factor of each decay", most=1)


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes of the training pairs; sketch and photo always move together."""

    flip: bool = setting(True, "mirror half of the pairs")
    rotation: float = setting(10.0, "greatest rotation in degrees, either way")
    scale: float = setting(0.12, "greatest relative change of scale, either way")
    shift: float = setting(0.08, "greatest shift as a fraction of the image size, either way")
    elastic: float = setting(0.025, "bending by a 5x5 grid, as a fraction of the image size")
    mixing: float = bounded(0, 0.5, "fraction of pairs blended with others in patches", most=1)
    jitter: float = bounded(0, 0.0, "pix2pix: enlarge by this fraction, then crop", most=1)
    sketch_contrast: float = setting(0.4, "relative change of the sketch's contrast and darkness")
    sketch_stroke: float = bounded(0, 0.2, "strength of thicker or thinner strokes", most=1)
    sketch_gamma: float = bounded(0, 0.15, "strength of darker or lighter midtones", most=2)
    sketch_tone: float = bounded(0, 0.03, "unevenness of the paper", most=1)
    sketch_erasure: float = bounded(0, 0.1, "fraction of sketches with rubbed-out spots", most=1)
    sketch_noise: float = bounded(0, 0.02, "grain, as a fraction of the pixel range", most=1)
    discriminator: bool = setting(True, "DiffAugment on the discriminator's images")
    adaptive: bool = setting(True, "ADA: adapt DiffAugment to the discriminator's overfitting")
    adaptive_target: float = bounded(0, 0.6, "ADA: target mean sign of real logits", most=1)
    adaptive_images: int = bounded(1, 20_000, "ADA: images that it takes from strength 0 to 1")


@dataclass(frozen=True)
class DataConfig:
    """Batches and held-out pairs."""

    batch_size: int = bounded(1, 8, "pairs per training step over all processes")
    accumulate: int = bounded(1, 1, "gradient accumulation: parts per batch")
    validation_pairs: int = bounded(0, 4, "pairs held out if there is no `val` split")


@dataclass(frozen=True)
class ValidationConfig:
    """Validation on held-out pairs during training."""

    every: int = bounded(1, 10, "epochs between two validations, with sample images")
    score: str = one_of(VALIDATION_SCORES, "combined", "validation score for `best.safetensors`")
    patience: int = bounded(0, 0, "early stopping: validations without a better score; 0: off")
    doctor: str = one_of(
        ("act", "tell"), "act", "training doctor: act lowers learning rates, tell only reports"
    )


@dataclass(frozen=True)
class RunConfig:
    """How a run is computed; these settings do not change what is learned."""

    precision: str = one_of(
        PRECISIONS, "auto", "numeric precision; auto: the fastest on this device"
    )
    compile: bool = setting(False, "compile both networks with torch.compile")
    checkpointing: bool = setting(False, "gradient checkpointing, to save memory")
    tensorboard: bool = setting(False, "write TensorBoard event files into the run's folder")


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a training run."""

    preset: str = setting("modern", "preset that the settings started from")
    epochs: int = bounded(1, 100, "passes over the training pairs")
    seed: int = bounded(0, 0, "random seed")
    ema_half_life: float = bounded(
        0, 2500.0, "half-life of the exponential moving average (EMA) in images; 0: off"
    )
    init_from: str = setting("", "weights to start from: a file, or a run's name or folder")
    freeze: str = setting("", "parts of the generator to freeze, separated by commas")
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    data: DataConfig = field(default_factory=DataConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    run: RunConfig = field(default_factory=RunConfig)


# The presets: the default, and those of two papers for comparisons.

NO_AUGMENTATION = AugmentationConfig(
    **{
        name: type(value)(0)
        for name, value in asdict(AugmentationConfig()).items()
        if not name.startswith("adaptive_")  # the limits of ADA, which is off
    }
)

# The published student system; docs/explanation/source-system.md lists the differences.
PAPER = TrainConfig(
    preset="paper",
    epochs=60,
    ema_half_life=0.0,
    model=ModelConfig(generator="resnet", discriminator="dense"),
    loss=LossConfig(
        adversarial="vanilla",
        reconstruction="mse",
        reconstruction_weight=10.0,
        adversarial_weight=1.0,
        joint_batch=True,
        structure_weight=0.0,
        perceptual_weight=0.0,
    ),
    optimizer=OptimizerConfig(discriminator_lr_factor=1.0, beta1=0.9, schedule="inverse-epoch"),
    augmentation=NO_AUGMENTATION,
    data=DataConfig(batch_size=30),
    validation=ValidationConfig(doctor="tell"),
    run=RunConfig(precision="fp32"),
)

# Isola et al. 2017, "Image-to-image translation with conditional adversarial networks", with the
# schedule of the authors' code: 100 epochs, then 100 in which the learning rate falls to zero.
PIX2PIX = TrainConfig(
    preset="pix2pix",
    epochs=200,
    ema_half_life=0.0,
    model=ModelConfig(
        generator="unet",
        discriminator="patch",
        discriminator_options={"width": 64, "norm": "batch"},
    ),
    loss=LossConfig(
        adversarial="vanilla",
        adversarial_weight=1.0,
        reconstruction_weight=100.0,
        structure_weight=0.0,
        perceptual_weight=0.0,
    ),
    optimizer=OptimizerConfig(discriminator_lr_factor=1.0),
    augmentation=replace(NO_AUGMENTATION, flip=True, jitter=30 / 256),
    data=DataConfig(batch_size=1),
)

PRESETS = {config.preset: config for config in (TrainConfig(), PAPER, PIX2PIX)}


def preset(name: str) -> TrainConfig:
    """Return the preset called `name`."""
    if name not in PRESETS:
        raise errors.UsageError(f"unknown preset '{name}'", hint=errors.did_you_mean(name, PRESETS))
    return PRESETS[name]


# The following choices say how images become input of a network.


class Fit(StrEnum):
    """How an image of another aspect ratio is resized."""

    CROP = "crop"  # scale until the image covers the size, and keep the centre
    PAD = "pad"  # scale until the image fits in, and pad with white
    STRETCH = "stretch"  # scale width and height separately, as for published CUHK scores


class Align(StrEnum):
    """How images are rotated, scaled and cropped before they are resized."""

    NONE = "none"
    FACE = "face"  # move the eyes to their position in the CUHK crops
    LOOSE = "loose"  # roughly there: randomly rotate, move and crop wider


class Backdrop(StrEnum):
    """The background of a portrait."""

    KEEP = "keep"  # that of the photo
    STUDIO = "studio"  # a plain, softly lit surface


class Light(StrEnum):
    """The lighting of a portrait."""

    KEEP = "keep"  # as in the photo
    EVEN = "even"  # even exposure without a colour cast, as if all photos were from one studio


class Likeness(StrEnum):
    """How closely a drawn sketch follows its photo."""

    TRUE = "true"  # lines and tones are those of the photo
    FREE = "free"  # features are slightly off and shaded by convention


class Direction(StrEnum):
    """The half of a side-by-side image that is the photo."""

    PHOTO_LEFT = "photo-left"
    PHOTO_RIGHT = "photo-right"
