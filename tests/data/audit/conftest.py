"""Drawn pairs, and what the audit says of them after a change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from sketchcli import images
from sketchcli.assets.demo import draw_pair
from sketchcli.data.audit.findings import examine
from sketchcli.data.audit.records import FEATURES, describe
from sketchcli.data.audit.terms import Audit
from sketchcli.data.prepared import Pair
from sketchcli.images import Pixels

SIZE = 64


@dataclass
class Scene:
    """Pairs that a test may change before they are audited."""

    sketches: list[Pixels]
    photos: list[Pixels]
    sources: dict[tuple[str, int], Pixels] = field(default_factory=dict)  # where not as stored
    splits: dict[int, str] = field(default_factory=dict)  # where not `train`

    def features(self) -> np.ndarray:
        records = [self._describe(row) for row in range(len(self.sketches))]
        return np.array(records, FEATURES)

    def names(self) -> list[Pair]:
        return [
            Pair(f"pair-{row}", self.splits.get(row, "train"), "", f"s/{row}.png", f"p/{row}.png")
            for row in range(len(self.sketches))
        ]

    def audit(self, *, is_drawn: bool = False) -> Audit:
        return examine(self.features(), self.names(), is_drawn=is_drawn)

    def _describe(self, row: int) -> np.ndarray:
        sketch, photo = self.sketches[row], self.photos[row]
        return describe(
            self.sources.get(("sketch", row), images.to_rgb(sketch)),
            self.sources.get(("photo", row), photo),
            sketch,
            photo,
        )


@pytest.fixture(scope="session")
def drawn() -> Sequence[tuple[Pixels, Pixels]]:
    return [draw_pair(index, size=SIZE) for index in range(40)]


@pytest.fixture
def scene(drawn) -> Callable[..., Scene]:
    def make(count: int = 24) -> Scene:
        sketches, photos = zip(*drawn[:count], strict=True)
        return Scene(list(sketches), list(photos))

    return make
