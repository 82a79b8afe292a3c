"""The models that can be named, and how good they are."""

from pathlib import Path

from sketchcli import config as settings
from sketchcli import paths, weights
from sketchcli.engine.results import ModelListing, ModelsResult
from sketchcli.engine.runs import finished_runs
from sketchcli.errors import SketchError
from sketchcli.weights_header import read_about


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
