"""The models as a table."""

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sketchcli.engine.results import ModelsResult


def show(result: ModelsResult, console: Console) -> None:
    """Print a line for each model."""
    if not result.models:
        typer.echo("no models yet; next: sketch2img train")
        return
    table = Table("", "model", "trained on", box=None, pad_edge=False)
    for name in ("size", "epochs", "SSIM", "MAE"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("network")
    for model in result.models:
        ssim, mae = (model.scores.get(name) for name in ("ssim", "mae"))
        table.add_row(
            "*" if model.is_default else "",
            escape(model.name) if model.is_finished else f"{escape(model.name)} (not finished)",
            escape(model.dataset),
            f"{model.size[1]}x{model.size[0]}",
            str(model.epochs),
            "" if ssim is None else f"{ssim:.3f}",
            "" if mae is None else f"{mae:.1f}",
            model.generator,
        )
    console.print(table)
    typer.echo("SSIM, MAE: on held-out pairs.  *: used where no --model is named.  More: --json")
