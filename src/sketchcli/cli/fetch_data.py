"""The command `sketch2img fetch-data`."""

import sys
from dataclasses import replace
from typing import Annotated

import typer

from sketchcli import registry
from sketchcli.cli import completing, options
from sketchcli.cli.streams import say
from sketchcli.errors import InterruptedRunError, UsageError


def fetch_data(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Dataset or network to fetch; --list shows all.",
            autocompletion=completing.of(registry.ASSETS),
        ),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List the available datasets and networks, with status.")
    ] = False,
    from_: Annotated[
        str, typer.Option("--from", help="File, folder or URL to fetch.", metavar="FILE|DIR|URL")
    ] = "",
    as_: Annotated[str, typer.Option("--name", help="Name to give the fetched dataset.")] = "",
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licence notice of the dataset.")
    ] = False,
    sha256: Annotated[
        str, typer.Option(help="Expected SHA-256 of the file; overrides the known one.")
    ] = "",
    licence: Annotated[str, typer.Option(help="Licence of your own photos.")] = "",
    count: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of pairs to draw.  \\[default: 200]"),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=16, max=1024, metavar="N", help="Size of drawn pairs in px.  \\[default: 128]"
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Random seed of the drawn pairs.  \\[default: 0]"),
    ] = None,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Download, draw or copy a dataset or a network, and verify it."""
    from sketchcli.cli.progress import reporting
    from sketchcli.cli.render import emit
    from sketchcli.engine.fetching import inventory

    if list_:
        emit("fetch-data", inventory.list_assets(), as_json=as_json)
        return
    if name is None:
        hint = "run: sketch2img fetch-data --list"
        raise UsageError("no dataset or network was named", hint=hint)

    from sketchcli.engine.fetching import fetch

    config = fetch.FetchConfig(
        name, as_, count, size, seed, from_, licence, sha256.lower(), accept_licence
    )
    if notice := fetch.notice_to_accept(config, overwrite=overwrite):
        config = replace(config, is_accepted=ask_for_consent(notice))
    with reporting() as report:
        result = fetch.fetch(config, overwrite=overwrite, reporter=report)
    emit("fetch-data", result, as_json=as_json)


def ask_for_consent(notice: str) -> bool:
    """Return whether the person at the terminal accepts a notice; without a terminal, False."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    say(*notice.split("\n"), is_error=True)
    try:
        return typer.confirm("Accept this notice and fetch?", err=True)
    except typer.Abort:  # on Ctrl-C, Typer would exit with another code
        raise InterruptedRunError("interrupted") from None
