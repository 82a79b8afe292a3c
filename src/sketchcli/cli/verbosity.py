"""The options `-q`, `-v` and `--no-progress`, which every command has, and faster imports."""

import contextlib
import functools
import gc
import inspect
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sketchcli import __version__, paths
from sketchcli.errors import UsageError


def print_all(context: typer.Context, is_asked: bool) -> None:
    """Print the help with the rare options and exit, if `--help-all` was given."""
    if is_asked:
        context.meta[HELP_ALL] = True
        typer.echo(context.get_help())
        raise typer.Exit


HELP_ALL = "--help-all"
PANEL = "Messages and progress"
VERBOSE = ("--verbose", "-v")
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Show only result, warnings and errors.", rich_help_panel=PANEL
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        *VERBOSE,
        help="Also show the version, data folder, time taken, and tracebacks of errors.",
        rich_help_panel=PANEL,
    ),
]
NoProgress = Annotated[
    bool,
    typer.Option(
        "--no-progress",
        help="Print plain lines instead of progress bars.",
        rich_help_panel=PANEL,
    ),
]
ShowAll = Annotated[
    bool,
    typer.Option(
        HELP_ALL,
        callback=print_all,
        is_eager=True,
        help="Show this message with the rarer options, too, and exit.",
    ),
]
SHARED: dict[str, Any] = {
    "quiet": Quiet,
    "verbose": Verbose,
    "no_progress": NoProgress,
    "help_all": ShowAll,
}


@dataclass(frozen=True)
class Verbosity:
    """How much a command prints to stderr."""

    is_quiet: bool = False
    is_verbose: bool = False
    has_bars: bool = True  # if stderr is a terminal


_AS_ALWAYS = Verbosity()
_current: ContextVar[Verbosity] = ContextVar("manner", default=_AS_ALWAYS)


def current() -> Verbosity:
    """Return the verbosity settings of the running command."""
    return _current.get()


def is_verbose(arguments: Sequence[str]) -> bool:
    """Return whether a command line, not parsed yet, contains `--verbose` or `-v`."""
    return any(word in VERBOSE for word in arguments)


def with_manner(verb: Callable[..., None]) -> Callable[..., None]:
    """Add to a command the options that all commands share."""
    own = inspect.signature(verb, eval_str=True).parameters.values()
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in SHARED.items()
    ]

    @functools.wraps(verb)
    def telling(*, quiet: bool, verbose: bool, no_progress: bool, **options: object) -> None:
        options.pop("help_all", None)  # its callback has printed the help
        if quiet and verbose:
            raise UsageError("--quiet and --verbose contradict each other", hint="remove one")
        with _spoken(Verbosity(quiet, verbose, not no_progress)):
            verb(**options)

    parameters = [*own, *shared]
    telling.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    telling.__annotations__ = {each.name: each.annotation for each in parameters}
    return telling


@contextlib.contextmanager
def _spoken(manner: Verbosity) -> Iterator[None]:
    """Apply verbosity settings to the command that runs in the block."""
    before, started = _current.set(manner), time.monotonic()
    if manner.is_verbose:
        versions = f"sketch2img {__version__}, Python {platform.python_version()}"
        typer.echo(f"{versions}, data folder {paths.home()}", err=True)
    try:
        yield
    finally:
        _current.reset(before)
        if manner.is_verbose:
            typer.echo(f"took {time.monotonic() - started:.1f} s", err=True)


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Exclude the imports in the block from garbage collection, during the import and afterwards.

    Torch's modules are some hundred thousand objects that live until the end. Scanning them again
    and again takes a third of the import time; Python would also scan them once more at its exit.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
