"""The bundled model, which an installation may lack."""

from pathlib import Path

from sketchcli import files
from sketchcli.errors import CheckpointError

NAME = "bundled"
_HERE = Path(__file__).parent
FILE = _HERE / "bundled.safetensors"
RECORDED = _HERE / "bundled.sha256"  # written with the weights, by scripts/bundle_weights.py


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


def text() -> str:
    """Return the model card, in Markdown."""
    return (_HERE / "card.md").read_text(encoding="utf-8")


def check(weights: Path) -> None:
    """Check the weights against the hash that was recorded when they were made."""
    if files.sha256_of(weights) != RECORDED.read_text(encoding="ascii").split()[0]:
        raise CheckpointError(
            f"{weights} differs from the bundled model that was shipped",
            hint="reinstall sketch2img",
        )
