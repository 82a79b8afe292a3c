"""The command: its verbs, and what is asked of it before any verb."""

from collections.abc import Callable
from typing import Annotated

import typer

from sketchcli import __version__
from sketchcli.cli import examples
from sketchcli.cli.command import Command, Group
from sketchcli.cli.doctor import doctor
from sketchcli.cli.evaluate import evaluate
from sketchcli.cli.export import export
from sketchcli.cli.fetch_data import fetch_data
from sketchcli.cli.generate import generate
from sketchcli.cli.import_weights import import_weights
from sketchcli.cli.manner import with_manner
from sketchcli.cli.models import models
from sketchcli.cli.preprocess import preprocess
from sketchcli.cli.train import train

app = typer.Typer(
    name="sketch2img",
    cls=Group,
    help="Turn sketches into photographs with a conditional GAN, and train your own translator.",
    epilog="The usual order: fetch-data, preprocess, train, generate, eval.\n\n"
    "At once, with the model that comes along: sketch2img generate in.png out.png",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # main() has the one error boundary
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(is_asked: bool) -> None:
    """Print the version and stop."""
    if is_asked:
        typer.echo(f"sketch2img {__version__}")
        raise typer.Exit


@app.callback()
def sketch2img(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Turn sketches into photographs with a conditional GAN, and train your own translator."""


VERBS: dict[str, Callable[..., None]] = {
    "fetch-data": fetch_data,
    "preprocess": preprocess,
    "train": train,
    "generate": generate,
    "eval": evaluate,
    "models": models,
    "export": export,
    "import-weights": import_weights,
    "doctor": doctor,
}
for name, verb in VERBS.items():
    app.command(name, cls=Command, epilog=examples.epilog(name))(with_manner(verb))
