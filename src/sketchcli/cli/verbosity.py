"""The options that every command has, such as `-q` and `-v`, and faster imports."""

import contextlib
import functools
import gc
import inspect
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from sketchcli import __version__, interruption, limits, paths
from sketchcli.cli import options
from sketchcli.cli.streams import say
from sketchcli.errors import DataError, UsageError


def print_all(context: typer.Context, is_asked: bool) -> None:
    """Print the help with the rare options and exit, if `--help-all` was given."""
    if is_asked:
        context.meta[HELP_ALL] = True
        say(context.get_help())  # Typer prints it itself
        raise typer.Exit


HELP_ALL = "--help-all"
VERBOSE = ("--verbose", "-v")
MESSAGES, LIMITS = map(options.panel, ("Messages and progress", "Limits"))


@dataclass(frozen=True)
class Verbosity:
    """How much a command prints to stderr."""

    is_quiet: bool = False
    has_bars: bool = True  # if stderr is a terminal
    is_verbose: bool = False


_current: ContextVar[Verbosity] = ContextVar("verbosity", default=Verbosity())  # noqa: B039


def current() -> Verbosity:
    """Return the verbosity settings of the running command."""
    return _current.get()


@contextlib.contextmanager
def _as_asked(
    *,
    quiet: Annotated[
        bool, MESSAGES("--quiet", "-q", help="Show only result, warnings and errors.")
    ] = False,
    verbose: Annotated[
        bool,
        MESSAGES(
            *VERBOSE,
            help="Also show the version, data folder, time taken, and tracebacks of errors.",
        ),
    ] = False,
    no_progress: Annotated[
        bool, MESSAGES("--no-progress", help="Print plain lines instead of progress bars.")
    ] = False,
    help_all: Annotated[
        bool,
        typer.Option(
            HELP_ALL,
            callback=print_all,
            is_eager=True,
            help="Show this message with the rarer options, too, and exit.",
        ),
    ] = False,
    max_memory: Annotated[
        str | None,
        LIMITS(
            metavar="SIZE",
            help="Most memory that one file may take, such as 8G, or none for no limit.  "
            "\\[default: 1.5 GB for an image, 4 GB for a network or a "
            "pickle; at most three quarters of what is free]",
            hidden=True,
        ),
    ] = None,
) -> Iterator[None]:
    """Run the block, a command, as the options say that all commands share."""
    del help_all  # its callback has printed the help
    if quiet and verbose:
        raise UsageError("--quiet and --verbose contradict each other", hint="remove one")
    try:
        Path.cwd()  # a library would kill the process
    except FileNotFoundError:
        hint = "change to another folder, for example with: cd"
        raise DataError("the current folder does not exist any more", hint=hint) from None
    before = _current.set(Verbosity(quiet, not no_progress, verbose))
    started = time.monotonic()
    if verbose:
        versions = f"sketch2img {__version__}, Python {platform.python_version()}"
        say(f"{versions}, data folder {paths.home()}", is_error=True)
    try:
        with limits.lifted(max_memory):
            yield
    finally:
        _current.reset(before)
        if verbose:
            say(f"took {time.monotonic() - started:.1f} s", is_error=True)


def with_verbosity(verb: Callable[..., None]) -> Callable[..., None]:
    """Add to a command the options that all commands share."""
    shared = inspect.signature(_as_asked).parameters

    @functools.wraps(verb)
    def telling(**given: Any) -> None:  # noqa: ANN401 - the values of all options
        with _as_asked(**{name: given.pop(name) for name in shared}):
            verb(**given)

    own = inspect.signature(verb, eval_str=True).parameters
    parameters = [*own.values(), *shared.values()]
    telling.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    telling.__annotations__ = {each.name: each.annotation for each in parameters}
    return telling


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Exclude the imports in the block from garbage collection, during the import and afterwards.

    Scanning torch's hundred thousand objects, which live until the end, takes a third of the time.
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
    interruption.check()
