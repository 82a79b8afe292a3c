"""The program `sketch2img`: its commands, their examples and the look of their help."""

import itertools
import re
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from sketchcli import __version__
from sketchcli.cli.doctor import doctor
from sketchcli.cli.draw import draw
from sketchcli.cli.evaluate import evaluate
from sketchcli.cli.export import export
from sketchcli.cli.fetch_data import fetch_data
from sketchcli.cli.generate import generate
from sketchcli.cli.import_weights import import_weights
from sketchcli.cli.models import models
from sketchcli.cli.preprocess import preprocess
from sketchcli.cli.streams import say
from sketchcli.cli.train import train
from sketchcli.cli.verbosity import HELP_ALL, with_verbosity
from sketchcli.errors import UsageError, did_you_mean, similar

# Typer exports only one of its usage errors; this is what all of them derive from.
BadUsage: Any = typer.BadParameter.__mro__[1]


class _Help:
    """Mixin for Typer's group and command classes: readable help, and errors in our words."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - Typer's own
        """Show Typer's help in the colours of `STYLES`."""
        from typer import rich_utils

        for name, style in STYLES.items():
            setattr(rich_utils, name, style)
        super().format_help(ctx, formatter)  # type: ignore[misc]

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401
        """Return the parameters, `--help` included; flags take no value and show no type."""
        parameters = super().get_params(ctx)  # type: ignore[misc]
        for each in parameters:
            if isinstance(each, TyperOption) and each.is_flag:
                each.metavar = ""
        return parameters

    def parse_args(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """Parse the arguments; what is wrong with them is an error like any other."""
        try:
            return super().parse_args(ctx, args)  # type: ignore[misc]
        except BadUsage as error:
            if type(error).__name__ == "NoArgsIsHelpError":  # the help is shown already
                raise
            raise reworded(error, ctx) from None


def reworded(error: Any, ctx: Any) -> UsageError:  # noqa: ANN401
    """Return Typer's complaint about the arguments of a command as one line, with a hint."""
    examples, message = EXAMPLES.get(ctx.command.name), error.format_message().rstrip(".")
    hint = f"run: {ctx.command_path} {HELP_ALL if examples else '--help'}"
    if message.startswith("No such option"):
        known = [name for each in ctx.command.params for name in each.opts]
        meant = " or ".join(similar(error.option_name, known)[:1])
        hint = f"did you mean {meant}? {hint}" if meant else hint
        return UsageError(f"unknown option {error.option_name}", hint=hint)
    message = message[0].lower() + message[1:].replace("Value error, ", "")
    message = re.sub(r"'(--[\w-]+)'", r"\1", message).replace("Input should", "it should")
    begin, is_choice, choices = message.partition(" is not one of ")
    if is_choice:
        wrong, names = begin.rpartition(": ")[2].strip("'"), re.findall("'([^']*)'", choices)
        return UsageError(begin, hint=did_you_mean(wrong, names))
    if message.startswith("missing") and examples:
        hint = f"for example: {examples[0]}"
    return UsageError(message.partition(", unable to parse")[0], hint=hint)


class Group(_Help, TyperGroup):
    """The program, with all its commands."""

    def get_command(self, ctx: Any, name: str) -> Any:  # noqa: ANN401
        """Return the command of that name."""
        found = super().get_command(ctx, name)
        if found is None and not ctx.resilient_parsing and not name.startswith("-"):
            hint = did_you_mean(name, VERBS, label="commands")
            raise UsageError(f"unknown command '{name}'", hint=hint)
        return found


# Typer's cyan, green and yellow are bright in many terminals and cannot be read on white.
STYLES = {
    "STYLE_OPTION": "bold",
    "STYLE_SWITCH": "bold",
    "STYLE_NEGATIVE_OPTION": "bold",
    "STYLE_NEGATIVE_SWITCH": "bold",
    "STYLE_TYPES": "magenta",
    "STYLE_USAGE": "bold",
    "STYLE_COMMANDS_TABLE_FIRST_COLUMN": "bold",
}
app = typer.Typer(
    name="sketch2img",
    cls=Group,
    epilog="The usual order: fetch-data, preprocess, train, generate, eval.\n\n"
    "To try it now with the bundled model: sketch2img generate in.png out.png",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # main() has the one error boundary
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(is_asked: bool) -> None:
    """Print the version and exit, if `--version` was given."""
    if is_asked:
        say(f"sketch2img {__version__}")
        raise typer.Exit


@app.callback()
def sketch2img(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Turn sketches into photos with a conditional GAN, and train your own models."""


VERBS: dict[str, Callable[..., None]] = {
    "fetch-data": fetch_data,
    "preprocess": preprocess,
    "train": train,
    "generate": generate,
    "draw": draw,
    "eval": evaluate,
    "models": models,
    "export": export,
    "import-weights": import_weights,
    "doctor": doctor,
}


# What to type instead of an option that is no more.
REMOVED: dict[str, dict[str, str]] = {
    "fetch-data": {
        "--dry-run": "run: sketch2img fetch-data --list",
        "--verify": "run in the dataset's folder: sha256sum -c manifest.sha256",
    },
    "train": {
        "--grow-from": "train on a smaller prepared dataset first, and start from that run "
        "(--init-from RUN)",
    },
    "generate": {
        "--raw": "omit --raw: the EMA weights are always used",
        "--show": "omit --show, and open the photo",
        "--tta": "omit --tta",
    },
}


class Command(_Help, TyperCommand):
    """One command. Options declared as hidden are the rare ones: only `--help` leaves them out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        options = [each for each in self.params if isinstance(each, TyperOption)]
        rare = [each for each in options if each.hidden]
        # Without rare options, --help-all shows nothing more, and is rare itself.
        self.rare = rare or [each for each in options if HELP_ALL in each.opts]
        self.hide_rare(is_hidden=False)

    def hide_rare(self, *, is_hidden: bool) -> None:
        """Hide the rare options, or show them."""
        for option in self.rare:
            option.hidden = is_hidden

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """Show the help; the rare options are in it only with `--help-all`."""
        self.hide_rare(is_hidden=not ctx.meta.get(HELP_ALL))
        super().format_help(ctx, formatter)
        self.hide_rare(is_hidden=False)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Parse the arguments; refuse empty ones, and options that were removed.

        A shell variable that is not set would mean the current folder, or a default.
        """
        for before, word in itertools.pairwise(["", *args]):
            if not ctx.resilient_parsing and (not word or re.fullmatch(r"--[\w-]+=", word)):
                option = word[:-1] or (before if before.startswith("-") else "an argument")
                raise UsageError(
                    f"{option} {'has an empty value' if option[0] == '-' else 'is empty'}",
                    hint="check the shell variable that it comes from, or leave it out",
                )
        for word in itertools.takewhile(lambda word: word != "--", args):
            option = word.partition("=")[0]
            instead = REMOVED.get(str(self.name), {}).get(option)
            if instead:
                raise UsageError(f"the option {option} no longer exists", hint=instead)
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


# The examples are shown in each command's help and in the man page; a test parses every one.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "fetch-data": (
        "sketch2img fetch-data --list",
        "sketch2img fetch-data demo --count 200",
        "sketch2img fetch-data cuhk --accept-licence",
    ),
    "preprocess": (
        "sketch2img preprocess demo --size 64",
        "sketch2img preprocess --sketches drawings --photos portraits --name mine",
        "sketch2img preprocess --photos portraits --style hand",
    ),
    "train": (
        "sketch2img train --epochs 100",
        "sketch2img train mine --budget 30m --run-dir runs/mine",
        "sketch2img train --resume mine",
    ),
    "generate": (
        "sketch2img generate in.png out.png",
        "sketch2img generate drawings photos --model mine",
        "sketch2img generate - - < in.png > out.png",
    ),
    "draw": (
        "sketch2img draw",
        "sketch2img draw face.png --model mine",
        "sketch2img draw --no-browser --port 9000",
    ),
    "eval": (
        "sketch2img eval",
        "sketch2img eval --model mine --data cuhk-128 --metric ssim",
        "sketch2img eval real-photos generated-photos",
    ),
    "models": ("sketch2img models", "sketch2img models --finished --json"),
    "export": ("sketch2img export mine mine.onnx",),
    "import-weights": (
        "sketch2img import-weights net_G.pth mine.safetensors --generator resnet",
        "sketch2img generate in.png out.png --model mine.safetensors",
    ),
    "doctor": ("sketch2img doctor", "sketch2img doctor --json > doctor.json"),
}


for name, verb in VERBS.items():
    # Each example is a paragraph, since Typer joins the lines of one.
    epilog = "\n\n".join(["Examples:", *(f"  {example}" for example in EXAMPLES[name])])
    app.command(name, cls=Command, epilog=epilog)(with_verbosity(verb))
