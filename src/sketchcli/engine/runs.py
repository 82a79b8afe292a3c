"""Run folders: what is in one, which one a user means, which one is the newest."""

import contextlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sketchcli import config as settings
from sketchcli import errors, files, paths, weights
from sketchcli.engine.results import ModelListing, ModelsResult
from sketchcli.errors import CheckpointError, DataError, SketchError
from sketchcli.weights_header import read_about


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

    def sampled(self) -> list[Path]:
        """Those pictures, in the order of their epochs, which have four digits or more."""
        return sorted(self.samples.glob("*.png"), key=lambda path: (len(path.name), path.name))

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


def find_weights(model: Path | None) -> Path:
    """The weights that a user means.

    Args:
        model: A file, a run's folder or its name, or `bundled`; by default the newest finished
            run, or, where there is none, the model that comes with the program.

    Raises:
        CheckpointError: There are none.
    """
    found = _named_weights(model)
    if not found.is_file():
        raise CheckpointError(f"{found}: no such file", hint="name another with --model")
    return found


def _named_weights(model: Path | None) -> Path:
    if model is None:
        finished = finished_runs()
        return finished[-1].weights if finished else weights.bundled()
    if str(model) == weights.NAME:
        return weights.bundled()
    for folder in (paths.in_room(paths.runs_home(), model), model):
        if folder.is_dir():
            return Run(folder).weights
    if not model.exists():
        names = sorted(run.folder.name for run in finished_runs())
        hint = errors.did_you_mean(str(model), [*names, weights.NAME], label="models")
        raise CheckpointError(f"{model}: no such model", hint=hint)
    return model


def finished_runs() -> list[Run]:
    """All runs at home that have ended, the newest last."""
    results = paths.runs_home().glob("*/result.json")
    return [Run(p.parent) for p in sorted(results, key=lambda path: path.stat().st_mtime)]


def find_run(name: Path) -> Run:
    """The run that a user means: a folder, or a name at home.

    Raises:
        CheckpointError: There is none.
    """
    for folder in (paths.in_room(paths.runs_home(), name), name):
        if Run(folder).config.is_file():
            return Run(folder)
    known = sorted(path.parent.name for path in paths.runs_home().glob("*/config.toml"))
    raise CheckpointError(
        f"{name}: no such run", hint=errors.did_you_mean(str(name), known, label="runs")
    )


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


# Where a data set comes from: a small file beside it, read into everything made of it.

FILE = "source.json"


@dataclass(frozen=True)
class Provenance:
    """Name, licence and citation of a data set; they travel into every model."""

    name: str
    licence: str = "not stated"
    citation: str = "not stated"
    asset: str = ""  # the name that `fetch-data` knows it by
    notice: str = ""  # what had to be accepted
    accepted: str = ""  # the day on which it was, as 2026-11-22
    origin: str = ""  # an address, a file or a folder; empty: drawn
    sha256: str = ""  # of that file


_ALWAYS = frozenset({"name", "licence", "citation", "asset"})  # in the files of every version
_KNOWN = frozenset(field.name for field in fields(Provenance))


def write(folder: Path, provenance: Provenance) -> None:
    """Write the file into a fetched set's folder."""
    files.write_json(folder / FILE, asdict(provenance))


def is_fetched(folder: Path) -> bool:
    """Whether `fetch-data` made a folder."""
    return read(folder).asset != ""


def read(folder: Path) -> Provenance:
    """What a fetched set says of itself; a plain folder says nothing but its name."""
    plain = Provenance(folder.resolve().name)
    try:
        about = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return plain
    is_ours = (
        isinstance(about, dict)
        and about.keys() >= _ALWAYS
        and about.keys() <= _KNOWN
        and all(isinstance(value, str) for value in about.values())
    )
    return Provenance(**about) if is_ours else plain


# The models that can be named, and how good they are.


def list_models(*, only_finished: bool = False) -> ModelsResult:
    """Every run with weights, the newest first, then the model that comes with the program."""
    finished = [run.folder for run in finished_runs()]
    default = finished[-1] if finished else weights.FILE.parent
    runs = sorted(paths.runs_home().glob("*/weights.safetensors"), key=_date, reverse=True)
    named = [(path.parent.name, path, path.parent in finished) for path in runs]
    if weights.is_here():
        named.append((weights.NAME, weights.FILE, True))
    found = [
        _listing(name, path, is_finished=is_finished, is_default=path.parent == default)
        for name, path, is_finished in named
        if is_finished or not only_finished
    ]
    return ModelsResult(tuple(found))


def _listing(name: str, path: Path, *, is_finished: bool, is_default: bool) -> ModelListing:
    """What a model's header says; of a damaged one, that it is damaged."""
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


def _date(path: Path) -> float:
    return path.stat().st_mtime
