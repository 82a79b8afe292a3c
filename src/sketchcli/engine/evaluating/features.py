"""What an evaluation computes from images, batch by batch: values, features and thumbnails.

The file also opens the metrics and their networks, and checks whether a model has memorised its
training photos.
"""

import contextlib
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

from sketchcli import __version__, files, images, paths, registry
from sketchcli.config import Domains, Fit
from sketchcli.data.prepared import picture_hash
from sketchcli.engine.events import Advanced, Reporter
from sketchcli.engine.fetching.convert import CONVERTED, convert
from sketchcli.engine.results import MemorisationScore
from sketchcli.errors import DataError
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
    domains: Domains = Domains()

    def __len__(self) -> int:
        return len(self.ids)


def batches(count: int, size: int) -> Iterator[range]:
    """Yield the ranges of at most `size` rows that make up `count` rows."""
    for start in range(0, count, size):
        yield range(start, min(start + size, count))


@dataclass(frozen=True)
class Candidate:
    """A method: the images that it offers for the rows of the reference."""

    name: str
    kind: str  # model | folder | baseline
    read: Read
    source: str = ""  # path of the weights or of the folder


@dataclass(frozen=True, eq=False)
class Measured:
    """What is stored about the images of a method, or about the real photos."""

    values: dict[str, Values]  # metric -> (N,); empty for the real photos
    features: dict[str, Floats]  # extractor -> (N, D), mapped from a file
    thumbnails: Pixels = field(default_factory=lambda: np.empty((0, SIDE, SIDE, 3), np.uint8))
    places: dict[str, Values] = field(default_factory=dict)  # where to look on the real photos


class Extractor(Protocol):
    """What the `open_extractor(files)` of a metric's feature extractor returns."""

    def look(self, real: Pixels) -> Values:
        """Return where to look on real photos `(N, H, W, 3)`, such as alignments: `(N, ...)`."""

    def describe(self, pictures: Pixels, places: Values) -> Floats:
        """Return the features `(N, D)` of images `(N, H, W, 3)` at the places from `look`."""


Score = Callable[[Pixels, Pixels], Values]


@dataclass(frozen=True, eq=False)
class Tools:
    """The metrics of an evaluation, with their networks loaded."""

    metrics: dict[str, Named]  # all available metrics, in the order of the table
    scores: dict[str, Score]  # metrics with one value per pair of images
    extractors: dict[str, Extractor]
    unavailable: dict[str, str] = field(default_factory=dict)  # metric -> command or reason


def measure(
    candidates: Sequence[Candidate],
    reference: Reference,
    tools: Tools,
    real: Measured,
    reporter: Reporter,
) -> list[Measured]:
    """Compute values, features and thumbnails of all images of all methods, batch by batch."""
    values: list[dict[str, list[Values]]] = [{n: [] for n in tools.scores} for _ in candidates]
    stores = [{name: FeatureStore() for name in tools.extractors} for _ in candidates]
    thumbnails: list[list[Pixels]] = [[] for _ in candidates]
    for rows in batches(len(reference), BATCH):
        photos = reference.read(rows)
        for index, candidate in enumerate(candidates):
            generated = candidate.read(rows)
            for name, score in tools.scores.items():
                values[index][name].append(score(generated, photos))
            for name, extractor in tools.extractors.items():
                places = real.places[name][rows.start : rows.stop]
                stores[index][name].add(extractor.describe(generated, places))
            thumbnails[index].append(memorisation_thumbnails(generated))
        reporter(Advanced(f"images of {reference.name}", rows.stop, len(reference)))
    found = []
    for own, kept, small in zip(values, stores, thumbnails, strict=True):
        features = {name: store.whole() for name, store in kept.items()}
        arrays = {name: np.concatenate(parts) for name, parts in own.items()} | {
            name: metric.compare_pairs(features[metric.FEATURES], real.features[metric.FEATURES])
            for name, metric in tools.metrics.items()
            if hasattr(metric, "compare_pairs") and metric.FEATURES in features
        }
        in_order = {name: arrays[name] for name in tools.metrics if name in arrays}
        found.append(Measured(in_order, features, np.concatenate(small)))
    return found


# Features are appended to a file, so memory stays constant: 50,000 images with 2048 numbers each
# would take 400 MB per method.


class FeatureStore:
    """Feature rows of one width in an unnamed file that is deleted after its last use."""

    def __init__(self) -> None:
        # The system's temporary folder may itself be in memory.
        folder = paths.cache_home()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        except OSError:  # a data folder that can only be read
            file = tempfile.TemporaryFile()  # noqa: SIM115
        self._file = cast("BinaryIO", file)
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


def look(reference: Reference, tools: Tools, reporter: Reporter) -> Measured:
    """Compute features, places and thumbnails of all real photos, or read them from the cache."""
    digest, thumbnails = hashlib.sha256(), []
    for rows in batches(len(reference), BATCH):
        photos = reference.read(rows)
        for photo in photos:
            digest.update(picture_hash(photo).encode())
        thumbnails.append(memorisation_thumbnails(photos))
    features, places = {}, {}
    for name in tools.extractors:
        features[name], places[name] = _cached(name, digest.hexdigest(), reference, tools, reporter)
    return Measured({}, features, np.concatenate(thumbnails), places)


