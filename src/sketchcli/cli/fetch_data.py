"""`sketch2img fetch-data`."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from sketchcli import registry
from sketchcli.cli import completing, options
from sketchcli.errors import InterruptedRunError, UsageError

if TYPE_CHECKING:
    from sketchcli.engine.results import FetchPlan


def fetch_data(
    name: Annotated[
        str | None,
        typer.Argument(
            help="The set or network; --list shows all.",
            autocompletion=completing.of(registry.ASSETS),
        ),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List what is known, and its state.")
    ] = False,
    from_: Annotated[
        str, typer.Option("--from", help="Your own file, folder or URL.", metavar="FILE|DIR|URL")
    ] = "",
    as_: Annotated[str, typer.Option("--name", help="Call the fetched set so.")] = "",
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licence notice of the set.")
    ] = False,
    sha256: Annotated[
        str, typer.Option(help="Hash that the file must have, in the place of a known one.")
    ] = "",
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare a fetched set with its recorded hashes.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")
    ] = False,
    licence: Annotated[str, typer.Option(help="Licence of your own photos.")] = "",
    count: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Pairs to draw.  \\[default: 200]")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=16, max=1024, metavar="N", help="Pixels a side, drawn pairs.  \\[default: 128]"
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Seed of the drawn pairs.  \\[default: 0]"),
    ] = None,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Get a data set or a network: download, draw or copy it, and verify it."""
    from sketchcli.cli.render import emit

    if list_:
        from sketchcli.engine.fetching.inventory import list_assets

        emit("fetch-data", list_assets(), as_json=as_json)
        return
    if name is None:
        raise UsageError("which set?", hint="sketch2img fetch-data --list shows them")

    from sketchcli.cli.progress import reporting

    if verify:
        from sketchcli.engine.fetching.inventory import verify as verify_set

        if from_ or sha256 or licence or dry_run or {count, size, seed} != {None}:
            raise UsageError("--verify looks at what is there", hint="leave the other options out")
        with reporting() as report:
            verified = verify_set(as_ or name, report)
        emit("fetch-data", verified, as_json=as_json)
        return

    from sketchcli.engine.fetching.fetch import FetchConfig, fetch
    from sketchcli.engine.fetching.fetch import plan as planned

    config = FetchConfig(
        name, as_, count, size, seed, from_, licence, sha256.lower(), accept_licence
    )
    plan = planned(config)
    if dry_run:
        emit("fetch-data", plan, as_json=as_json)
        return
    if plan.needs_consent and not accept_licence and (overwrite or plan.state == "absent"):
        config = replace(config, is_accepted=ask_for_consent(plan))
    with reporting() as report:
        result = fetch(config, overwrite=overwrite, reporter=report)
    emit("fetch-data", result, as_json=as_json)


def ask_for_consent(plan: "FetchPlan") -> bool:
    """Whether the person at the terminal accepts a set's notice; without a terminal, no.

    Raises:
        InterruptedRunError: Ctrl-C, or the end of the input.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    typer.echo(plan.notice, err=True)
    try:
        return typer.confirm("Do you accept that?", err=True)
    except typer.Abort:  # Ctrl-C, which Typer would end with another code
        raise InterruptedRunError("interrupted") from None
