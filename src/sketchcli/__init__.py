"""sketch2img: turn sketches into photos with a conditional GAN, and train your own models.

In Python::

    from sketchcli import load_generator

    photo = load_generator()(sketch_array)
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sketchcli.engine.generating.api import load_generator

__version__ = "0.1.0.dev0"
__all__ = ["__version__", "load_generator"]


def __getattr__(name: str) -> object:
    """Import `load_generator`, and with it PyTorch, when it is asked for."""
    if name != "load_generator":
        raise AttributeError(f"module 'sketchcli' has no attribute '{name}'")
    from sketchcli.engine.generating.api import load_generator  # noqa: PLC0415 - imports torch

    return load_generator
