"""What pictures are measured with: the metrics asked for, and the networks that they need."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sketchcli import errors, files, paths, registry
from sketchcli.engine.fetching.convert import CONVERTED, convert
from sketchcli.errors import UsageError
from sketchcli.images import Floats, Pixels
from sketchcli.registry import Named

HEADLINE = (
    "ssim",
    "psnr",
    "mae",
    "lpips-alex",
    "kid",
    "face-similarity",
    "verification-eer",
    "rank-1",
)
Score = Callable[[Pixels, Pixels], NDArray[np.float64]]
Places = NDArray[np.float64]


class Extractor(Protocol):
    """What an `EXTRACTOR` of the metrics offers as `open_extractor(files)`."""

    def look(self, real: Pixels) -> Places:
        """What must be known of real photos `(N, H, W, 3)` first: `(N, ...)`."""

    def describe(self, pictures: Pixels, places: Places) -> Floats:
        """The features `(N, D)` of pictures `(N, H, W, 3)`, with what `look` found."""


@dataclass(frozen=True, eq=False)
class Tools:
    """Everything that is open for measuring."""

    metrics: dict[str, Named]  # all that can be had, in the order of the table
    scores: dict[str, Score]  # those with a value for each pair of pictures
    extractors: dict[str, Extractor]
    unavailable: dict[str, str] = field(default_factory=dict)  # metric -> command


def open_tools(chosen: Sequence[str] = (), *, size: tuple[int, int]) -> Tools:
    """Open metrics and their networks.

    Args:
        chosen: Names of metrics; all by default.
        size: Height and width of the pictures; some networks see nothing in small ones.

    Raises:
        UsageError: There is no such metric.
        DataError: A network's file is damaged.
    """
    known = registry.names(registry.METRICS)
    if strangers := [name for name in chosen if name not in known]:
        hint = errors.did_you_mean(strangers[0], known)
        raise UsageError(f"no metric is called '{strangers[0]}'", hint=hint)
    modules = {name: registry.load(registry.METRICS, name) for name in chosen or _ordered(known)}
    needs = {name: networks_of(module) for name, module in modules.items()}
    found = {name: file_of(name) for names in needs.values() for name in names}
    here = {name: path for name, path in found.items() if path is not None}
    unavailable = {
        name: "; ".join(f"sketch2img fetch-data {n}" for n in names if n not in here)
        for name, names in needs.items()
        if not here.keys() >= set(names)
    } | {
        name: f"needs pictures of {module.SMALLEST_SIDE} pixels or more"
        for name, module in modules.items()
        if getattr(module, "SMALLEST_SIDE", 0) > min(size)
    }
    metrics = {name: module for name, module in modules.items() if name not in unavailable}
    extractors = dict.fromkeys(m.FEATURES for m in metrics.values() if hasattr(m, "FEATURES"))
    return Tools(
        metrics,
        {name: _score(m, here) for name, m in metrics.items() if hasattr(m, "score")},
        {name: registry.extractor(name).open_extractor(here) for name in extractors},
        unavailable,
    )


def _ordered(names: Sequence[str]) -> list[str]:
    """The figures that people ask for first, then the others."""
    return [*HEADLINE, *(name for name in names if name not in HEADLINE)]


def networks_of(metric: Named) -> tuple[str, ...]:
    """Names of the networks that a metric needs."""
    own: tuple[str, ...] = getattr(metric, "NETWORKS", ())
    return own + (
        registry.extractor(metric.FEATURES).NETWORKS if hasattr(metric, "FEATURES") else ()
    )


def protocol_of(metric: Named) -> str:
    """A metric's own protocol, and that of the features that it compares."""
    features = (
        f"; of {registry.extractor(metric.FEATURES).PROTOCOL}"
        if hasattr(metric, "FEATURES")
        else ""
    )
    return f"{metric.PROTOCOL}{features}"


def _score(metric: Named, files: Mapping[str, Path]) -> Score:
    if not networks_of(metric):
        score: Score = metric.score
        return score
    (name,) = metric.NETWORKS
    return partial(metric.score, network=metric.load(files[name]))


# The evaluator networks that are here, in the form that the metrics read.

PATIENCE = 60.0  # seconds to wait for another process that converts the same network


def file_of(name: str) -> Path | None:
    """A network's file, converted where it is a pickle; None where it was not fetched.

    Raises:
        DataError: What was fetched cannot be converted.
    """
    folder = paths.assets_home() / name
    for edition in registry.load(registry.ASSETS, name).ASSET.editions:
        found = [folder / file.name for file in edition.files]
        if all(path.is_file() for path in found):
            return _converted(name, found) if name in CONVERTED else found[0]
    return None


def _converted(name: str, sources: Sequence[Path]) -> Path:
    """The safetensors beside the fetched files; made once, and again where those are newer."""
    target = paths.cache_home() / "networks" / f"{name}.safetensors"
    if not _is_new(target, sources):
        with files.locked(target, patience=PATIENCE):
            if not _is_new(target, sources):  # another process may have made it meanwhile
                convert(name, sources, target)
    return target


def _is_new(target: Path, sources: Sequence[Path]) -> bool:
    newest = max(source.stat().st_mtime for source in sources)
    return target.is_file() and target.stat().st_mtime >= newest
