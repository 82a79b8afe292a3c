"""Measure a predictor's pictures, batch by batch: values, features and thumbnails, never pixels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sketchcli.config import Fit
from sketchcli.engine.evaluating import memorisation
from sketchcli.engine.evaluating.piling import Pile
from sketchcli.engine.evaluating.tools import Places, Tools
from sketchcli.engine.events import Advanced, Reporter
from sketchcli.images import Floats, Pixels

BATCH = 16
Read = Callable[[range], Pixels]  # rows -> uint8 (B, H, W, 3)
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
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
class Predictor:
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
    predictors: Sequence[Predictor],
    truth: Truth,
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
        self.features = {name: Pile() for name in tools.extractors}
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
