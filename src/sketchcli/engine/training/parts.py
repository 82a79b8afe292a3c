"""A step's batch, cut into what one process takes at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from sketchcli.data.augmentation import DiscriminatorAugmentation


@dataclass(frozen=True)
class Part:
    """Pairs that go through the networks together.

    Args:
        sketch: `(B, 1, H, W) in [-1, 1]`.
        photo: `(B, 3, H, W) in [-1, 1]`, the real ones.
        view: How the discriminator sees them; None: as they are.
        weight: Of its means in those of the step: its share of the step's pairs, over all
            processes.
    """

    sketch: Tensor
    photo: Tensor
    view: DiscriminatorAugmentation | None = None
    weight: float = 1.0

    def __len__(self) -> int:
        return len(self.sketch)

    def seen(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sketches and photos of these pairs as the discriminator sees them."""
        return self.view(self.sketch, photo) if self.view else (self.sketch, photo)

    def rows(self, start: int, stop: int) -> "Part":
        """Some of the pairs."""
        view = self.view and self.view.rows(start, stop)
        weight = self.weight * (stop - start) / len(self)
        return Part(self.sketch[start:stop], self.photo[start:stop], view, weight)

    def split(self, count: int) -> Iterator["Part"]:
        """Cut into `count` parts, as equal as can be, none of them empty."""
        count = min(count, len(self))
        edges = [round(index * len(self) / count) for index in range(count + 1)]
        for start, stop in pairwise(edges):
            yield self.rows(start, stop)
