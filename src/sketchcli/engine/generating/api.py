"""The Python API: `sketchcli.load_generator`, and the photo generator that it returns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from sketchcli import device as devices
from sketchcli import images
from sketchcli.config import Align
from sketchcli.engine.generating.generate import open_models
from sketchcli.engine.generating.inputs import Drawing, Scale, When
from sketchcli.engine.generating.prepare import Prepared, Preparer
from sketchcli.engine.generating.sample import Sampler
from sketchcli.engine.runs import find_weights
from sketchcli.errors import DataError, UsageError
from sketchcli.images import Pixels

Sketch = str | Path | NDArray[np.uint8]

# Arguments of earlier versions, and what to use instead.
REMOVED = {
    "raw": "omit raw: the EMA weights are always used",
    "tta": "omit tta, or average the photos of the sketch and of its mirror image",
}


@dataclass(frozen=True)
class PhotoGenerator:
    """Turns sketches into photos; returned by `sketchcli.load_generator`.

    Only one thread at a time may call it.
    """

    models: tuple[Path, ...]
    size: tuple[int, int]  # height and width that the first model was trained at
    _preparer: Preparer = field(repr=False)
    _sampler: Sampler = field(repr=False)

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
            uint8 RGB `(H', W', 3)`, or grey `(H', W')` if the model's targets are grey, with the
            sketch's aspect ratio; for a batch, a list of these.

        Raises:
            DataError: If a file cannot be read, or an array is not an image.
        """
        if isinstance(sketch, str | Path | np.ndarray):
            return self([sketch])[0]
        prepared = [self._prepare(one) for one in sketch]
        groups: dict[object, list[int]] = {}  # sketches with frames of the same shapes
        for index, one in enumerate(prepared):
            groups.setdefault(one.shapes, []).append(index)
        photos: dict[int, Pixels] = {}
        for rows in groups.values():
            drawn = self._sampler.draw([prepared[row] for row in rows])
            for row, parts in zip(rows, drawn, strict=True):
                photos[row] = self._sampler.finish(prepared[row], parts)
        return [photos[row] for row in range(len(prepared))]

    def warnings(self, sketch: Sketch) -> tuple[str, ...]:
        """Return the warnings of `generate`, such as that no face was detected."""
        return self._prepare(sketch).warnings

    def _prepare(self, sketch: Sketch) -> Prepared:
        if isinstance(sketch, str | Path):
            notes: list[str] = []
            check = self._preparer.check_shape
            return self._preparer.prepare(
                images.read(Path(sketch), notes=notes, check=check), notes
            )
        pixels = np.asarray(sketch)
        is_one = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
        if not is_one or pixels.dtype != np.uint8 or not pixels.size:
            name = self._preparer.models[0].domains.input.a
            raise DataError(
                f"{name} cannot be an array of type {pixels.dtype} and shape {pixels.shape}",
                hint="use uint8 values in [0, 255] of shape (H, W) or (H, W, 3), or a list of them",
            )
        return self._preparer.prepare(pixels)


def load_generator(
    *models: str | Path,
    device: str = "auto",
    precision: str = "fp32",
    size: str | tuple[int, int] = "model",
    tile: bool = False,
    invert: str = "auto",
    paper: str = "auto",
    align: str = "none",
    **removed: object,
) -> PhotoGenerator:
    """Load a model that turns sketches into photos when it is called.

    Args:
        models: Weights files, run folders, names of runs, or `bundled`; the photos of several
            models are averaged. By default the newest finished run, else `bundled`.
        device: `auto` (CUDA if there is one), `cpu`, `cuda`, `cuda:1` or `mps`.
        precision: `fp32`, `bf16`, or `auto` for the faster one.
        size: `model`, `input`, or the height and width that photos must fit into.
        tile: Generate at the sketch's own size, in overlapping tiles.
        invert: `auto`, `yes` or `no`: whether to invert the sketch. `auto` inverts it if its
            polarity differs from that of the training sketches.
        paper: `auto`, `yes` or `no`: whether to even out the paper. `auto` does so if it is darker
            or less even than the paper of the training sketches.
        align: `none`, or `face` to align and crop faces as in preprocessing.
        removed: Catches arguments of earlier versions, to say what to use instead.

    Raises:
        CheckpointError: If there is no such model, or it cannot be used.
        DeviceError: If this machine has no such device.
        UsageError: If an argument was removed.
        ValueError: If an option has an invalid value.
    """
    for name in removed:
        if name not in REMOVED:
            raise TypeError(f"load_generator() got an unexpected keyword argument '{name}'")
        raise UsageError(f"load_generator() no longer takes {name}", hint=REMOVED[name])
    if align not in {Align.NONE, Align.FACE}:
        raise ValueError(f"align must be 'none' or 'face', not {align!r}")
    drawing = Drawing(
        size=_size(size),
        is_tiled=tile,
        invert=When(invert),
        paper=When(paper),
        is_aligned=align == Align.FACE,
    )
    weights = tuple(find_weights(Path(model)) for model in models) or (find_weights(None),)
    place = devices.resolve(device, precision=precision)
    preparer, sampler = open_models(weights, drawing, place)
    return PhotoGenerator(weights, preparer.models[0].size, preparer, sampler)


def _size(given: str | tuple[int, int]) -> Scale | tuple[int, int]:
    if isinstance(given, str):
        return Scale(given)
    height, width = given
    if min(height, width) < 1:
        raise ValueError(f"size must be 'model', 'input' or (height, width) in pixels, not {given}")
    return height, width
