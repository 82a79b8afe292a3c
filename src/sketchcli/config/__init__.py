"""Everything that decides how a model is built and trained, as data.

Presets, a settings file and flags are merged into one frozen `TrainConfig`, which is saved
beside the run and inside the weights.
"""

from sketchcli.config.merging import from_dict, merge, to_dict
from sketchcli.config.pictures import Align, Backdrop, Direction, Fit, Light, Likeness
from sketchcli.config.presets import NO_AUGMENTATION, PRESETS, preset
from sketchcli.config.settings import (
    ADVERSARIAL_LOSSES,
    OPTIMIZERS,
    RECONSTRUCTION_LOSSES,
    SCHEDULES,
    AugmentationConfig,
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    Options,
    RunConfig,
    TrainConfig,
    ValidationConfig,
)
from sketchcli.config.writing import read_file, to_toml

__all__ = [
    "ADVERSARIAL_LOSSES",
    "NO_AUGMENTATION",
    "OPTIMIZERS",
    "PRESETS",
    "RECONSTRUCTION_LOSSES",
    "SCHEDULES",
    "Align",
    "AugmentationConfig",
    "Backdrop",
    "DataConfig",
    "Direction",
    "Fit",
    "Light",
    "Likeness",
    "LossConfig",
    "ModelConfig",
    "OptimizerConfig",
    "Options",
    "RunConfig",
    "TrainConfig",
    "ValidationConfig",
    "from_dict",
    "merge",
    "preset",
    "read_file",
    "to_dict",
    "to_toml",
]
