"""What the program has on disk: its folders, their room, what was fetched, its own model."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sketchcli import paths, weights
from sketchcli.engine.fetching.listing import list_assets
from sketchcli.engine.installation.findings import Check, State
from sketchcli.engine.results import AssetListing
from sketchcli.engine.runs import finished_runs
from sketchcli.errors import CheckpointError, ExitCode, SketchError

MEGA, GIGA = 1e6, 1e9
LITTLE_BYTES = 2 * GIGA  # a training run with its states, samples and report takes some 300 MB
NO_BYTES = 100 * MEGA  # two states of the default networks do not fit
WRITING_VERBS = ("fetch-data", "preprocess", "train", "eval")


def check_folders() -> Check:
    """The home and what is in its rooms; whether it can be written to."""
    home, is_set = paths.home(), paths.HOME_VARIABLE in os.environ
    facts: dict[str, Any] = {"home": str(home), "is_set": is_set}
    whose = f"{paths.HOME_VARIABLE}={home}" if is_set else str(home)
    if not os.access(existing(home), os.W_OK | os.X_OK) or not existing(home).is_dir():
        hint = f"set {paths.HOME_VARIABLE} to a folder that can be written to"
        text = f"{whose}: cannot be written to"
        return Check("folders", State.PROBLEM, text, hint, WRITING_VERBS, ExitCode.DATA, facts)
    counts = {
        "fetched set": _folders_in(paths.raw_home()),
        "prepared set": _folders_in(paths.prepared_home()),
        "run": _folders_in(paths.runs_home()),
        "finished run": len(finished_runs()),
        "evaluation": _folders_in(paths.evaluations_home()),
    }
    facts |= {f"{name}s".replace(" ", "_"): count for name, count in counts.items()}
    told = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts.items() if n)
    return Check("folders", State.OK, f"{whose}: {told or 'nothing yet'}", facts=facts)


def check_disk() -> Check:
    """Room for what is to be written."""
    folder = existing(paths.home())
    free = shutil.disk_usage(folder).free
    text, facts = f"{free / GIGA:,.1f} GB free", {"free_gb": free / GIGA}
    if free < NO_BYTES:
        hint = f"make room, or set {paths.HOME_VARIABLE} to a folder on another disk"
        return Check("disk", State.PROBLEM, text, hint, WRITING_VERBS, ExitCode.DATA, facts)
    if free < LITTLE_BYTES:
        return Check(
            "disk", State.NOTE, text, "a run takes some 300 MB, data sets more", facts=facts
        )
    return Check("disk", State.OK, text, facts=facts)


def check_assets() -> Check:
    """Which of the known sets and networks are here."""
    try:
        listed = [each for each in list_assets() if each.kind != "local"]
    except (SketchError, OSError) as error:
        return Check("assets", State.NOTE, str(error), getattr(error, "hint", ""))
    here, begun = _named(listed, "ready"), _named(listed, "partial")
    networks = [each.name for each in listed if each.kind == "network"]
    absent = [name for name in networks if name not in here]
    facts = {"ready": here, "partial": begun, "absent_networks": absent}
    told = [f"here: {', '.join(here)}" if here else "none here"]
    told += [f"begun: {', '.join(begun)}"] if begun else []
    told += [f"networks not here: {', '.join(absent)}"] if absent else []
    return Check("assets", State.OK, "; ".join(told), facts=facts)


def check_bundled() -> Check:
    """The model that comes with the program, compared with the hash that it was shipped with."""
    try:
        digest = weights.recorded_hash()
        weights.check(weights.bundled())
    except (CheckpointError, OSError, LookupError) as error:
        is_needed = not finished_runs()
        stops = ("generate",) if is_needed else ()
        text = error.message if isinstance(error, CheckpointError) else f"its hash: {error}"
        hint = "install sketch2img again, or train a model: sketch2img train"
        state = State.PROBLEM if is_needed else State.NOTE
        return Check("model", state, text, hint, stops, ExitCode.CHECKPOINT)
    size = weights.FILE.stat().st_size
    facts = {"file": str(weights.FILE), "sha256": digest, "bytes": size}
    text = f"bundled, {size / MEGA:.1f} MB, SHA-256 {digest[:12]}... as recorded"
    return Check("model", State.OK, text, facts=facts)


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    # Not `Path.exists`, which raises where a folder above may not be looked into.
    return next(place for place in (folder, *folder.parents) if os.path.exists(place))  # noqa: PTH110


def _folders_in(room: Path) -> int:
    if not room.is_dir():
        return 0
    return sum(1 for path in room.iterdir() if path.is_dir() and not path.name.startswith("."))


def _named(listed: Sequence[AssetListing], state: str) -> list[str]:
    return [each.name for each in listed if each.state == state]
