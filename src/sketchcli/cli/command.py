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


class _Help:
    """What both kinds share; for Typer's own classes to be mixed with."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - Typer's own
        """As Typer shows it, in other colours."""
        from typer import rich_utils

        for name, style in STYLES.items():
            setattr(rich_utils, name, style)
        super().format_help(ctx, formatter)  # type: ignore[misc]

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401
        """The parameters, `--help` included; no type beside a flag, which takes no value."""
        parameters = super().get_params(ctx)  # type: ignore[misc]
        for each in parameters:
            if isinstance(each, TyperOption) and each.is_flag:
                each.metavar = ""
        return parameters


class Group(_Help, TyperGroup):
    """The program, with all its commands."""


class Command(_Help, TyperCommand):
    """A verb."""
