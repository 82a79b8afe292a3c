"""Run folders: their files, the run or weights that a user refers to, and the newest run.

The file also reads and writes the provenance of datasets, and lists the models for `models`.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sketchcli import config as settings
from sketchcli import errors, files, limits, paths, weights
from sketchcli.engine.results import ModelListing, ModelsResult
from sketchcli.errors import CheckpointError, DataError, SketchError
from sketchcli.weights_header import read_about


class Run:
    """The folder of one training run, and the files in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"  # settings that `--config` can read
        self.log = folder / "log.jsonl"  # an object per batch, epoch, validation and finding
        self.weights = folder / "weights.safetensors"  # all that `generate` needs
        self.best = folder / "best.safetensors"  # weights with the best score on held-out pairs
        self.state = folder / "state.safetensors"  # the training state, to resume from
        # The previous training state, in case a crash or the disk damages the latest one.
        self.previous_state = folder / "state-before.safetensors"
        self.samples = folder / "samples"  # a sheet of the held-out pairs for each validation
        self.curves = folder / "losses.png"  # a plot of the losses
        self.report = folder / "report.html"  # a page with everything about the run
        self.card = folder / "model-card.md"  # for the people who receive the model
        self.result = folder / "result.json"  # written last: a run that has one is finished

    @property
    def states(self) -> tuple[Path, ...]:
        """The existing training states, the newest first."""
        return tuple(path for path in (self.state, self.previous_state) if path.exists())

    def sampled(self) -> list[Path]:
        """Return the sample sheets in the order of their epochs (four digits or more)."""
        return sorted(self.samples.glob("*.png"), key=lambda path: (len(path.name), path.name))

    def clear_parts(self) -> None:
        """Remove half-written files of a killed process; the caller must hold the lock."""
        for part in self.folder.glob(".*.part*"):
            part.unlink(missing_ok=True)

    def append_log(self, line: Mapping[str, Any]) -> None:
        """Append a line to the log."""
        with files.writing(self.log), self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line, allow_nan=False) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """Return the complete lines of the log, without lines that a crash cut short."""
        if not self.log.exists():
            return []
        found = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def cut_log(self, images_seen: int) -> list[dict[str, Any]]:
        """Drop the lines after a training state, because their steps will be trained again.

        Return the lines that are left, without those of single batches.
        """
        kept = [line for line in self.read_log() if line["images_seen"] <= images_seen]
        files.write_text(self.log, "".join(json.dumps(line) + "\n" for line in kept))
        return [line for line in kept if line["kind"] != "batch"]


def find_weights(model: Path | None) -> Path:
    """Return the path of the weights that `model` refers to.

    `model` is a file, a run's folder or name, or `bundled`. The default is the newest finished run
    or, if there is none, the bundled model.
    """
    finished = finished_runs()
    if model is None and finished:
        found = finished[-1].weights
    elif model is None or str(model) == weights.NAME:
        found = weights.bundled()
    else:
        ways = (paths.in_room(paths.runs_home(), model), model)
        folder = next(filter(Path.is_dir, ways), None)
        if folder is None and not model.exists():
            names = sorted(run.folder.name for run in finished)
            hint = errors.did_you_mean(str(model), [*names, weights.NAME], label="models")
            raise CheckpointError(f"model '{model}' was not found", hint=hint)
        found = Run(folder).weights if folder else model
    if not found.is_file():
        raise CheckpointError(f"{found} does not exist", hint="choose another model with --model")
    return found


def finished_runs() -> list[Run]:
    """Return all finished runs in the data folder, the newest last."""
    results = paths.runs_home().glob("*/result.json")
    return [Run(p.parent) for p in sorted(results, key=lambda path: path.stat().st_mtime)]


def find_run(name: Path) -> Run:
    """Return the run that a user refers to by its folder or its name."""
    for folder in (paths.in_room(paths.runs_home(), name), name):
        if Run(folder).config.is_file():
            return Run(folder)
    known = sorted(path.parent.name for path in paths.runs_home().glob("*/config.toml"))
    raise CheckpointError(
        f"run '{name}' was not found", hint=errors.did_you_mean(str(name), known, label="runs")
    )


