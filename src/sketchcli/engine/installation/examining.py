"""`sketch2img doctor`: look at everything that the five verbs need."""

from collections.abc import Iterator

from sketchcli.engine.events import SILENT, Advanced, Reporter
from sketchcli.engine.installation import belongings, computing, probes, software
from sketchcli.engine.installation.asking import Answer, ask
from sketchcli.engine.installation.findings import Check, Installation, State, installation

STEPS = 13


def examine(reporter: Reporter = SILENT) -> Installation:
    """Look at the installation, each thing that may crash in a process of its own.

    Args:
        reporter: Told of each step.
    """
    checks = []
    for check in _look():
        checks.append(check)
        reporter(Advanced("checks", len(checks), STEPS))
    return installation(checks)


def _look() -> Iterator[Check]:
    yield software.check_program()
    yield software.check_python()
    opencv, light = ask(probes.ask_opencv, probes.ask_light_imports)
    torch, on_torch, computed, drawn = ask(
        probes.ask_torch, probes.ask_imports_on_torch, probes.ask_computing, probes.ask_trial
    )
    build = software.check_torch(torch)
    yield build
    pictures = software.check_opencv(opencv)
    yield pictures
    # What a broken torch or OpenCV takes with it is not told again.
    yield software.check_libraries(
        Answer() if is_broken(pictures) else light, Answer() if is_broken(build) else on_torch
    )
    can_compute = not (is_broken(build) or on_torch.error)
    device = computing.check_device(computed) if can_compute else _not_tried("device")
    yield device
    yield computing.check_threads(device.facts)
    yield computing.check_memory()
    yield belongings.check_folders()
    yield belongings.check_disk()
    yield belongings.check_assets()
    model = belongings.check_bundled()
    yield model
    can_generate = can_compute and not any(map(is_broken, (pictures, device)))
    is_tried = can_generate and model.state is State.OK
    yield computing.check_trial(drawn) if is_tried else _not_tried("trial")


def is_broken(check: Check) -> bool:
    """Whether something that stands on it need not be looked at."""
    return check.state is State.PROBLEM


def _not_tried(name: str) -> Check:
    return Check(name, State.NOTE, "not tried: see above")
