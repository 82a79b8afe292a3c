"""Run folders: their files, the run or weights that a user refers to, and the newest run.

The file also reads and writes the provenance of datasets, and lists the models for `models`.
"""

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sketchcli import config as settings
from sketchcli import errors, files, limits, paths, weights
from sketchcli.config import Domains, TrainConfig, domains_from_dict
from sketchcli.engine.events import Note
from sketchcli.engine.results import ModelListing, ModelsResult
from sketchcli.errors import CheckpointError, DataError, SketchError, UsageError
from sketchcli.weights_header import peek, read_about

Line = Mapping[str, Any]  # a line of a run's log


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

    def append_log(self, line: Line) -> None:
        """Append a line to the log."""
        with files.writing(self.log), self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line, allow_nan=False) + "\n")

    def cut_log(self, images_seen: int, take: Callable[[Line], object]) -> int:
        """Drop the lines after a training state, because their steps will be trained again.

        Pass the other lines, but not those of single batches, to `take`. Return how many lines
        cannot be read.
        """
        kept = end = unreadable = 0
        is_begun = False
        with files.writing(self.log), self.log.open("a+b") as log:
            log.seek(0)
            while text := log.readline(LONGEST_LINE):
                end += len(text)
                is_rest, is_begun = is_begun, not text.endswith(b"\n")
                line = None if is_rest or is_begun else _understood(text)
                if line is None:
                    unreadable += not is_rest
                elif line["images_seen"] <= images_seen:
                    kept = end
                    if line["kind"] != "batch":
                        take(line)
            log.truncate(kept)
        return unreadable


# The log is appended, and read once when a run is resumed, line by line: it may have millions of
# lines, and people and crashes may have damaged it.

LONGEST_LINE = 2**20  # bytes
MOST_LINES = 2000  # lines of each kind that are kept in memory
_NEEDED: dict[str, dict[str, type]] = {  # kind of a line -> its values that are relied on
    "batch": {"images_seen": int},
    "epoch": {"images_seen": int, "epoch": int, "epochs": int},
    "validation": {"images_seen": int, "epoch": int},
    "finding": {"images_seen": int, "epoch": int, "name": str, "message": str},
}


def _understood(text: bytes) -> dict[str, Any] | None:
    """Return a line of a log; None if it is not one."""
    try:
        line = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    needed = _NEEDED.get(str(line.get("kind"))) if isinstance(line, dict) else None
    is_whole = needed and all(limits.fits(line.get(name), kind) for name, kind in needed.items())
    return line if is_whole else None


def logged(line: Line, *keys: str) -> float:
    """Return the number under nested keys of a log's line; NaN if there is none."""
    value: Any = line
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    is_number = isinstance(value, float) or (type(value) is int and abs(value) < 2**53)
    return float(value) if is_number else math.nan


class History:
    """The lines of a log by their kinds: the last ones, and as many as a chart shows of the others.

    A kind has at most `MOST_LINES` evenly spaced lines, so that memory, and the time that charts
    take, do not grow with the run.
    """

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[int, Line]]] = {}  # with their numbers

    def add(self, line: Line) -> None:
        """Add the next line."""
        kept = self._kept.setdefault(str(line["kind"]), [])
        number, every = (kept[-1][0] + 1, kept[1][0]) if len(kept) > 1 else (len(kept), 1)
        if (number - 1) % every:  # the previous line was kept only as the last one
            kept.pop()
        kept.append((number, line))
        if len(kept) > MOST_LINES:
            del kept[1::2]

    def last(self, kind: str) -> Line:
        """Return the last line of a kind; an empty one if there is none."""
        return self._kept[kind][-1][1] if kind in self._kept else {}

    def lines(self) -> list[Line]:
        """Return the lines, those of each kind in their order."""
        return [line for kept in self._kept.values() for _, line in kept]


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


def model_name(path: Path) -> str:
    """Return what a person calls a model: its run's name, `bundled`, or its file's name."""
    if path == weights.FILE:
        return weights.NAME
    is_of_run = path.name == Run(path.parent).weights.name
    return path.resolve().parent.name if is_of_run else path.name


