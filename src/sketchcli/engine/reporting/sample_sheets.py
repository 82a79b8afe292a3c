"""Image files of a run: samples on fixed pairs, contact sheets and curves of the losses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sketchcli import files, images
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


def write_curves(path: Path, log: Sequence[dict[str, Any]]) -> None:
    """Plot the losses of every epoch, and the error on the held-out pairs after each validation."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - takes a second
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    epochs = [line for line in log if line["kind"] == "epoch"]
    if not epochs:
        return
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for key in ("generator_loss", "discriminator_loss"):
        left.plot([e["epoch"] for e in epochs], [e[key] for e in epochs], label=key)
    left.set(xlabel="epoch", title="Losses, mean per epoch", ylim=(0, None))
    left.legend()
    measured = [line for line in log if line["kind"] == "validation" and line["is_held_out"]]
    right.plot([e["epoch"] for e in measured], [e["scores"]["mae"] for e in measured], "o-")
    right.set(xlabel="epoch", title="Mean absolute error on held-out pairs (0-255)")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    files.write_whole(path, FigureCanvasAgg(figure).print_png)
