"""Turn sketches into photographs with a conditional GAN, and train such translators.

From Python::

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
        models: Weights files, run folders, names of runs, or `bundled`; the photo is the mean of
            what they draw. By default the newest finished run, else `bundled`.
        device: `auto` (CUDA if there is one), `cpu`, `cuda`, `cuda:1` or `mps`.
        precision: `fp32`, `bf16`, or `auto`: the quicker one.
        size: `model`, `input`, or the height and width that photos are to fit into.
        tile: Draw at the sketch's own size, in overlapping tiles.
        invert: `auto`, `yes` or `no`: whether white on black is turned round.
        paper: `auto`, `yes` or `no`: whether uneven or tinted paper is evened out.
        align: `none` or `face`: whether faces are cut out as in preprocessing.
        tta: `none` or `flip`: also draw the mirror image, and take the mean.
        raw: The weights as trained, not their average.

    Raises:
        CheckpointError: There is no such model, or it cannot be used.
        DeviceError: This machine has no such device.
        ValueError: An option has none of its values.
    """
    from sketchcli.engine.generating.api import open_generator  # noqa: PLC0415 - heavy

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
