"""All settings of how a model is built and trained, as data.

Presets, a settings file and options are merged into one frozen `TrainConfig`, which is saved in the
run's folder and inside the weights.
"""

# ruff: noqa: I001 - `as` marks names for other packages; isort would give each its own import
from sketchcli.config.domains import (
    Domain as Domain,
    Domains as Domains,
    PHOTO as PHOTO,
    SKETCH as SKETCH,
    SKETCH_TO_PHOTO as SKETCH_TO_PHOTO,
    domains_from_dict as domains_from_dict,
)
from sketchcli.config.merging import (
    DEEPEST as DEEPEST,
    KINDS as KINDS,
    REMOVED as REMOVED,
    flat as flat,
    from_dict as from_dict,
    had_effect as had_effect,
    merge as merge,
    read_file as read_file,
    to_dict as to_dict,
    to_toml as to_toml,
    without_removed as without_removed,
)
from sketchcli.config.settings import (
    ADVERSARIAL_LOSSES as ADVERSARIAL_LOSSES,
    OPTIMIZERS as OPTIMIZERS,
    PRESETS as PRESETS,
    RECONSTRUCTION_LOSSES as RECONSTRUCTION_LOSSES,
    SCHEDULES as SCHEDULES,
    SMALLEST_SIDE as SMALLEST_SIDE,
    Align as Align,
    AugmentationConfig as AugmentationConfig,
    Backdrop as Backdrop,
    Direction as Direction,
    Fit as Fit,
    Light as Light,
    Likeness as Likeness,
    ModelConfig as ModelConfig,
    OptimizerConfig as OptimizerConfig,
    Options as Options,
    TrainConfig as TrainConfig,
    preset as preset,
)
