"""What an evaluation computes from images, batch by batch: values, features and thumbnails.

The file also opens the metrics and their networks, caches the features of the real photos, and
checks whether a model has memorised its training photos.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray

from sketchcli import __version__, errors, files, images, paths, registry
from sketchcli.config import Fit
from sketchcli.data.prepared import picture_hash
from sketchcli.engine.events import Advanced, Reporter
from sketchcli.engine.fetching.convert import CONVERTED, convert
from sketchcli.engine.results import MemorisationScore
from sketchcli.errors import UsageError
from sketchcli.images import Floats, Pixels
from sketchcli.registry import Named

BATCH = 16
Read = Callable[[range], Pixels]  # rows -> uint8 (B, H, W, 3)
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """The real photos that all generated photos are compared with."""

    name: str
    ids: tuple[str, ...]
    size: tuple[int, int]  # height, width
    read: Read
    read_sketches: Read | None = None  # as RGB; None if there are no sketches
    fit: Fit = Fit.STRETCH  # how images of another shape were brought to this size

    def __len__(self) -> int:
        return len(self.ids)

    def batches(self) -> Iterator[range]:
        """Yield the ranges of rows of all batches."""
        return batches(len(self))


def batches(count: int) -> Iterator[range]:
    """Yield the ranges of rows that make up `count` rows in batches."""
    for start in range(0, count, BATCH):
        yield range(start, min(start + BATCH, count))


@dataclass(frozen=True)
class Candidate:
    """A method: the images that it offers for the rows of the reference."""

    name: str
    kind: str  # model | folder | baseline
    read: Read
    source: str = ""  # path of the weights or of the folder


@dataclass(frozen=True, eq=False)
class Measured:
    """What is stored about the images of a method."""

    values: dict[str, Values]  # metric -> (N,)
    features: dict[str, Floats]  # extractor -> (N, D), mapped from a file
    thumbnails: Pixels  # (N, 16, 16, 3)


Places = NDArray[np.float64]


class Extractor(Protocol):
    """What the `open_extractor(files)` of a metric's feature extractor returns."""

    def look(self, real: Pixels) -> Places:
        """Return where to look on real photos `(N, H, W, 3)`, such as alignments: `(N, ...)`."""

    def describe(self, pictures: Pixels, places: Places) -> Floats:
        """Return the features `(N, D)` of images `(N, H, W, 3)` at the places from `look`."""


