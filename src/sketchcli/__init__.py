"""sketch2img: turn sketches into photos with a conditional GAN, and train your own models.

In Python::

    from sketchcli import load_generator

    photo = load_generator()(sketch_array)
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sketchcli.engine.generating.api import PhotoGenerator

__version__ = "0.1.0.dev0"
__all__ = ["__version__", "load_generator"]


def load_generator(
    *models: str | Path,
    device: str = "auto",
    precision: str = "fp32",
    size: str | tuple[int, int] = "model",
    tile: bool = False,
    invert: str = "auto",
    paper: str = "auto",
    align: str = "none",
    tta: str = "none",
    raw: bool = False,
) -> "PhotoGenerator":
    """Load a model that turns sketches into photos when it is called.

    Args:
        models: Weights files, run folders, names of runs, or `bundled`; the photos of several
            models are averaged. By default the newest finished run, else `bundled`.
        device: `auto` (CUDA if there is one), `cpu`, `cuda`, `cuda:1` or `mps`.
        precision: `fp32`, `bf16`, or `auto` for the faster one.
        size: `model`, `input`, or the height and width that photos must fit into.
        tile: Generate at the sketch's own size, in overlapping tiles.
        invert: `auto`, `yes` or `no`: whether to invert the sketch. `auto` inverts it if its
            polarity differs from that of the training sketches.
        paper: `auto`, `yes` or `no`: whether to even out the paper. `auto` does so if it is darker
            or less even than the paper of the training sketches.
        align: `none`, or `face` to align and crop faces as in preprocessing.
        tta: `none`, or `flip` to average the photos of the sketch and of its mirror image.
        raw: Use the raw weights instead of the EMA weights.

    Raises:
        CheckpointError: If there is no such model, or it cannot be used.
        DeviceError: If this machine has no such device.
        ValueError: If an option has an invalid value.
    """
    from sketchcli.engine.generating.api import open_generator  # noqa: PLC0415 - imports torch

    return open_generator(
        *models,
        device=device,
        precision=precision,
        size=size,
        tile=tile,
        invert=invert,
        paper=paper,
        align=align,
        tta=tta,
        raw=raw,
    )
