"""Measure a predictor's pictures, batch by batch: values, features and thumbnails, never pixels."""

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
    """The real photos that everything is compared with."""

    name: str
    ids: tuple[str, ...]
    size: tuple[int, int]  # height, width
    read: Read
    read_sketches: Read | None = None  # as RGB, where there are sketches
    fit: Fit = Fit.STRETCH  # how pictures of another shape became one of this size

    def __len__(self) -> int:
        return len(self.ids)

    def batches(self) -> Iterator[range]:
        """All rows, a batch at a time."""
        return batches(len(self))


def batches(count: int) -> Iterator[range]:
    """So many rows, a batch at a time."""
    for start in range(0, count, BATCH):
        yield range(start, min(start + BATCH, count))


@dataclass(frozen=True)
class Candidate:
    """Somebody's pictures for the same rows."""

    name: str
    kind: str  # model | folder | baseline
    read: Read
    source: str = ""  # weights or folder


@dataclass(frozen=True, eq=False)
class Measured:
    """What is kept of a predictor's pictures."""

    values: dict[str, Values]  # metric -> (N,)
    features: dict[str, Floats]  # extractor -> (N, D), mapped from a file
    thumbnails: Pixels  # (N, 16, 16, 3)


Places = NDArray[np.float64]


class Extractor(Protocol):
    """What an `EXTRACTOR` of the metrics offers as `open_extractor(files)`."""

    def look(self, real: Pixels) -> Places:
        """What must be known of real photos `(N, H, W, 3)` first: `(N, ...)`."""

    def describe(self, pictures: Pixels, places: Places) -> Floats:
        """The features `(N, D)` of pictures `(N, H, W, 3)`, with what `look` found."""


