"""Loading models, and preparing sketches for them: aligning, inverting, evening out the paper.

A sketch is framed in the model's size, or cut into overlapping tiles whose photos are blended.
"""

import itertools
import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sketchcli import checkpoint, images, limits
from sketchcli import config as settings
from sketchcli.config import Align, Domain, Domains, Fit, domains_from_dict
from sketchcli.data import appearance, colour
from sketchcli.data.appearance import Paper, SketchStats, find_paper, on_even_paper
from sketchcli.device import Device, check_device
from sketchcli.engine.generating.inputs import Drawing, Scale, When
from sketchcli.errors import CheckpointError, DataError, UsageError
from sketchcli.images import Pixels
from sketchcli.models.building import build_generator, parameter_bytes, photo_bytes
from sketchcli.portraits import finding_faces
from sketchcli.portraits.finding_faces import Points
from sketchcli.weights_header import Header, about_of, read_header

# A model's header is checked before anything of the size that it states is allocated.

SMALLEST_SIDE, LARGEST_SIDE = 8, 8192  # limits for a model's height and width, pixels
MOST_MEMORY = 2**32  # limit for what generating one photo takes, bytes
AT_ONCE = 16  # photos that a CPU generates at once, in four streams of four
FLOATS = frozenset({"F32", "F16", "BF16"})  # data types in which weights may be stored


@dataclass(frozen=True)
class LoadedModel:
    """A generator, ready for use, and how its training sketches were prepared."""

    path: Path
    generator: nn.Module
    size: tuple[int, int]  # height, width
    fit: Fit  # how its training sketches were resized
    align: Align  # how they were aligned before that
    domains: Domains  # what it takes and makes
    looks: SketchStats | None  # their appearance; None if the weights do not describe it
    dataset: str  # name of the training dataset
    fingerprint: str  # fingerprint of that dataset
    trained_on: str  # hashes of its training photos; empty if the weights do not list them
    device: Device
    pixel_bytes: float = 0.0  # memory that generating takes per pixel of a photo; 0 on a GPU

    def at_once(self, shape: tuple[int, ...], most: int, *, streams: int = 1) -> int:
        """Return how many photos, at most `most`, each of some streams may generate at once.

        `shape` is their height and width. If not even one fits into memory, that is a DataError.
        """
        each = self.pixel_bytes * math.prod(shape)
        if each * most * streams <= limits.memory_limit():
            return most
        height, width = shape
        photo = self.domains.target.a
        limits.check_memory(each, f"{self.path}: {photo} of {width}x{height} pixels")
        return max(1, min(most, int(limits.memory_limit() / (each * streams))))


def load_model(path: Path, device: Device) -> LoadedModel:
    """Read a generator from its weights.

    The tensors are checked against the file's own settings, and the device against the CPU.
    """
    header = read_header(path)
    about = about_of(path, header)
    try:
        model = settings.from_dict(about["config"]).model
        described = _described(about)
        with torch.device("meta"):  # without memory for the parameters, which the file provides
            generator = build_generator(model, described["domains"])
        expected = generator.state_dict()
        _check_fits(expected, header)
        height, width = size = described["size"]
        domains, enough = described["domains"], limits.memory_limit(most=MOST_MEMORY)
        needed = photo_bytes(generator.eval(), size, domains, enough=enough)
        limits.check_memory(
            needed + parameter_bytes(generator),
            f"{path} ({model.generator}, {width}x{height} pixels)",
            most=MOST_MEMORY,
            error=CheckpointError,
        )
        tensors, _ = checkpoint.load(path)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, UsageError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{path} does not contain the weights of a generator ({reason})",
            hint="a run's generator is in its weights.safetensors",
        ) from error
    cast = {name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()}
    generator.load_state_dict(cast, assign=True)
    placed = device.place(generator).eval()
    check_device(placed, device, size, channels=domains.input.channels)
    pixel_bytes = 0.0
    if device.torch.type == "cpu":
        few = limits.memory_limit() / AT_ONCE
        pixel_bytes = photo_bytes(placed, size, domains, enough=few) / math.prod(size)
    return LoadedModel(
        path=path, generator=placed, device=device, pixel_bytes=pixel_bytes, **described
    )