Score = Callable[[Pixels, Pixels], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Tools:
    """The metrics of an evaluation, with their networks loaded."""

    metrics: dict[str, Named]  # all available metrics, in the order of the table
    scores: dict[str, Score]  # metrics with one value per pair of images
    extractors: dict[str, Extractor]
    unavailable: dict[str, str] = field(default_factory=dict)  # metric -> command or reason


def measure(
    predictors: Sequence[Candidate],
    reference: Reference,
    tools: Tools,
    places: Mapping[str, Places],
    reporter: Reporter,
) -> list[Measured]:
    """Compute values, features and thumbnails of all images of all methods, batch by batch."""
    notes = [_Notes(tools) for _ in predictors]
    for rows in reference.batches():
        real = reference.read(rows)
        here = {name: found[rows.start : rows.stop] for name, found in places.items()}
        for predictor, note in zip(predictors, notes, strict=True):
            note.take(predictor.read(rows), real, tools, here)
        reporter(Advanced(f"images of {reference.name}", rows.stop, len(reference)))
    return [note.whole() for note in notes]


class _Notes:
    def __init__(self, tools: Tools) -> None:
        self.values: dict[str, list[Values]] = {name: [] for name in tools.scores}
        self.features = {name: FeatureStore() for name in tools.extractors}
        self.thumbnails: list[Pixels] = []

    def take(
        self, generated: Pixels, real: Pixels, tools: Tools, places: Mapping[str, Places]
    ) -> None:
        for name, score in tools.scores.items():
            self.values[name].append(score(generated, real))
        for name, extractor in tools.extractors.items():
            self.features[name].add(extractor.describe(generated, places[name]))
        self.thumbnails.append(memorisation_thumbnails(generated))

    def whole(self) -> Measured:
        return Measured(
            {name: np.concatenate(parts) for name, parts in self.values.items()},
            {name: pile.whole() for name, pile in self.features.items()},
            np.concatenate(self.thumbnails),
        )


# Features are appended to a file, so memory stays constant: 50,000 images with 2048 numbers each
# would take 400 MB per method.


class FeatureStore:
    """Feature rows of one width in an unnamed file that is deleted after its last use."""

    def __init__(self) -> None:
        # The system's temporary folder may itself be in memory.
        folder = paths.cache_home()
        with files.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = cast("BinaryIO", tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        self._width = 0

    def add(self, rows: Floats) -> None:
        """Append rows `(B, D)`."""
        self._width = rows.shape[1]
        with files.writing(paths.cache_home()):
            self._file.write(rows.astype(np.float32, copy=False).tobytes())
            self._file.flush()

    def whole(self) -> Floats:
        """Return all rows `(N, D)` as an array that is mapped from the file."""
        mapped = np.memmap(self._file, np.float32, mode="r")
        return np.asarray(mapped).reshape(-1, self._width)


# The features of the real photos are computed once and cached for later evaluations.


@dataclass(frozen=True, eq=False)
class RealSide:
    """The real photos' features, and the places where the extractors look on them."""

    features: dict[str, Floats]  # extractor -> (N, D), mapped from a file
    places: dict[str, Places]  # extractor -> (N, ...)
    thumbnails: Pixels  # (N, 16, 16, 3)


def look(reference: Reference, tools: Tools, reporter: Reporter) -> RealSide:
    """Compute features, places and thumbnails of all real photos, or read them from the cache."""
    digest, thumbnails = hashlib.sha256(), []
    for rows in reference.batches():
        photos = reference.read(rows)
        for photo in photos:
            digest.update(picture_hash(photo).encode())
        thumbnails.append(memorisation_thumbnails(photos))
    features, places = {}, {}
    for name in tools.extractors:
        features[name], places[name] = _cached(name, digest.hexdigest(), reference, tools, reporter)
    return RealSide(features, places, np.concatenate(thumbnails))


def _cached(
    name: str, digest: str, reference: Reference, tools: Tools, reporter: Reporter
) -> tuple[Floats, Places]:
    protocol = registry.extractor(name).PROTOCOL
    key = hashlib.sha256(f"{__version__} {protocol} {reference.size} {digest}".encode()).hexdigest()
    stem = paths.cache_home() / "features" / f"{name}-{key[:32]}"
    kept = [stem.with_name(f"{stem.name}-{what}.npy") for what in ("places", "features")]
    try:
        places, features = (np.load(path, mmap_mode="r", allow_pickle=False) for path in kept)
    except (OSError, ValueError, EOFError):  # the file is missing or damaged
        places, features = _look_through(tools.extractors[name], name, reference, reporter)
        files.write_whole(kept[0], partial(_save, rows=places))
        files.write_whole(kept[1], partial(_save, rows=features))
    return np.asarray(features), np.asarray(places)


def _look_through(
    extractor: Extractor, name: str, reference: Reference, reporter: Reporter
) -> tuple[Places, Floats]:
    features, places = FeatureStore(), []
    for rows in reference.batches():
        photos = reference.read(rows)
        places.append(extractor.look(photos))
        features.add(extractor.describe(photos, places[-1]))
        reporter(Advanced(f"features of the real photos ({name})", rows.stop, len(reference)))
    return np.concatenate(places), features.whole()


def _save(path: Path, *, rows: NDArray[np.floating]) -> None:
    with path.open("wb") as file:  # given a name, np.save would add a suffix
        np.save(file, rows)


# This section opens the requested metrics and the networks that they need.

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


def open_tools(chosen: Sequence[str] = (), *, size: tuple[int, int]) -> Tools:
    """Open the chosen metrics (default: all) and their networks for images of `size` (H, W)."""
    known = registry.names(registry.METRICS)
    if strangers := [name for name in chosen if name not in known]:
        hint = errors.did_you_mean(strangers[0], known)
        raise UsageError(f"there is no metric named '{strangers[0]}'", hint=hint)
    modules = {name: registry.load(registry.METRICS, name) for name in chosen or _ordered(known)}
    needs = {name: networks_of(module) for name, module in modules.items()}
    found = {name: file_of(name) for names in needs.values() for name in names}
    here = {name: path for name, path in found.items() if path is not None}
    unavailable = {
        name: "; ".join(f"sketch2img fetch-data {n}" for n in names if n not in here)
        for name, names in needs.items()
        if not here.keys() >= set(names)
    } | {
        name: f"needs images that are at least {module.SMALLEST_SIDE} px wide and high"
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
    return [*HEADLINE, *(name for name in names if name not in HEADLINE)]


def networks_of(metric: Named) -> tuple[str, ...]:
    """Return the names of the networks that a metric and its feature extractor need."""
    own: tuple[str, ...] = getattr(metric, "NETWORKS", ())
    return own + (
        registry.extractor(metric.FEATURES).NETWORKS if hasattr(metric, "FEATURES") else ()
    )


def protocol_of(metric: Named) -> str:
    """Return the protocol of a metric, followed by that of the features that it compares."""
    features = (
        f"; features: {registry.extractor(metric.FEATURES).PROTOCOL}"
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


# This section finds downloaded evaluation networks and converts them for the metrics.

PATIENCE = 60.0  # seconds to wait for another process that is converting the same network


def file_of(name: str) -> Path | None:
    """Return a network's file, or None if it has not been downloaded; convert it if necessary."""
    folder = paths.assets_home() / name
    for edition in registry.load(registry.ASSETS, name).ASSET.editions:
        found = [folder / file.name for file in edition.files]
        if all(path.is_file() for path in found):
            return _converted(name, found) if name in CONVERTED else found[0]
    return None


def _converted(name: str, sources: Sequence[Path]) -> Path:
    """Return the network as safetensors, converted again if the downloaded files are newer."""
    target = paths.cache_home() / "networks" / f"{name}.safetensors"
    if not _is_new(target, sources):
        with files.locked(target, patience=PATIENCE):
            if not _is_new(target, sources):  # another process may have converted it meanwhile
                convert(name, sources, target)
    return target


def _is_new(target: Path, sources: Sequence[Path]) -> bool:
    newest = max(source.stat().st_mtime for source in sources)
    return target.is_file() and target.stat().st_mtime >= newest


# This section checks whether a model has memorised its training photos.
#
# The distance of two photos is the mean absolute difference of their 16x16 colour thumbnails, in
# [0, 255]: it measures the overall impression and tolerates a shift by a pixel.
#
# A photo that is nearer to a training photo than to its real photo need not be a copy: the mean of
# all photos always is nearer, as are many blurred results. A copy is nearer to one training photo
# than to the rest; the real test photos, which cannot be copies, show how much nearer by chance.

PROTOCOL = (
    "mean absolute difference of 16x16 colour thumbnails (0-255); nearness: distance to the "
    "nearest training photo divided by the mean distance to all; copied: nearness below the 5% "
    "quantile of the real test photos"
)
SIDE = 16
BY_CHANCE = 0.05  # fraction of the real test photos that count as copies
ROWS, COLUMNS = 2048, 1024  # images and training photos that are compared at a time


@dataclass(frozen=True, eq=False)
class Distances:
    """The distances of N images from the training photos."""

    least: NDArray[np.float64]  # (N,), from the nearest training photo
    usual: NDArray[np.float64]  # (N,), mean over all training photos

    @property
    def nearness(self) -> NDArray[np.float64]:
        """The least distance divided by the mean distance, `(N,)`: 0 for a copy, at most 1."""
        ratios = np.ones(len(self.usual))
        np.divide(self.least, self.usual, out=ratios, where=self.usual > 0)
        return ratios


class Examiner:
    """The training photos, and the nearness below which a photo counts as a copy of one of them.

    Args:
        real: Thumbnails of the real test photos, `(N, 16, 16, 3)`.
        training: Thumbnails of all training photos, `(M, 16, 16, 3)`.
    """

    def __init__(self, real: Pixels, training: Pixels) -> None:
        self.real, self.training = real, training
        self.limit = np.quantile(distances(real, training).nearness, BY_CHANCE)

    def score(self, generated: Pixels) -> MemorisationScore:
        """Score thumbnails `(N, 16, 16, 3)` in the order of the real photos.

        If 5% of the test photos are training photos themselves, no photo can count as a copy.
        """
        found = distances(generated, self.training)
        to_truth = np.abs(generated.astype(np.float64) - self.real).mean(axis=(1, 2, 3))
        return MemorisationScore(
            share_copied=float((found.nearness < self.limit).mean()),
            share_nearer=float((found.least < to_truth).mean()),
        )


def memorisation_thumbnails(photos: Iterable[Pixels]) -> Pixels:
    """Return thumbnails (uint8, `(N, 16, 16, 3)`) of photos: 77 MB for 100,000 photos."""
    return np.stack([images.resize(photo, (SIDE, SIDE)) for photo in photos])


def distances(pictures: Pixels, training: Pixels) -> Distances:
    """Compare thumbnails `(N, 16, 16, 3)` with those of all training photos, `(M, 16, 16, 3)`."""
    least, total = np.full(len(pictures), np.inf), np.zeros(len(pictures))
    for start in range(0, len(pictures), ROWS):
        part = slice(start, start + ROWS)
        ours = _flat(pictures[part])
        for first in range(0, len(training), COLUMNS):
            # Sums of integers below 2^24 are exact in float32, in any order.
            found = torch.cdist(ours, _flat(training[first : first + COLUMNS]), p=1)
            least[part] = np.minimum(least[part], found.amin(dim=1).numpy())
            total[part] += found.double().sum(dim=1).numpy()
    values = pictures[0].size
    return Distances(least / values, total / (values * len(training)))


def _flat(pictures: Pixels) -> torch.Tensor:
    return torch.from_numpy(pictures.astype(np.float32)).flatten(1)
