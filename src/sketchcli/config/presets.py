"""Presets: the default, and those of two papers for comparisons."""

import dataclasses

from sketchcli import errors
from sketchcli.config.settings import (
    AugmentationConfig,
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainConfig,
    ValidationConfig,
)
from sketchcli.errors import UsageError

NO_AUGMENTATION = AugmentationConfig(
    flip=False,
    rotation=0.0,
    scale=0.0,
    shift=0.0,
    elastic=0.0,
    mixing=0.0,
    sketch_contrast=0.0,
    sketch_stroke=0.0,
    sketch_gamma=0.0,
    sketch_tone=0.0,
    sketch_erasure=0.0,
    sketch_noise=0.0,
    discriminator=False,
    adaptive=False,
)

MODERN = TrainConfig()

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
    augmentation=dataclasses.replace(NO_AUGMENTATION, flip=True, jitter=30 / 256),
    data=DataConfig(batch_size=1),
)

PRESETS = {config.preset: config for config in (MODERN, PAPER, PIX2PIX)}


def preset(name: str) -> TrainConfig:
    """Return the preset called `name`."""
    if name not in PRESETS:
        raise UsageError(f"unknown preset '{name}'", hint=errors.did_you_mean(name, PRESETS))
    return PRESETS[name]
