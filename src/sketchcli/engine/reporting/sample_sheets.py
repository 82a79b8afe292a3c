"""Sheets of sample pairs: of a run and of a prepared dataset."""

from collections.abc import Sequence
from pathlib import Path

from sketchcli import images
from sketchcli.data.prepared import Split
from sketchcli.images import Pixels

ROWS = 4


def write_samples(path: Path, pairs: Split, generated: Pixels) -> None:
    """Write a sheet of up to four rows: sketch, generated photo, real photo."""
    rows = list(zip(pairs.sketches, generated, pairs.photos, strict=True))[:ROWS]
    images.write(path, images.sheet(rows))


def write_contact_sheet(path: Path, pairs: Sequence[tuple[Pixels, Pixels]]) -> None:
    """Write sketches and photos side by side, four pairs per row."""
    flat = [picture for pair in pairs for picture in pair]
    images.write(path, images.sheet([flat[i : i + 8] for i in range(0, len(flat), 8)]))