def _described(about: dict[str, Any]) -> dict[str, Any]:
    height, width = about["size"]
    sides = range(SMALLEST_SIDE, LARGEST_SIDE + 1)
    if not all(type(side) is int and side in sides for side in (height, width)):
        raise ValueError(f"invalid size {height!r:.20} by {width!r:.20}")
    data = about["dataset"]
    texts = {"dataset": data["name"], "fingerprint": data["fingerprint"]}
    texts["trained_on"] = data.get("trained_on", "")
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError("the description of its dataset is not text")
    return {
        "size": (height, width),
        "fit": Fit(about["fit"]),
        "align": Align(about.get("align", Align.NONE)),
        "domains": domains_from_dict(about.get("domains")),
        "looks": appearance.from_dict(about.get("looks")),
        **texts,
    }


def _check_fits(wanted: Mapping[str, Tensor], header: Header) -> None:
    """Compare the tensors that the file lists with those that its settings need."""
    unmatched = sorted(header.shapes.keys() ^ wanted.keys())
    if unmatched:
        which = "has no" if unmatched[0] in wanted else "has an unknown"
        raise ValueError(f"{which} tensor {unmatched[0]}")
    for name, tensor in wanted.items():
        shape, kind = header.shapes[name], header.kinds[name]
        if shape != tuple(tensor.shape):
            raise ValueError(f"{name} is {shape}, not {tuple(tensor.shape)}")
        if kind not in (FLOATS if tensor.is_floating_point() else {"I64"}):
            raise ValueError(f"{name} has the unsupported data type {kind}")


MOST_PIXELS = 2**26  # limit for a photo's area, pixels
TILED_BYTES, WHOLE_BYTES = 40, 12  # memory per pixel of a photo that is being finished
MOST_STRETCHED = 8  # limit for a sketch's longer side, in units of the shorter side
MOST_COLOUR = 20.0  # limit for the mean range of channels without the paper's tint, levels
LOOKED_AT = 512  # longer side at which a sketch is analysed, pixels
# Defaults for weights that do not describe their sketches. Measured on CUHK: paper levels of 244
# to 255 and unevenness up to 0.09; on sketches drawn by a style: 216 to 240, and up to 0.29.
USUAL_LEVEL, USUAL_UNEVENNESS, EVENED_LEVEL = 200.0, 0.35, 250.0


