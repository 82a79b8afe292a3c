"""The Python API for generating: a model that is called with sketches and returns photos."""

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
    """Turns sketches into photos; returned by `sketchcli.load_generator`.

    Only one thread at a time may call it.
    """

    models: tuple[Path, ...]
    size: tuple[int, int]  # height and width that the first model was trained at
    _pipeline: Pipeline = field(repr=False)

    @overload
    def __call__(self, sketch: Sketch) -> Pixels: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(self, sketch: Sequence[Sketch]) -> list[Pixels]: ...

    def __call__(self, sketch: Sketch | Sequence[Sketch]) -> Pixels | list[Pixels]:
        """Generate the photo of a sketch, or of each sketch of a batch.

        Args:
            sketch: A file's path, or uint8 pixels in [0, 255]: grey `(H, W)` or RGB `(H, W, 3)`.
                A list of these is a batch.

        Returns:
            uint8 RGB `(H', W', 3)` with the sketch's aspect ratio; for a batch, a list of these.

        Raises:
            DataError: If a file cannot be read, or an array is not an image.
        """
        if isinstance(sketch, str | Path | np.ndarray):
            return self._draw([sketch])[0]
        return self._draw(sketch)

    def warnings(self, sketch: Sketch) -> tuple[str, ...]:
        """Return the warnings of `generate`, such as that no face was detected."""
        notes: list[str] = []
        return self._pipeline.preparer.prepare(_pixels(sketch, notes), notes).warnings

    def _draw(self, sketches: Sequence[Sketch]) -> list[Pixels]:
        """Generate one photo per sketch; sketches with frames of the same shapes form a batch."""
        prepared = [self._pipeline.preparer.prepare(_pixels(sketch)) for sketch in sketches]
        groups: dict[object, list[int]] = {}
        for index, one in enumerate(prepared):
            groups.setdefault(one.shapes, []).append(index)
        photos: dict[int, Pixels] = {}
        for rows in groups.values():
            photos |= zip(rows, self._photos([prepared[row] for row in rows]), strict=True)
        return [photos[index] for index in range(len(prepared))]

    def _photos(self, prepared: Sequence[Prepared]) -> list[Pixels]:
        sampler = self._pipeline.sampler
        drawn = sampler.draw(prepared)
        return [sampler.finish(one, parts) for one, parts in zip(prepared, drawn, strict=True)]


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
    """Do what `sketchcli.load_generator` documents."""
    if tta not in {"none", "flip"}:
        raise ValueError(f"tta must be 'none' or 'flip', not {tta!r}")
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
        raise ValueError(f"size must be 'model', 'input' or (height, width) in pixels, not {given}")
    return height, width


def _pixels(sketch: Sketch, notes: list[str] | None = None) -> Pixels:
    if isinstance(sketch, str | Path):
        return images.read(Path(sketch), notes=notes)
    pixels = np.asarray(sketch)
    is_one = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if not is_one or pixels.dtype != np.uint8 or not pixels.size:
        raise DataError(
            f"a sketch cannot be an array of type {pixels.dtype} and shape {pixels.shape}",
            hint="use uint8 values in [0, 255] of shape (H, W) or (H, W, 3), or a list of them",
        )
    return pixels
