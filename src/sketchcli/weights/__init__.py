"""The model that comes with the program, where one does."""

from pathlib import Path

from sketchcli.errors import CheckpointError

NAME = "bundled"
FILE = Path(__file__).parent / "bundled.safetensors"


def is_here() -> bool:
    """Whether this installation has a model."""
    return FILE.is_file()


def bundled() -> Path:
    """The weights that come with the program.

    Raises:
        CheckpointError: This installation has none.
    """
    if not is_here():
        raise CheckpointError(
            "no model comes with this installation",
            hint="train one with `sketch2img train`, or name one with --model",
        )
    return FILE
