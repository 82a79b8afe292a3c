"""A command whose help shows what a person has to type."""

from typing import Any

from typer.core import TyperCommand, TyperOption


class Command(TyperCommand):
    """A command that shows no type beside a flag: a flag takes no value."""

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer keeps these classes to itself
        """The parameters, `--help` included."""
        parameters = super().get_params(ctx)
        for each in parameters:
            if isinstance(each, TyperOption) and each.is_flag:
                each.metavar = ""
        return parameters
