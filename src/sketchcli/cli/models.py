"""The command `sketch2img models`."""

from typing import Annotated

import typer

from sketchcli.cli import options


def models(
    finished: Annotated[bool, typer.Option("--finished", help="List finished runs only.")] = False,
    as_json: options.Json = False,
) -> None:
    """List the models that --model accepts, with their scores; a star marks the default."""
    from sketchcli.cli.render import emit
    from sketchcli.engine.runs import list_models

    emit("models", list_models(only_finished=finished), as_json=as_json)
