"""All settings of how a model is built and trained, as data.

Presets, a settings file and options are merged into one frozen `TrainConfig`, which is saved in the
run's folder and inside the weights.
"""

from sketchcli.config.merging import (
    KINDS,
    REMOVED,
    flat,
    from_dict,
    had_effect,
    merge,
    read_file,
    to_dict,
    to_toml,
    without_removed,
)
from sketchcli.config.settings import (
    ADVERSARIAL_LOSSES,
    OPTIMIZERS,
    PRESETS,
    RECONSTRUCTION_LOSSES,
    SCHEDULES,
    SMALLEST_SIDE,
    Align,
    AugmentationConfig,
    Backdrop,
    Direction,
    Fit,
    Light,
    Likeness,
    ModelConfig,
    OptimizerConfig,
    Options,
    TrainConfig,
    preset,
)

__all__ = [
    "ADVERSARIAL_LOSSES",
    "KINDS",
    "OPTIMIZERS",
    "PRESETS",
    "RECONSTRUCTION_LOSSES",
    "REMOVED",
    "SCHEDULES",
    "SMALLEST_SIDE",
    "Align",
    "AugmentationConfig",
    "Backdrop",
    "Direction",
    "Fit",
    "Light",
    "Likeness",
    "ModelConfig",
    "OptimizerConfig",
    "Options",
    "TrainConfig",
    "flat",
    "from_dict",
    "had_effect",
    "merge",
    "preset",
    "read_file",
    "to_dict",
    "to_toml",
    "without_removed",
]