def open_run(folder: Path) -> Run:
    """Return the run of a folder, which must be new, empty or the folder of a run."""
    run = Run(folder)
    if folder.is_file():
        raise DataError(f"{folder} is a file", hint="choose another --run-dir")
    is_ours = run.log.exists() or bool(run.states)
    if folder.exists() and any(folder.iterdir()) and not is_ours:
        raise DataError(
            f"{folder} is not empty and does not contain a run", hint="choose another --run-dir"
        )
    return run


def check_can_resume(run: Run, values: Mapping[str, Any]) -> None:
    """Raise an error if a run's settings contain a removed one that had an effect."""
    _, removed = settings.without_removed(values)
    if used := settings.had_effect(removed):
        raise CheckpointError(
            f"{run.folder}: the run was trained with {' and '.join(used)}, which no longer exists",
            hint=f"start a new run from its weights: add --init-from {run.folder}, and choose "
            "another --run-dir",
        )


# A dataset's provenance is a small file in its folder, which is copied into everything made of it.

FILE = "source.json"


@dataclass(frozen=True)
class Provenance:
    """Name, licence and citation of a dataset, which every model trained on it carries."""

    name: str
    licence: str = "not stated"
    citation: str = "not stated"
    asset: str = ""  # its name in `fetch-data`
    notice: str = ""  # the notice that the user accepted
    accepted: str = ""  # the date of acceptance, such as 2026-11-22
    origin: str = ""  # a URL, a file or a folder; empty for a drawn dataset
    sha256: str = ""  # hash of the downloaded file


_ALWAYS = frozenset({"name", "licence", "citation", "asset"})  # in the files of every version
_KNOWN = frozenset(field.name for field in fields(Provenance))


def write(folder: Path, provenance: Provenance) -> None:
    """Write the provenance into a raw dataset's folder."""
    files.write_json(folder / FILE, asdict(provenance))


def is_fetched(folder: Path) -> bool:
    """Return whether `fetch-data` made a folder."""
    return read(folder).asset != ""


def read(folder: Path) -> Provenance:
    """Return a raw dataset's provenance; that of any other folder holds only its name."""
    plain = Provenance(folder.resolve().name)
    try:
        about = limits.read_json(folder / FILE)
    except (OSError, ValueError, RecursionError):
        return plain
    is_ours = (
        isinstance(about, dict)
        and _ALWAYS <= about.keys() <= _KNOWN
        and all(isinstance(value, str) for value in about.values())
    )
    return Provenance(**about) if is_ours else plain


# The models that `--model` accepts are listed with their scores.


def list_models(*, only_finished: bool = False) -> ModelsResult:
    """List every run with weights, the newest first, then the bundled model."""
    finished = [run.folder for run in finished_runs()]
    default = finished[-1] if finished else weights.FILE.parent
    runs = paths.runs_home().glob("*/weights.safetensors")
    newest_first = sorted(runs, key=lambda path: path.stat().st_mtime, reverse=True)
    named = [(path.parent.name, path, path.parent in finished) for path in newest_first]
    if weights.is_here():
        named.append((weights.NAME, weights.FILE, True))
    found = [
        _listing(name, path, is_finished=is_finished, is_default=path.parent == default)
        for name, path, is_finished in named
        if is_finished or not only_finished
    ]
    return ModelsResult(tuple(found))


def _listing(name: str, path: Path, *, is_finished: bool, is_default: bool) -> ModelListing:
    """Return what a model's header says, or a listing as damaged if it cannot be read."""
    try:
        about = read_about(path)
        model = settings.from_dict(about["config"]).model
        data, (height, width) = about["dataset"], about["size"]
        return ModelListing(
            name=name,
            weights=path,
            is_finished=is_finished,
            dataset=str(data["name"]),
            size=(int(height), int(width)),
            generator=model.generator,
            epochs=int(about.get("epochs_done", 0)),
            scores={str(key): float(value) for key, value in about.get("scores", {}).items()},
            licence=str(data.get("licence", "not stated")),
            is_default=is_default,
        )
    except (SketchError, LookupError, TypeError, ValueError, AttributeError):
        return ModelListing(name, path, is_finished, "damaged", (0, 0), "?", 0, {}, "?", is_default)
