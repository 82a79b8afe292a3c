"""Commands whose help shows what a person has to type, on dark and on white."""

from typing import Any

from typer.core import TyperCommand, TyperGroup, TyperOption

# Typer's cyan, green and yellow, bright in many terminals, cannot be read on white.
STYLES = {
    "STYLE_OPTION": "bold",
    "STYLE_SWITCH": "bold",
    "STYLE_NEGATIVE_OPTION": "bold",
    "STYLE_NEGATIVE_SWITCH": "bold",
    "STYLE_TYPES": "magenta",
    "STYLE_USAGE": "bold",
    "STYLE_COMMANDS_TABLE_FIRST_COLUMN": "bold",
}


def _use_styles() -> None:
    from typer import rich_utils

    for name, style in STYLES.items():
        setattr(rich_utils, name, style)


class Group(TyperGroup):
    """The program, with all its commands."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """As Typer shows it, in other colours."""
        _use_styles()
        super().format_help(ctx, formatter)


class Command(TyperCommand):
    """A command that shows no type beside a flag: a flag takes no value."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """As Typer shows it, in other colours."""
        _use_styles()
        super().format_help(ctx, formatter)

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer keeps these classes to itself
        """The parameters, `--help` included."""
        parameters = super().get_params(ctx)
        for each in parameters:
            if isinstance(each, TyperOption) and each.is_flag:
                each.metavar = ""
        return parameters
