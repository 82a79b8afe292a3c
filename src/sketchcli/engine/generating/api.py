"""Drawing from Python: a model that is called with sketches and gives back photos."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from sketchcli import device as devices
from sketchcli import images
from sketchcli.config import Align
from sketchcli.engine.generating.generate import Pipeline, open_models
from sketchcli.engine.generating.inputs import Drawing, Scale, When
from sketchcli.engine.generating.prepare import Prepared
from sketchcli.engine.runs import find_weights
from sketchcli.errors import DataError
from sketchcli.images import Pixels

Sketch = str | Path | NDArray[np.uint8]


@dataclass(frozen=True)
class PhotoGenerator:
    """Turns sketches into photos; made by `sketchcli.load_generator`.

    Calling it is not for several threads at once.
    """

    models: tuple[Path, ...]
    size: tuple[int, int]  # height and width that the first model was trained at
    _studio: Pipeline = field(repr=False)

    @overload
    def __call__(self, sketch: Sketch) -> Pixels: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(self, sketch: Sequence[Sketch]) -> list[Pixels]: ...

    def __call__(self, sketch: Sketch | Sequence[Sketch]) -> Pixels | list[Pixels]:
        """Draw the photo of a sketch, or of each of several.

        Args:
            sketch: A file's path, or uint8 pixels in [0, 255]: grey `(H, W)` or RGB `(H, W, 3)`.
                A list of these is a batch.

        Returns:
            uint8 RGB `(H', W', 3)`, of the sketch's aspect ratio; of a batch, a list of them.

        Raises:
            DataError: A file cannot be read, or an array is no picture.
        """
        if isinstance(sketch, str | Path | np.ndarray):
            return self._draw([sketch])[0]
        return self._draw(sketch)

    def warnings(self, sketch: Sketch) -> tuple[str, ...]:
        """What `generate` would warn of: no face found, unlike the training sketches."""
        return self._studio.preparer.prepare(_pixels(sketch)).warnings

    def _draw(self, sketches: Sequence[Sketch]) -> list[Pixels]:
        """One photo each; those whose frames have one shape go through the network together."""
        prepared = [self._studio.preparer.prepare(_pixels(sketch)) for sketch in sketches]
        groups: dict[object, list[int]] = {}
        for index, one in enumerate(prepared):
            groups.setdefault(one.shapes, []).append(index)
        photos: dict[int, Pixels] = {}
        for rows in groups.values():
            photos |= zip(rows, self._photos([prepared[row] for row in rows]), strict=True)
        return [photos[index] for index in range(len(prepared))]

    def _photos(self, prepared: Sequence[Prepared]) -> list[Pixels]:
        artist = self._studio.artist
        drawn = artist.draw(prepared)
        return [artist.finish(one, parts) for one, parts in zip(prepared, drawn, strict=True)]


def open_generator(
    *models: str | Path,
    device: str = "auto",
    precision: str = "fp32",
    size: str | tuple[int, int] = "model",
    tile: bool = False,
    invert: str = "auto",
    paper: str = "auto",
    align: str = "none",
    tta: str = "none",
    raw: bool = False,
) -> PhotoGenerator:
    """What `sketchcli.load_generator` does; it is documented there."""
    if tta not in {"none", "flip"}:
        raise ValueError(f"tta={tta!r}: none or flip")
    drawing = Drawing(
        size=_size(size),
        is_tiled=tile,
        invert=When(invert),
        paper=When(paper),
        is_aligned=Align(align) is Align.FACE,
        is_flipped_too=tta == "flip",
    )
    names: list[Path | None] = [Path(model) for model in models] or [None]
    weights = tuple(find_weights(name) for name in names)
    place = devices.resolve(device, precision=precision)
    loaded = open_models(weights, place, is_raw=raw)
    return PhotoGenerator(weights, loaded[0].size, Pipeline.of(loaded, drawing))


def _size(given: str | tuple[int, int]) -> Scale | tuple[int, int]:
    if isinstance(given, str):
        return Scale(given)
    height, width = given
    if min(height, width) < 1:
        raise ValueError(f"size={given}: model, input, or height and width in pixels")
    return height, width


def _pixels(sketch: Sketch) -> Pixels:
    if isinstance(sketch, str | Path):
        return images.read(Path(sketch))
    pixels = np.asarray(sketch)
    is_one = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if not is_one or pixels.dtype != np.uint8 or not pixels.size:
        raise DataError(
            f"a sketch cannot be {pixels.dtype} of shape {pixels.shape}",
            hint="give uint8 pixels in [0, 255], (H, W) or (H, W, 3); or a list of several",
        )
    return pixels
