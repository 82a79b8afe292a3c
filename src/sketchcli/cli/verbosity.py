"""How much is told on stderr: `-q`, `-v` and `--no-progress`, which every verb takes."""

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

PANEL = "How much is told"
VERBOSE = ("--verbose", "-v")
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Only the result, warnings and errors.", rich_help_panel=PANEL
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        *VERBOSE,
        help="Also the version, the home folder, the time taken, and where an error arose.",
        rich_help_panel=PANEL,
    ),
]
NoProgress = Annotated[
    bool,
    typer.Option(
        "--no-progress",
        help="Plain lines in the place of moving bars, as in a file.",
        rich_help_panel=PANEL,
    ),
]
SHARED: dict[str, Any] = {"quiet": Quiet, "verbose": Verbose, "no_progress": NoProgress}


@dataclass(frozen=True)
class Verbosity:
    """How much a command tells."""

    is_quiet: bool = False
    is_verbose: bool = False
    has_bars: bool = True  # where there is a terminal


_AS_ALWAYS = Verbosity()
_current: ContextVar[Verbosity] = ContextVar("manner", default=_AS_ALWAYS)


def current() -> Verbosity:
    """The running command's."""
    return _current.get()


def is_verbose(arguments: Sequence[str]) -> bool:
    """Whether a command line asks to be told more; known before it is understood."""
    return any(word in VERBOSE for word in arguments)


def with_manner(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb with the options that all share, so that none has to declare them."""
    own = inspect.signature(verb, eval_str=True).parameters.values()
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in SHARED.items()
    ]

    @functools.wraps(verb)
    def telling(*, quiet: bool, verbose: bool, no_progress: bool, **options: object) -> None:
        if quiet and verbose:
            raise UsageError("--quiet and --verbose contradict one another", hint="give one")
        with _spoken(Verbosity(quiet, verbose, not no_progress)):
            verb(**options)

    parameters = [*own, *shared]
    telling.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    telling.__annotations__ = {each.name: each.annotation for each in parameters}
    return telling


@contextlib.contextmanager
def _spoken(manner: Verbosity) -> Iterator[None]:
    """A command runs in this manner for as long as the block lasts."""
    before, started = _current.set(manner), time.monotonic()
    if manner.is_verbose:
        versions = f"sketch2img {__version__}, Python {platform.python_version()}"
        typer.echo(f"{versions}, home {paths.home()}", err=True)
    try:
        yield
    finally:
        _current.reset(before)
        if manner.is_verbose:
            typer.echo(f"took {time.monotonic() - started:.1f} s", err=True)


# Torch's import without Python's garbage collector, which a third of its time would go to.


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Import what is heavy without looking for garbage in it, now or ever.

    Torch's modules are some hundred thousand objects that stay until the end. While they are made,
    the collector goes through them again and again, and once more when Python ends.
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
