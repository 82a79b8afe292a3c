"""Drawn pairs, and what the audit says of them after a change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from sketchcli import images
from sketchcli.assets.demo import draw_pair
from sketchcli.config.domains import SKETCH_TO_PHOTO, Domains
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

    def audit(self, *, is_drawn: bool = False, domains: Domains = SKETCH_TO_PHOTO) -> Audit:
        return examine(self.features(), self.names(), is_drawn=is_drawn, domains=domains)

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


LAND, PARK, WATER, ROAD = (242, 239, 233), (200, 230, 180), (170, 211, 223), (255, 255, 255)


def draw_map(index: int, size: int = 96) -> tuple[Pixels, Pixels]:
    """A map and its aerial photo: regions with curved borders and roads; each sixth is plain."""
    random = np.random.default_rng(index)
    down, right = np.mgrid[:size, :size] / size
    places = random.random((int(random.integers(2, 6)) if index % 6 else 1, 2, 1, 1))
    bend = 0.05 * np.sin(9 * right + index) + 0.05 * np.sin(8 * down)
    nearest = np.argmin([(down - y + bend) ** 2 + (right - x - bend) ** 2 for y, x in places], 0)
    kinds = random.permutation(3)[nearest % 3]
    drawn = np.array([LAND, PARK, WATER])[kinds]
    shot = np.array([(150, 140, 105), (62, 88, 50), (38, 62, 78)], float)[kinds]
    coarse = np.repeat(np.repeat(random.normal(size=(size // 4, size // 4)), 4, 0), 4, 1)
    texture = 12 * coarse + 8 * random.normal(size=(size, size))
    shot += (texture * np.array([1, 1.3, 0.5])[kinds])[..., None]
    for angle, place in random.random((2 if index % 6 else 0, 2)):
        across = right * np.sin(7 * angle) - down * np.cos(7 * angle)
        is_road = np.abs(across - across.mean() - 0.6 * (place - 0.5)) < 0.02
        drawn[is_road], shot[is_road] = ROAD, 115
    return drawn.astype(np.uint8), np.clip(shot, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def drawn_maps() -> Sequence[tuple[Pixels, Pixels]]:
    return [draw_map(index) for index in range(60)]


@pytest.fixture
def maps(drawn_maps) -> Callable[..., Scene]:
    """Make map pairs whose maps and aerial photos have these channels."""

    def make(channels: tuple[int, int] = (3, 3)) -> Scene:
        sides = (
            [images.luma(picture) if number == 1 else picture for picture in pictures]
            for pictures, number in zip(zip(*drawn_maps, strict=True), channels, strict=True)
        )
        return Scene(*sides)

    return make
