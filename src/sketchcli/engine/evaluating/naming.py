"""What the predictors of one table are called."""

from collections.abc import Sequence
from pathlib import Path

from sketchcli.engine.runs import Run

ALONE = "model"


def of_all(models: Sequence[Path], folders: Sequence[Path]) -> dict[Path, str]:
    """Names of weights and folders: their last parts, and as many before as tell them apart.

    A model is called by its run, or by its file where that is not a run's; one alone is called
    `model`.
    """
    parts = {path: _of_model(path) for path in models}
    parts |= {path: path.resolve().parts for path in folders}
    names = {path: _shortest(path, parts) for path in parts}
    return names | dict.fromkeys(models, ALONE) if len(models) == 1 else names


def _of_model(weights: Path) -> tuple[str, ...]:
    whole = weights.resolve()
    run = Run(whole.parent)
    if whole == run.weights:
        return run.folder.parts
    name = f"{run.folder.name}/{whole.stem}" if whole == run.best else whole.stem
    return (*run.folder.parent.parts, run.folder.name, name)


def _shortest(path: Path, parts: dict[Path, tuple[str, ...]]) -> str:
    mine = parts[path]
    others = [found for other, found in parts.items() if other != path]
    for length in range(1, len(mine)):
        end = mine[-length:]
        if all(found[-length:] != end for found in others):
            return "/".join(end)
    return mine[-1]
