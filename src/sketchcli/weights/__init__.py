"""The model that comes with the program, where one does."""

import hashlib
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


# What is to be known of the model that comes with the program, and whether its file is whole.

_HERE = Path(__file__).parent
CARD = _HERE / "card.md"
RECORDED = _HERE / "bundled.sha256"  # written with the weights, by scripts/bundle_weights.py


def text() -> str:
    """The model card, in Markdown."""
    return CARD.read_text(encoding="utf-8")


def recorded_hash() -> str:
    """The SHA-256 that the weights were shipped with, in hex digits."""
    return RECORDED.read_text(encoding="ascii").split()[0]


def check(weights: Path) -> None:
    """Compare the weights with the hash that was recorded when they were made.

    Raises:
        CheckpointError: They are others.
    """
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if found != recorded_hash():
        raise CheckpointError(
            f"{weights}: not the model that came with the program",
            hint="install sketch2img again",
        )
