"""Measure a predictor's pictures, batch by batch: values, features and thumbnails, never pixels."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from sketchcli import __version__, files, paths, registry
from sketchcli.config import Fit
from sketchcli.data.prepared import picture_hash
from sketchcli.engine.evaluating import memorisation
from sketchcli.engine.evaluating.tools import Extractor, Places, Tools
from sketchcli.engine.events import Advanced, Reporter
from sketchcli.images import Floats, Pixels

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
        self.thumbnails.append(memorisation.thumbnails(generated))

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
        thumbnails.append(memorisation.thumbnails(photos))
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