@dataclass(frozen=True)
class Prepared:
    """A sketch, ready for the models."""

    frames: tuple[Pixels, ...]  # one per model, uint8 (K, h, w) or (K, h, w, 3)
    framings: tuple["Whole | Tiled", ...]  # one per model: how its photos are joined
    size: tuple[int, int]  # height and width of the photo
    original: Pixels = field(repr=False)  # the image as read, uint8 (H, W, 3) or (H, W)
    shown: Pixels = field(repr=False)  # the part of it that is converted: all, or the aligned face
    eyes: Points | None = None  # where the face was, if the photo is to be pasted back there
    warnings: tuple[str, ...] = ()

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Heights and widths of the frames; the sketches of one batch share them."""
        return tuple(frames.shape[1:3] for frames in self.frames)

    @property
    def memory(self) -> int:
        """Bytes of this sketch, and of its photo while that is being finished."""
        each = TILED_BYTES if isinstance(self.framings[0], Tiled) else WHOLE_BYTES
        arrays = sum(frames.nbytes for frames in self.frames)
        return arrays + self.original.nbytes + self.shown.nbytes + each * math.prod(self.size)


class Preparer:
    """Prepares images for some models, of which the first decides on size and corrections.

    `detector` is the face detector's file, if faces are to be aligned. Threads may share it.
    """

    def __init__(
        self, models: Sequence[LoadedModel], drawing: Drawing, detector: Path | None = None
    ) -> None:
        self.models, self.drawing, self.detector = tuple(models), drawing, detector
        self.domain = _shared_input(self.models)
        if not self.domain.is_sketch and When.YES in {drawing.invert, drawing.paper}:
            option = "--invert" if drawing.invert is When.YES else "--paper"
            raise UsageError(
                f"{option} yes is for sketches, but this model takes {self.domain.many}",
                hint=f"omit {option}",
            )
        self.looks = self.models[0].looks
        self.is_dark = self.looks is not None and self.looks.is_dark
        self._own = threading.local()  # one face finder per thread
        self.domains = self.models[0].domains
        self.blank = f"the {self.domains.input.one} is blank"  # which `generate` makes an error

    def prepare(self, picture: Pixels, notes: Iterable[str] = ()) -> Prepared:
        """Prepare an image, RGB `(H, W, 3)` or grey `(H, W)`, and add warnings to its notes."""
        warnings = list(notes)
        shown, eyes = self._aligned(picture, warnings)
        self.check_shape(shown.shape[1], shown.shape[0])
        if self.domain.is_sketch:
            sketch, paper = self._evened(self._upright(shown, warnings), warnings)
            self._judge(sketch, paper, shown, warnings)
        else:
            sketch = images.in_channels(shown, self.domain.channels)
            if self.domain.channels == 3 and colour.is_grey(_reduced(shown)):
                warnings.append("it is grey, but this model was trained on colour images")
        size = self._photo_size(shown, eyes)
        if self.drawing.is_tiled:
            sketch = images.resize(sketch, size)
        framings: tuple[Whole | Tiled, ...] = tuple(
            Tiled(m.size, size) if self.drawing.is_tiled else Whole(m.size, m.fit, sketch.shape)
            for m in self.models
        )
        return Prepared(
            frames=tuple(framing.cut(sketch) for framing in framings),
            framings=framings,
            size=size,
            original=picture,
            shown=shown,
            eyes=eyes if self.drawing.is_pasted else None,
            warnings=tuple(warnings),
        )

    def check_shape(self, width: int, height: int) -> None:
        """Refuse a strip, which need not be decoded before; a face may be cut out of one."""
        if self.detector is None and max(height, width) > MOST_STRETCHED * min(height, width):
            fault = f"{width:,}x{height:,} pixels are a strip, not {self.domains.input.a}"
            raise DataError(fault, hint="crop it")

    def _aligned(self, picture: Pixels, warnings: list[str]) -> tuple[Pixels, Points | None]:
        """Return the face, cropped as by `preprocess` for the model's size, and its eyes."""
        if self.detector is None:
            return picture, None
        rgb = images.to_rgb(picture)
        if not hasattr(self._own, "finder"):
            self._own.finder = finding_faces.FaceFinder(self.detector)
        face = self._own.finder.find(rgb)
        if face is None:
            warnings.append("no face detected: the centre crop is used")
        eyes = None if face is None else face.eyes
        return finding_faces.cut(rgb, eyes, self.models[0].size), eyes

    def _upright(self, shown: Pixels, warnings: list[str]) -> Pixels:
        """Return the sketch, inverted if its polarity differs from the training sketches'."""
        sketch = images.luma(shown)
        if self.drawing.invert is When.AUTO:
            if not appearance.is_on_dark(np.uint8(255) - shown if self.is_dark else shown):
                return sketch
            colours = "dark on white" if self.is_dark else "white on black"
            warnings.append(f"{colours}: inverted (use --invert no to keep it as it is)")
        elif self.drawing.invert is not When.YES:
            return sketch
        return np.uint8(255) - sketch

    def _evened(self, sketch: Pixels, warnings: list[str]) -> tuple[Pixels, Paper | None]:
        """Return the sketch on paper like the training sketches', and that paper, if any."""
        reduced = _reduced(sketch)
        is_light = not self.is_dark and np.median(reduced) >= appearance.DARK
        reduced = reduced if is_light else np.uint8(255) - reduced
        paper = find_paper(reduced)
        if appearance.is_blank(reduced, paper):
            warnings.append(self.blank)
        if self.drawing.paper is When.NO or not is_light:
            return sketch, None
        if self.drawing.paper is When.AUTO:
            if _is_usual(self.looks, paper.level, paper.unevenness):
                return sketch, paper
            warnings.append("uneven or tinted paper: evened out (use --paper no to keep it)")
        level = self.looks.paper if self.looks else EVENED_LEVEL
        return on_even_paper(sketch, paper, level), Paper.even(level)

    def _judge(
        self, sketch: Pixels, paper: Paper | None, shown: Pixels, warnings: list[str]
    ) -> None:
        """Warn if a sketch is unlikely to give a sensible photo."""
        if self.blank in warnings:
            return
        unlike = f"does not look like the training {self.domains.input.many}"
        if _colour(shown) > MOST_COLOUR:
            warnings.append(f"{unlike}: it is a colour image")
        elif self.looks is not None:
            seen = images.resize(sketch, natural_size(sketch.shape, self.models[0].size))
            seen = np.uint8(255) - seen if self.is_dark else seen
            differences = self.looks.describe_differences(appearance.measure(seen, paper))
            if differences:
                warnings.append(f"{unlike}: {differences}")

    def _photo_size(self, shown: Pixels, eyes: Points | None) -> tuple[int, int]:
        wanted, tall, wide = self.drawing.size, *shown.shape[:2]
        if isinstance(wanted, tuple):
            size = images.inner_size(shown.shape, wanted)
        elif wanted is Scale.INPUT or self.drawing.is_tiled:
            if eyes is not None:  # keep the face at its size in the image
                distance = float(np.linalg.norm(eyes[1] - eyes[0]))
                crop = finding_faces.CROP_HEIGHT / finding_faces.CROP_EYE_DISTANCE
                tall = max(1, round(distance * crop))
                wide = max(1, round(tall * finding_faces.ASPECT))
            size = (tall, wide)
        else:
            size = natural_size(shown.shape, self.models[0].size)
        each = TILED_BYTES if self.drawing.is_tiled else WHOLE_BYTES
        limits.check_memory(
            math.prod(size) * each,
            f"{self.domains.target.a} of {size[1]}x{size[0]} pixels",
            most=MOST_PIXELS * each,
            cure="choose a smaller --size",
        )
        return size