Score = Callable[[Pixels, Pixels], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Tools:
    """Everything that is open for measuring."""

    metrics: dict[str, Named]  # all that can be had, in the order of the table
    scores: dict[str, Score]  # those with a value for each pair of pictures
    extractors: dict[str, Extractor]
    unavailable: dict[str, str] = field(default_factory=dict)  # metric -> command


def measure(
    predictors: Sequence[Candidate],
    truth: Reference,
    tools: Tools,
    places: Mapping[str, Places],
    reporter: Reporter,
) -> list[Measured]:
    """Measure all pictures of all predictors, batch by batch.

    Args:
        predictors: Whose pictures.
        truth: What they are compared with.
        tools: What they are measured with.
        places: Where each extractor looks on the real photos.
        reporter: Told of the progress.
    """
    notes = [_Notes(tools) for _ in predictors]
    for rows in truth.batches():
        real = truth.read(rows)
        here = {name: found[rows.start : rows.stop] for name, found in places.items()}
        for predictor, note in zip(predictors, notes, strict=True):
            note.take(predictor.read(rows), real, tools, here)
        reporter(Advanced(f"pictures of {truth.name}", rows.stop, len(truth)))
    return [note.whole() for note in notes]


class _Notes:
    """What was measured of one predictor so far."""

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


# Rows of features in a file, added batch by batch: memory stays the same for any number.
#
# 2048 numbers of each of 50,000 pictures are 400 MB, for every predictor.


class FeatureStore:
    """Rows of one width; the file has no name, and is gone with the last look at it."""

    def __init__(self) -> None:
        # The system's temporary folder may itself be memory.
        folder = paths.cache_home()
        with files.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = cast("BinaryIO", tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        self._width = 0

    def add(self, rows: Floats) -> None:
        """Put rows `(B, D)` on top.

        Raises:
            DataError: The disk is full.
        """
        self._width = rows.shape[1]
        with files.writing(paths.cache_home()):
            self._file.write(rows.astype(np.float32, copy=False).tobytes())
            self._file.flush()

    def whole(self) -> Floats:
        """All rows `(N, D)`, read from the file as they are looked at."""
        mapped = np.memmap(self._file, np.float32, mode="r")
        return np.asarray(mapped).reshape(-1, self._width)


# What the real photos look like to the extractors: found once, kept for the next evaluation.


@dataclass(frozen=True, eq=False)
class RealSide:
    """The real photos' features, and where the extractors look on them."""

    features: dict[str, Floats]  # extractor -> (N, D), mapped from a file
    places: dict[str, Places]  # extractor -> (N, ...)
    thumbnails: Pixels  # (N, 16, 16, 3)


def look(truth: Reference, tools: Tools, reporter: Reporter) -> RealSide:
    """Look at all real photos, or read what an earlier look found."""
    digest, thumbnails = hashlib.sha256(), []
    for rows in truth.batches():
        photos = truth.read(rows)
        for photo in photos:
            digest.update(picture_hash(photo).encode())
        thumbnails.append(memorisation_thumbnails(photos))
    features, places = {}, {}
    for name in tools.extractors:
        features[name], places[name] = _cached(name, digest.hexdigest(), truth, tools, reporter)
    return RealSide(features, places, np.concatenate(thumbnails))


def _cached(
    name: str, digest: str, truth: Reference, tools: Tools, reporter: Reporter
) -> tuple[Floats, Places]:
    """Features and places of the real photos, computed unless they were before."""
    protocol = registry.extractor(name).PROTOCOL
    key = hashlib.sha256(f"{__version__} {protocol} {truth.size} {digest}".encode()).hexdigest()
    stem = paths.cache_home() / "features" / f"{name}-{key[:32]}"
    kept = [stem.with_name(f"{stem.name}-{what}.npy") for what in ("places", "features")]
    try:
        places, features = (np.load(path, mmap_mode="r", allow_pickle=False) for path in kept)
    except (OSError, ValueError, EOFError):  # not there, or damaged
        places, features = _look_through(tools.extractors[name], name, truth, reporter)
        files.write_whole(kept[0], partial(_save, rows=places))
        files.write_whole(kept[1], partial(_save, rows=features))
    return np.asarray(features), np.asarray(places)


def _look_through(
    extractor: Extractor, name: str, truth: Reference, reporter: Reporter
) -> tuple[Places, Floats]:
    features, places = FeatureStore(), []
    for rows in truth.batches():
        photos = truth.read(rows)
        places.append(extractor.look(photos))
        features.add(extractor.describe(photos, places[-1]))
        reporter(Advanced(f"real photos, {name}", rows.stop, len(truth)))
    return np.concatenate(places), features.whole()


def _save(path: Path, *, rows: NDArray[np.floating]) -> None:
    with path.open("wb") as file:  # np.save would add a suffix to a name
        np.save(file, rows)


# What pictures are measured with: the metrics asked for, and the networks that they need.

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


# Whether a model repeats its training photos: is a result nearer to one of them than to the truth?
#
# The distance of two photos is the mean absolute difference of their 16x16 colour thumbnails, in
# [0, 255]: the eye's overall impression, which forgives a shift of a pixel.
#
# Being nearer to a training photo than to the truth does not make a copy: the mean of all photos
# is, always, and so is many a blurred result, because it is nearer to everything. A copy is nearer
# to one training photo than to the rest. How much nearer new photos are by chance, the real test
# photos say, which nobody can have copied.

PROTOCOL = (
    "mean absolute difference of 16x16 colour thumbnails (0-255); nearness: distance to the "
    "nearest training photo over the mean distance to all; copied: below the 5 % quantile of the "
    "real test photos' own nearness"
)
SIDE = 16
BY_CHANCE = 0.05  # share of real test photos that count as copies
ROWS, COLUMNS = 2048, 1024  # pictures and training photos that are compared at a time


@dataclass(frozen=True, eq=False)
class Distances:
    """How far pictures are from the training photos, picture by picture.

    Args:
        least: `(N,)`: from the nearest one.
        usual: `(N,)`: from all, on average.
    """

    least: NDArray[np.float64]
    usual: NDArray[np.float64]

    @property
    def nearness(self) -> NDArray[np.float64]:
        """Distance over what is usual, `(N,)`: 0 for a copy, at most 1."""
        ratios = np.ones(len(self.usual))
        np.divide(self.least, self.usual, out=ratios, where=self.usual > 0)
        return ratios


class Examiner:
    """Knows the training photos, and how near to one of them a new photo is by chance.

    Args:
        real: Thumbnails of the real test photos, `(N, 16, 16, 3)`.
        training: Thumbnails of all training photos, `(M, 16, 16, 3)`.
    """

    def __init__(self, real: Pixels, training: Pixels) -> None:
        self.real, self.training = real, training
        self.limit = np.quantile(distances(real, training).nearness, BY_CHANCE)

    def score(self, generated: Pixels) -> MemorisationScore:
        """How many of some pictures count as copies, and how many are far from the truth.

        Where 5 % of the test photos are training photos themselves, none can count as a copy.

        Args:
            generated: Thumbnails `(N, 16, 16, 3)`, in the order of the real photos.
        """
        found = distances(generated, self.training)
        to_truth = np.abs(generated.astype(np.float64) - self.real).mean(axis=(1, 2, 3))
        return MemorisationScore(
            share_copied=float((found.nearness < self.limit).mean()),
            share_nearer=float((found.least < to_truth).mean()),
        )


def memorisation_thumbnails(photos: Iterable[Pixels]) -> Pixels:
    """uint8 `(N, 16, 16, 3)`, from photos `(H, W, 3)`; 77 MB of 100,000 photos of any size."""
    return np.stack([images.resize(photo, (SIDE, SIDE)) for photo in photos])


def distances(pictures: Pixels, training: Pixels) -> Distances:
    """Compare thumbnails `(N, 16, 16, 3)` with those of all training photos, `(M, 16, 16, 3)`."""
    least, total = np.full(len(pictures), np.inf), np.zeros(len(pictures))
    for start in range(0, len(pictures), ROWS):
        part = slice(start, start + ROWS)
        ours = _flat(pictures[part])
        for first in range(0, len(training), COLUMNS):
            # Sums of whole numbers below 2^24 are exact in float32, in any order.
            found = torch.cdist(ours, _flat(training[first : first + COLUMNS]), p=1)
            least[part] = np.minimum(least[part], found.amin(dim=1).numpy())
            total[part] += found.double().sum(dim=1).numpy()
    values = pictures[0].size
    return Distances(least / values, total / (values * len(training)))


def _flat(pictures: Pixels) -> torch.Tensor:
    return torch.from_numpy(pictures.astype(np.float32)).flatten(1)
