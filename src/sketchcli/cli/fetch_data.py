"""`sketch2img fetch-data`."""

from pathlib import Path
from typing import Annotated

import typer

from sketchcli.cli import options
from sketchcli.errors import UsageError


def fetch_data(
    name: Annotated[str | None, typer.Argument(help="The set; --list shows all.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the known sets.")] = False,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Folder to copy, for the set `folder`.")
    ] = None,
    as_: Annotated[str, typer.Option("--name", help="Call the fetched set so.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of a copied folder's photos.")] = "",
    count: Annotated[int, typer.Option(min=1, help="Pairs to draw.")] = 200,
    size: Annotated[int, typer.Option(min=16, max=1024, help="Pixels a side, drawn pairs.")] = 128,
    seed: options.Seed = 0,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Get a data set: draw the demo faces, or copy a folder of your own."""
    from sketchcli.cli.progress import reporting
    from sketchcli.cli.render import emit
    from sketchcli.engine.fetching import FetchConfig, fetch, list_assets

    if list_:
        emit("fetch-data", list_assets(), as_json=as_json)
        return
    if name is None:
        raise UsageError("which set?", hint="sketch2img fetch-data --list shows them")
    config = FetchConfig(name, as_, count, size, seed, from_, licence)
    with reporting() as report:
        result = fetch(config, overwrite=overwrite, reporter=report)
    emit("fetch-data", result, as_json=as_json)