def _shared_input(models: Sequence[LoadedModel]) -> Domain:
    """Return what all models take, which must be the same, as must the channels of their photos."""
    first = models[0]
    for other in models[1:]:
        if (other.domains.input, other.domains.target.channels) != (
            first.domains.input,
            first.domains.target.channels,
        ):
            raise UsageError(
                f"{first.path} and {other.path} cannot be combined: the first turns "
                f"{first.domains}, the second {other.domains}",
                hint="give models that take and make the same kind of images",
            )
    return first.domains.input


def _is_usual(looks: SketchStats | None, level: float, unevenness: float) -> bool:
    if looks is None:
        return level >= USUAL_LEVEL and unevenness <= USUAL_UNEVENNESS
    highest = looks.ranges["unevenness"][2]
    is_even = unevenness <= highest or looks.is_usual("unevenness", unevenness)
    return is_even and looks.is_usual("paper", level)


def _reduced(sketch: Pixels) -> Pixels:
    longer = max(sketch.shape)
    if longer <= LOOKED_AT:
        return sketch
    return images.resize(sketch, images.inner_size(sketch.shape, (LOOKED_AT, LOOKED_AT)))


def _colour(picture: Pixels) -> float:
    """Return the mean range of a pixel's channels after removing the paper's own tint."""
    if picture.ndim == 2:
        return 0.0
    small = images.resize(picture, (64, 64)).astype(np.int16)
    tint = np.median(small.reshape(-1, 3), axis=0)
    return float(np.ptp(small - tint, axis=2).mean())


# A sketch of any shape is framed for a model, and its photo gets the sketch's shape back.


