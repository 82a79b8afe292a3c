"""The bundled model, which an installation may lack."""

from pathlib import Path

from sketchcli import files
from sketchcli.errors import CheckpointError

NAME = "bundled"
FILE = Path(__file__).parent / "bundled.safetensors"


def is_here() -> bool:
    """Return whether this installation has a bundled model."""
    return FILE.is_file()


def bundled() -> Path:
    """Return the path of the bundled weights; an installation without them is an error."""
    if not is_here():
        raise CheckpointError(
            "this installation has no bundled model",
            hint="train a model with `sketch2img train`, or choose one with --model",
        )
    return FILE


# The model card describes the bundled model, and a recorded hash shows whether its file is intact.

_HERE = Path(__file__).parent
CARD = _HERE / "card.md"
RECORDED = _HERE / "bundled.sha256"  # written with the weights, by scripts/bundle_weights.py


def text() -> str:
    """Return the model card, in Markdown."""
    return CARD.read_text(encoding="utf-8")


def recorded_hash() -> str:
    """Return the SHA-256 that the weights were shipped with, in hexadecimal digits."""
    return RECORDED.read_text(encoding="ascii").split()[0]


def check(weights: Path) -> None:
    """Check the weights against the hash that was recorded when they were made."""
    if files.sha256_of(weights) != recorded_hash():
        raise CheckpointError(
            f"{weights} differs from the bundled model that was shipped",
            hint="reinstall sketch2img",
        )