def domains_of(model: Path | None) -> Domains:
    """Return what a model takes and makes, for messages; the default if it cannot be read."""
    try:
        return domains_from_dict(peek(find_weights(model)).get("domains"))
    except (SketchError, OSError, LookupError, TypeError, ValueError, RecursionError):
        return Domains()


def model_note(found: Path, model: Path | None) -> Note:
    """Return a note on the weights that `find_weights(model)` found, and why it chose them."""
    is_chosen = model is None and found != weights.FILE
    why = " (the newest finished run; for the bundled model, add --model bundled)"
    return Note(f"model: {found}{why if is_chosen else ''}", is_vital=found != weights.FILE)


def finished_runs() -> list[Run]:
    """Return all finished runs in the data folder, the newest last."""
    return [Run(path.parent) for path in _by_age("result.json")]


def _by_age(name: str) -> list[Path]:
    """Return the files of a name in all runs in the data folder, the newest last."""
    found = {}
    for path in paths.runs_home().glob(f"*/{name}"):
        with contextlib.suppress(OSError):  # it may have been deleted meanwhile
            found[path] = path.stat().st_mtime
    return sorted(found, key=found.__getitem__)


def find_run(name: Path) -> Run:
    """Return the run that a user refers to by its folder or its name."""
    for folder in (paths.in_room(paths.runs_home(), name), name):
        if Run(folder).config.is_file() or Run(folder).states:
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
    for path in vars(run).values():
        kind = "folder" if path in {folder, run.samples} else "file"
        is_right = path.is_dir() if kind == "folder" else path.is_file()
        if path.exists() and not is_right:
            raise DataError(f"{path} is not a {kind}", hint="move it away, and try again")
    if run.weights.exists() and not run.states:
        raise state_missing(run)
    return run


def begin_anew(run: Run) -> str:
    """Return how to use the weights of a run that cannot be resumed, as an instruction."""
    ways = f"add --init-from {run.folder}, and choose another --run-dir"
    return f"start a new run from its weights: {ways}"


def state_missing(run: Run) -> DataError:
    """Return the error about a run without a training state."""
    if run.weights.exists():  # a training state was saved before them
        return DataError(
            f"{run.folder}: the training state is missing ({run.state.name})",
            hint=begin_anew(run),
        )
    return DataError(
        f"{run.folder}: nothing was saved yet, so there is nothing to resume",
        hint="start it again with the same command, or run: sketch2img train "
        f"--config {run.config} --run-dir {run.folder}",
    )


def settings_to_resume(run: Run) -> TrainConfig:
    """Return a run's settings from its settings file or, if that is missing, its training state."""
    hint = ""
    for state in run.states:
        with contextlib.suppress(SketchError, LookupError, TypeError, ValueError):
            values = read_about(state)["config"]
            hint = "delete this file: its settings are then taken from the training state"
            if not run.config.exists():
                return settings.from_dict(values)
    if run.config.exists() and not run.config.is_file():  # opening a pipe would wait
        raise UsageError(f"{run.config} is not a regular file", hint=hint)
    try:
        values = settings.read_file(run.config)
        check_can_resume(run, values)
        return settings.from_dict(values)
    except UsageError as error:
        where = "" if str(run.config) in error.message else f"{run.config}: "
        raise UsageError(f"{where}{error.message}", hint=hint or error.hint) from error


def check_can_resume(run: Run, values: Mapping[str, Any]) -> None:
    """Raise an error if a run's settings contain a removed one that had an effect."""
    _, removed = settings.without_removed(values)
    if used := settings.had_effect(removed):
        raise CheckpointError(
            f"{run.folder}: the run was trained with {' and '.join(used)}, which no longer exists",
            hint=begin_anew(run),
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
    except (OSError, ValueError):
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
    newest_first = reversed(_by_age("weights.safetensors"))
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
            domains=domains_from_dict(about.get("domains")),
        )
    except (SketchError, LookupError, TypeError, ValueError, AttributeError):
        return ModelListing(name, path, is_finished, "damaged", (0, 0), "?", 0, {}, "?", is_default)