@dataclass(frozen=True)
class Whole:
    """The whole sketch in one frame, resized as the training sketches were.

    If the training sketches were cropped, the sketch is shown whole at the same scale.
    """

    size: tuple[int, int]  # height and width of the model
    fit: Fit  # how the training sketches were resized
    shape: tuple[int, ...]  # height and width of the sketch

    def cut(self, sketch: Pixels) -> Pixels:
        """Return one frame of a sketch, grey or RGB: uint8 `(1, h, w)` or `(1, h, w, 3)`."""
        if self.fit is Fit.CROP:
            return images.resize(sketch, natural_size(self.shape, self.size))[None]
        return images.fit(sketch, self.size, self.fit)[None]

    def join(self, photos: Pixels) -> Pixels:
        """Return the photo, in the sketch's aspect ratio, from the one of its frame."""
        if self.fit is Fit.STRETCH:
            return images.resize(photos[0], natural_size(self.shape, self.size))
        if self.fit is Fit.PAD:
            return images.centre(photos[0], images.inner_size(self.shape, self.size))
        whole: Pixels = photos[0]
        return whole


def natural_size(sketch: tuple[int, ...], model: tuple[int, int]) -> tuple[int, int]:
    """Return a height and width with the sketch's aspect ratio and the model's shorter side.

    >>> natural_size((250, 200), (128, 128))
    (160, 128)
    """
    height, width = sketch[:2]
    scale = min(model) / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


# Large sketches are cut into overlapping tiles, which are blended so that no seam is visible.

OVERLAP = 0.5  # fraction of a tile: every place then lies well inside at least one tile


@dataclass(frozen=True)
class Tiled:
    """A sketch at its own size, in tiles of the model's size.

    A tile's weight falls off from its centre to its edges, where another tile has its centre.
    """

    size: tuple[int, int]  # height and width of the model
    shape: tuple[int, int]  # height and width of the sketch

    def cut(self, sketch: Pixels) -> Pixels:
        """Return the K tiles; a sketch that is smaller than one is padded with white."""
        height, width = self.size
        sheet = np.full((*self._sheet, *sketch.shape[2:]), 255, np.uint8)
        sheet[: self.shape[0], : self.shape[1]] = sketch
        return np.stack([sheet[y : y + height, x : x + width] for y, x in self._corners()])

    def join(self, photos: Pixels) -> Pixels:
        """Return the blended photos of the tiles as one photo."""
        height, width = self.size
        weight = np.outer(_hill(height), _hill(width)).reshape(self.size + (1,) * (photos.ndim - 3))
        total = np.zeros(self._sheet + (1,) * (photos.ndim - 3), np.float32)
        blend = np.zeros((*self._sheet, *photos.shape[3:]), np.float32)
        for photo, (y, x) in zip(photos, self._corners(), strict=True):
            place = (slice(y, y + height), slice(x, x + width))
            blend[place] += photo * weight
            total[place] += weight
        blend /= total  # in place, because the photo of a large sketch is large
        joined: Pixels = np.rint(blend, out=blend).astype(np.uint8)
        return np.ascontiguousarray(joined[: self.shape[0], : self.shape[1]])

    @property
    def _sheet(self) -> tuple[int, int]:
        return max(self.size[0], self.shape[0]), max(self.size[1], self.shape[1])

    def _corners(self) -> Iterator[tuple[int, ...]]:
        return itertools.product(*map(_starts, self._sheet, self.size))


def _starts(side: int, tile: int) -> list[int]:
    """Return the starts of tiles along a side, evenly spaced from its beginning to its end.

    >>> _starts(128, 128), _starts(300, 128)
    ([0], [0, 57, 115, 172])
    """
    count = 1 + int(np.ceil((side - tile) / (tile * (1 - OVERLAP))))
    return [round(start) for start in np.linspace(0, side - tile, count).tolist()]


def _hill(length: int) -> NDArray[np.float32]:
    """Return a raised cosine over a side that is nowhere zero."""
    place = (np.arange(length) + 0.5) / length
    return (0.5 - 0.5 * np.cos(2 * np.pi * place) + 1e-4).astype(np.float32)
