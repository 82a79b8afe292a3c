"""The command `sketch2img import-weights`."""

from pathlib import Path
from typing import Annotated

import typer

from sketchcli import config as settings
from sketchcli import registry
from sketchcli.cli import completing, options
from sketchcli.cli.train_settings import parse_assignments
from sketchcli.errors import CheckpointError, DataError, UsageError

GENERATORS = ", ".join(registry.names(registry.GENERATORS))


def import_weights(
    source: Annotated[Path, typer.Argument(metavar="FILE.pth", help="File written by torch.save.")],
    target: Annotated[
        Path, typer.Argument(metavar="OUT.safetensors", help="Weights file to write.")
    ],
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL",
            help="Model whose network, size and fit the weights share: a run or a weights file.",
            autocompletion=completing.models,
        ),
    ] = None,
    generator: Annotated[
        str,
        typer.Option(
            help=f"Generator architecture, unless --like is given: {GENERATORS}.",
            autocompletion=completing.of(registry.GENERATORS),
        ),
    ] = "resunet",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Generator option, such as width=64. Repeatable."),
    ] = None,
    size: options.Size = "128",
    fit: Annotated[
        settings.Fit, typer.Option(help="How to resize images of another aspect ratio.")
    ] = settings.Fit.STRETCH,
    licence: Annotated[str, typer.Option(help="Licence of the training photos.")] = "not stated",
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Import a generator's weights from a pickle file, without executing any code in it."""
    if not source.is_file():
        raise DataError(f"{source} is not an existing file", hint="check the path")
    if target.suffix != ".safetensors":
        raise UsageError(f"{target} does not end in .safetensors", hint="change its name")
    chosen = settings.ModelConfig(
        generator=generator,
        generator_options=parse_assignments(option or (), name="--option", example="width=64"),
    )
    pixels, domains = options.parse_size(size), None

    from sketchcli.cli.render import emit
    from sketchcli.cli.verbosity import quick_imports
    from sketchcli.engine.runs import find_weights
    from sketchcli.weights_header import read_about

    if like is not None:
        file = find_weights(like)
        about = read_about(file)
        try:
            chosen = settings.from_dict(about["config"]).model
            height, width = map(int, about["size"])
            pixels, fit = (height, width), settings.Fit(about["fit"])
            domains = settings.domains_from_dict(about.get("domains"))
        except (LookupError, TypeError, ValueError, UsageError) as error:
            raise CheckpointError(f"{file} does not describe its network") from error

    with quick_imports():
        from sketchcli.engine.generating.foreign_weights import import_weights as run

    result = run(
        source,
        target,
        chosen,
        size=pixels,
        fit=fit,
        domains=domains,
        licence=licence,
        overwrite=overwrite,
    )
    emit("import-weights", result, as_json=as_json)
