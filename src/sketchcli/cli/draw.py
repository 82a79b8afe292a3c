"""The command `sketch2img draw`."""

from pathlib import Path
from typing import Annotated

import typer

from sketchcli.cli import completing, options
from sketchcli.cli.progress import print_plain
from sketchcli.cli.streams import say
from sketchcli.cli.verbosity import quick_imports
from sketchcli.engine.runs import find_weights, model_note

PAGE, MACHINE = map(options.panel, ("Page", "Machine"))


def draw(
    sketch: Annotated[
        Path | None, typer.Argument(metavar="SKETCH", help="Image to begin with.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL",
            help="Model to begin with: a weights file, a run (name or folder) or bundled.  "
            "\\[default: the newest finished run, else bundled]",
            autocompletion=completing.models,
        ),
    ] = None,
    port: Annotated[
        int | None,
        PAGE(
            min=1,
            max=65535,
            metavar="N",
            help="Port of the page.  \\[default: 8756, else the next free one]",
        ),
    ] = None,
    host: Annotated[
        str,
        PAGE(
            metavar="ADDRESS",
            help="Address to listen on; any other than the default lets other machines in, if "
            "they have the token.",
            hidden=True,
        ),
    ] = "127.0.0.1",
    no_browser: Annotated[
        bool, PAGE("--no-browser", help="Print the address without opening a browser.")
    ] = False,
    device: options.DeviceName = "auto",
    precision: Annotated[
        str,
        MACHINE(
            metavar="auto|fp32|bf16", help="Numeric precision; auto: the faster one.", hidden=True
        ),
    ] = "auto",
    as_json: options.Json = False,
) -> None:
    """Draw in the browser, and see the photo of the sketch after every stroke.

    The page is served by this computer alone, and only to whoever has the printed address.
    """
    from sketchcli.cli.render import envelope
    from sketchcli.serving.model_desk import ModelDesk, opener
    from sketchcli.serving.routes import Page
    from sketchcli.serving.server import listen, serve

    weights = find_weights(model)
    given = b""
    if sketch:
        from sketchcli import images
        from sketchcli.serving.pictures import drawable

        given = images.encode(drawable(images.read(sketch)), ".png")
    listener = listen(host, port)
    print_plain(model_note(weights, model))

    def announce(address: str) -> None:
        text = envelope("draw", {"address": address, "model": weights}) if as_json else address
        say(*text.split("\n"))

    desk = ModelDesk(weights, opener(device, precision, quick_imports), print_plain)
    page = Page(desk, listener.getsockname()[0], sketch=given, reporter=print_plain)
    serve(page, listener, announce, has_browser=not no_browser)
