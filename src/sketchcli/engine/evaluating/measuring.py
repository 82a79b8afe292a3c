"""Measure a predictor's pictures, batch by batch: values, features and thumbnails, never pixels."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sketchcli.engine.evaluating import memorisation
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

    def __len__(self) -> int:
        return len(self.ids)

    def batches(self) -> Iterator[range]:
        """All rows, a batch at a time."""
        for start in range(0, len(self), BATCH):
            yield range(start, min(start + BATCH, len(self)))


@dataclass(frozen=True)
class Predictor:
    """Somebody's pictures for the same rows."""

    name: str
    kind: str  # model | folder | baseline
    read: Read


@dataclass(frozen=True, eq=False)
class Measured:
    """What is kept of a predictor's pictures."""

    values: dict[str, Values]  # metric -> (N,)
    features: dict[str, Floats]  # extractor -> (N, D)
    thumbnails: Pixels  # (N, 16, 16, 3)


def measure(
    predictor: Predictor,
    truth: Truth,
    tools: Tools,
    places: Mapping[str, Places],
    reporter: Reporter,
) -> Measured:
    """Measure all pictures of a predictor.

    Args:
        predictor: Whose pictures.
        truth: What they are compared with.
        tools: What they are measured with.
        places: Where each extractor looks on the real photos.
        reporter: Told of the progress.
    """
    values: dict[str, list[Values]] = {name: [] for name in tools.scores}
    features: dict[str, list[Floats]] = {name: [] for name in tools.extractors}
    thumbnails = []
    for rows in truth.batches():
        generated, real = predictor.read(rows), truth.read(rows)
        for name, score in tools.scores.items():
            values[name].append(score(generated, real))
        for name, extractor in tools.extractors.items():
            found = places[name][rows.start : rows.stop]
            features[name].append(extractor.describe(generated, found))
        thumbnails.append(memorisation.thumbnails(generated))
        reporter(Advanced(predictor.name, rows.stop, len(truth)))
    return Measured(
        {name: np.concatenate(parts) for name, parts in values.items()},
        {name: np.concatenate(parts) for name, parts in features.items()},
        np.concatenate(thumbnails),
    )
