"""`generate`, once its flags are understood: what is light first, then the models."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sketchcli.cli.progress import print_plain, reporting
from sketchcli.cli.quick_imports import quick_imports
from sketchcli.cli.render import emit, file_line, show_failures
from sketchcli.engine.events import Converted, Event, Note, Reporter
from sketchcli.engine.generating import planning
from sketchcli.engine.generating.inputs import STREAM
from sketchcli.engine.generating.ranks import exit_code
from sketchcli.engine.generating.request import Request
from sketchcli.engine.results import GenerateResult
from sketchcli.engine.runs import find_weights
from sketchcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sketchcli.device import Device

MANY = 64  # photos that are worth a probe of the precision


@dataclass(frozen=True)
class Machine:
    """Where to compute and how to tell of it, as it was typed."""

    device: str
    precision: str
    as_json: bool
    as_lines: bool
    is_shown: bool


def carry_out(
    request: Request, models: Sequence[Path] | None, machine: Machine, watched: Path | None
) -> ExitCode:
    """Do what was asked, show it, and say how it ended."""
    if watched is None:
        result = run(request, models, machine)
    else:
        result = run_watch(request, watched, models, machine)
    if not machine.as_lines and request.output != STREAM:
        emit("generate", result, as_json=machine.as_json)
    elif request.output == STREAM:
        show_failures(result)
    if machine.is_shown:
        from sketchcli.cli.preview import preview

        preview(result)
    return exit_code(result)


def run(request: Request, models: Sequence[Path] | None, machine: Machine) -> GenerateResult:
    """Carry out a request: what is wrong with it is said before anything heavy is imported."""
    plan = planning.plan(request)
    if (idle := planning.nothing_to_do(plan)) is not None:
        return idle
    request = replace(request, models=_weights(models))

    with quick_imports():
        from sketchcli.engine.generating.generate import generate

    with reporting() as report:
        tell = _telling(report, as_lines=machine.as_lines)
        _say_models(request, tell)
        place = _device(machine, is_many=len(plan.jobs) >= MANY)
        return generate(request, device=place, reporter=tell, plan=plan)


def run_watch(
    request: Request, folder: Path, models: Sequence[Path] | None, machine: Machine
) -> GenerateResult:
    """Watch a folder until Ctrl-C."""
    if not request.share.is_whole:
        raise UsageError("--watch cannot be shared", hint="leave out --shard")
    if request.grid is not None:
        raise UsageError("--grid is of photos that are all there", hint="leave out --watch")
    request = replace(request, models=_weights(models))

    with quick_imports():
        from sketchcli.engine.generating.watching import watch

    tell = _telling(print_plain, as_lines=machine.as_lines)
    _say_models(request, tell)
    place = _device(machine, is_many=False)
    return watch(request, folder, device=place, reporter=tell)


def _weights(models: Sequence[Path] | None) -> tuple[Path, ...]:
    names: list[Path | None] = [*(models or ())] or [None]
    return tuple(find_weights(name) for name in names)


def _say_models(request: Request, tell: Reporter) -> None:
    for path in request.models:
        tell(Note(f"model: {path}"))
    if len(set(request.models)) < len(request.models):
        tell(Note("a model is named twice: it counts twice", is_warning=True))
    share = request.share
    if not share.is_whole:
        tell(Note(f"share {share.number} of {share.count}"))


def _device(machine: Machine, *, is_many: bool) -> "Device":
    import torch

    from sketchcli import device as devices

    name, rank = machine.device, os.environ.get("LOCAL_RANK", "")
    if name == "auto" and rank.isdigit() and torch.cuda.is_available():  # each rank a GPU
        name = f"cuda:{int(rank) % torch.cuda.device_count()}"
    # A probe takes as long as drawing some photos does.
    precision = "fp32" if machine.precision == "auto" and not is_many else machine.precision
    place = devices.resolve(name, precision=precision)
    torch.set_num_threads(1)  # those that draw take their own; to load a model, one is as quick
    return place


def _telling(report: Reporter, *, as_lines: bool) -> Reporter:
    """A reporter that also prints a line of JSON for each file."""

    def tell(event: Event) -> None:
        if as_lines and isinstance(event, Converted):
            typer.echo(file_line(event.file))
        report(event)

    return tell
