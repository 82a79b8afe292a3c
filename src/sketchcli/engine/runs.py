"""Run folders: what is in one, what a new one is called, which one is the newest."""

import contextlib
import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sketchcli import files, paths, suggesting, weights
from sketchcli.errors import CheckpointError, DataError


@dataclass(frozen=True)
class Run:
    """The folder of one training run."""

    folder: Path

    @property
    def config(self) -> Path:
        """The settings, ready for `--config`."""
        return self.folder / "config.toml"

    @property
    def log(self) -> Path:
        """One JSON object a line: every batch, epoch, measurement and finding."""
        return self.folder / "log.jsonl"

    @property
    def weights(self) -> Path:
        """What `generate` needs."""
        return self.folder / "weights.safetensors"

    @property
    def state(self) -> Path:
        """What training needs to go on."""
        return self.folder / "state.safetensors"

    @property
    def previous_state(self) -> Path:
        """The state before, for when a crash or the disk damages the last one."""
        return self.folder / "state-before.safetensors"

    @property
    def states(self) -> tuple[Path, ...]:
        """The states that are there, the newest first."""
        return tuple(path for path in (self.state, self.previous_state) if path.exists())

    @property
    def best(self) -> Path:
        """The weights that scored best on the held-out pairs."""
        return self.folder / "best.safetensors"

    @property
    def report(self) -> Path:
        """Everything about the run on one page."""
        return self.folder / "report.html"

    @property
    def card(self) -> Path:
        """What the model is, for whoever is given it."""
        return self.folder / "model-card.md"

    @property
    def samples(self) -> Path:
        """Pictures of the held-out pairs, one file for each time they were drawn."""
        return self.folder / "samples"

    @property
    def curves(self) -> Path:
        """The losses, drawn."""
        return self.folder / "losses.png"

    @property
    def result(self) -> Path:
        """Written last: a run that has it is finished."""
        return self.folder / "result.json"

    def clear_parts(self) -> None:
        """Remove what a killed process had not finished writing; the caller holds the lock."""
        for part in self.folder.glob(".*.part*"):
            part.unlink(missing_ok=True)

    def append_log(self, **values: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Add a line to the log."""
        with files.writing(self.log), self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(values, allow_nan=False) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """All whole lines of the log; a line that a crash cut short is no line."""
        if not self.log.exists():
            return []
        found = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def cut_log(self, images_seen: int) -> None:
        """Drop what was logged after a state was saved: it will be trained again."""
        kept = [line for line in self.read_log() if line["images_seen"] <= images_seen]
        files.write_text(self.log, "".join(json.dumps(line) + "\n" for line in kept))


def new_run_dir(dataset: str, preset: str) -> Path:
    """A folder name that no run has yet: date, set, preset."""
    stamp = dt.datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    name = f"{stamp}-{dataset}-{preset}"
    folder, again = paths.runs_home() / name, 2
    while folder.exists():
        folder, again = paths.runs_home() / f"{name}-{again}", again + 1
    return folder


def find_weights(model: Path | None) -> Path:
    """The weights that a user means.

    Args:
        model: A file, a run's folder or its name, or `bundled`; by default the newest finished
            run, or, where there is none, the model that comes with the program.

    Raises:
        CheckpointError: There are none.
    """
    if model is None:
        has_run = finished_runs() or not weights.is_here()
        return newest_finished().weights if has_run else weights.bundled()
    if str(model) == weights.NAME:
        return weights.bundled()
    for folder in (paths.in_room(paths.runs_home(), model), model):
        if folder.is_dir():
            return Run(folder).weights
    if not model.exists():
        names = sorted(run.folder.name for run in finished_runs())
        hint = suggesting.hint(str(model), [*names, weights.NAME], label="models")
        raise CheckpointError(f"{model}: no such model", hint=hint)
    return model


def finished_runs() -> list[Run]:
    """All runs at home that have ended, the newest last."""
    results = paths.runs_home().glob("*/result.json")
    return [Run(p.parent) for p in sorted(results, key=lambda path: path.stat().st_mtime)]


def newest_finished() -> Run:
    """The run that finished last.

    Raises:
        CheckpointError: No run has finished yet.
    """
    finished = finished_runs()
    if not finished:
        raise CheckpointError(
            "no trained model yet",
            hint="train one with `sketch2img train`, or name one with --model",
        )
    return finished[-1]


def open_run(folder: Path) -> Run:
    """A folder to train in: new, or a run's.

    Raises:
        DataError: The folder holds something else, or is none.
    """
    run = Run(folder)
    if folder.is_file():
        raise DataError(f"{folder}: a file", hint="choose another --run-dir")
    is_ours = run.log.exists() or bool(run.states)
    if folder.exists() and any(folder.iterdir()) and not is_ours:
        raise DataError(f"{folder}: not empty, and no run", hint="choose another --run-dir")
    return run