def _cached(
    name: str, digest: str, reference: Reference, tools: Tools, reporter: Reporter
) -> tuple[Floats, Values]:
    extractor, protocol = tools.extractors[name], registry.extractor(name).PROTOCOL
    key = hashlib.sha256(f"{__version__} {protocol} {reference.size} {digest}".encode()).hexdigest()
    stem = paths.cache_home() / "features" / f"{name}-{key[:32]}"
    kept = [stem.with_name(f"{stem.name}-{what}.npy") for what in ("places", "features")]
    try:
        places, features = (np.load(path, mmap_mode="r", allow_pickle=False) for path in kept)
    except (OSError, ValueError, EOFError):  # the file is missing or damaged
        store, parts = FeatureStore(), []
        for rows in batches(len(reference), BATCH):
            photos = reference.read(rows)
            parts.append(extractor.look(photos))
            store.add(extractor.describe(photos, parts[-1]))
            what = f"features of the real {reference.domains.target.many} ({name})"
            reporter(Advanced(what, rows.stop, len(reference)))
        places, features = np.concatenate(parts), store.whole()
        with contextlib.suppress(DataError):  # without a cache, it takes this long again
            files.write_whole(kept[0], partial(np.save, arr=places))
            files.write_whole(kept[1], partial(np.save, arr=features))
    return np.asarray(features), np.asarray(places)


# The first metrics of the table.
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
    others = (name for name in registry.names(registry.METRICS) if name not in HEADLINE)
    wanted = chosen or [*HEADLINE, *others]
    modules = {name: registry.load(registry.METRICS, name) for name in wanted}
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


def _score(metric: Named, here: Mapping[str, Path]) -> Score:
    loaded = [metric.load(here[name]) for name in networks_of(metric)]
    return partial(metric.score, network=loaded[0]) if loaded else cast("Score", metric.score)


def networks_of(metric: Named) -> tuple[str, ...]:
    """Return the names of the networks that a metric or its feature extractor needs."""
    holder = registry.extractor(metric.FEATURES) if hasattr(metric, "FEATURES") else metric
    names: tuple[str, ...] = getattr(holder, "NETWORKS", ())
    return names


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
    newest = max(source.stat().st_mtime for source in sources)

    def is_new() -> bool:
        return target.is_file() and target.stat().st_mtime >= newest

    if not is_new():
        with files.locked(target, patience=60.0):  # in seconds
            if not is_new():  # another process may have converted it meanwhile
                convert(name, sources, target)
    return target


# This section checks whether a model has memorised its training photos. A photo that is nearer to a
# training photo than to its real photo need not be a copy: the mean of all photos always is nearer.
# A copy is nearer to one training photo than to the rest; the real test photos, which cannot be
# copies, show how much nearer by chance.

SIDE = 16
BY_CHANCE = 0.05  # fraction of the real test photos that count as copies
ROWS, COLUMNS = 2048, 1024  # images and training photos that are compared at a time


def memorisation_protocol(domains: Domains) -> str:
    """Return how memorisation is measured."""
    return (
        "mean absolute difference of 16x16 colour thumbnails (0-255); nearness: distance to the "
        f"nearest training {domains.target.one} divided by the mean distance to all; copied: "
        f"nearness below the 5% quantile of the real test {domains.target.many}"
    )


def memorisation_thumbnails(photos: Iterable[Pixels]) -> Pixels:
    """Return thumbnails (uint8, `(N, 16, 16, 3)`) of photos: 77 MB for 100,000 photos."""
    return np.stack([images.to_rgb(images.resize(photo, (SIDE, SIDE))) for photo in photos])


def memorisation(
    generated: Sequence[Pixels], real: Pixels, training: Iterable[Pixels] | None
) -> list[MemorisationScore | None]:
    """Score the thumbnails of each method's photos, in the order of the real photos.

    If 5% of the real test photos are training photos themselves, no photo can count as a copy.
    """
    if training is None:
        return [None for _ in generated]
    small = memorisation_thumbnails(training)
    limit = np.quantile(distances(real, small)[1], BY_CHANCE)
    found: list[MemorisationScore | None] = []
    for pictures in generated:
        least, nearness = distances(pictures, small)
        to_real = np.abs(pictures.astype(np.float64) - real).mean(axis=(1, 2, 3))
        copied, nearer = (nearness < limit).mean(), (least < to_real).mean()
        found.append(MemorisationScore(share_copied=float(copied), share_nearer=float(nearer)))
    return found


def distances(pictures: Pixels, training: Pixels) -> tuple[Values, Values]:
    """Return the distance to the nearest training photo, and the nearness: `(N,)` each.

    Both are of thumbnails, `(N, 16, 16, 3)` and `(M, 16, 16, 3)`. A copy has the nearness 0.
    """
    least, total = np.full(len(pictures), np.inf), np.zeros(len(pictures))
    for part in batches(len(pictures), ROWS):
        ours = _flat(pictures, part)
        for columns in batches(len(training), COLUMNS):
            # Sums of integers below 2^24 are exact in float32, in any order.
            found = torch.cdist(ours, _flat(training, columns), p=1)
            least[part] = np.minimum(least[part], found.amin(dim=1).numpy())
            total[part] += found.double().sum(dim=1).numpy()
    values = pictures[0].size
    least, usual = least / values, total / (values * len(training))
    return least, np.divide(least, usual, out=np.ones(len(usual)), where=usual > 0)


def _flat(pictures: Pixels, rows: range) -> torch.Tensor:
    part = pictures[rows.start : rows.stop].astype(np.float32)
    return torch.from_numpy(part).flatten(1)
