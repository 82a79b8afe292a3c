"""From a picture as it was read to what a model takes: aligned, turned light on dark, evened."""

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sketchcli import checkpoint, images
from sketchcli import config as settings
from sketchcli.config import Align, Fit, ModelConfig
from sketchcli.data import appearance
from sketchcli.data.appearance import Paper, SketchStats, find_paper, on_even_paper
from sketchcli.device import Device, check_device
from sketchcli.engine.generating.inputs import Drawing, Scale, When
from sketchcli.engine.runs import Run
from sketchcli.errors import CheckpointError, DataError, UsageError
from sketchcli.images import Pixels
from sketchcli.models.building import build_generator
from sketchcli.portraits import finding_faces
from sketchcli.portraits.finding_faces import Points
from sketchcli.weights_header import Header, about_of, read_header

# Generators out of their weights, checked before anything of their size is made.

LARGEST_SIDE = 8192  # pixels that a model may be trained at
LARGEST_OPTION = 2048  # of a network: of its width or its blocks
FLOATS = frozenset({"F32", "F16", "BF16"})  # weights may be stored in any of these
RAW = "generator"  # the prefix, in a state, of the weights as trained


@dataclass(frozen=True)
class LoadedModel:
    """A generator, ready to draw, and how its training sketches were prepared."""

    path: Path
    generator: nn.Module
    size: tuple[int, int]  # height, width
    fit: Fit  # how its training sketches got that size
    align: Align  # what they were aligned by before
    looks: SketchStats | None  # what they look like; None where the weights do not say
    dataset: str  # that it was trained on
    fingerprint: str  # of that set
    trained_on: str  # marks of its training photos; empty where it does not say
    device: Device


def load_model(path: Path, device: Device, *, is_raw: bool = False) -> LoadedModel:
    """Read a generator from its weights.

    Args:
        path: The weights.
        device: Where to compute.
        is_raw: Read the weights as trained, not their average, from the state beside the file.

    Raises:
        CheckpointError: The file is damaged, or its tensors do not fit its own settings.
        DeviceError: The device draws another photo than the CPU does.
    """
    file = _state_beside(path) if is_raw else path
    header = read_header(file)
    about = about_of(file, header)
    prefix = f"{RAW}." if is_raw else ""
    try:
        model = settings.from_dict(about["config"]).model
        described = _described(about)
        generator = _empty_generator(model)
        _check_fits(generator, header, prefix)
        tensors, _ = checkpoint.load(file, only=(prefix,))
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, UsageError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{file}: not the weights of a generator ({reason})",
            hint="a run's generator is in its weights.safetensors",
        ) from error
    expected = generator.state_dict()
    filled = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    cast = {name: tensor.to(expected[name].dtype) for name, tensor in filled.items()}
    generator.load_state_dict(cast, assign=True)
    placed = device.place(generator).eval()
    check_device(placed, device, described["size"])
    return LoadedModel(path=path, generator=placed, device=device, **described)


def _state_beside(path: Path) -> Path:
    state = Run(path.parent).state
    if not state.is_file():
        raise CheckpointError(
            f"{path}: no training state beside it, which the weights as trained are in",
            hint="leave out --raw, or name the folder of a run of yours",
        )
    return state


def _described(about: dict[str, Any]) -> dict[str, Any]:
    height, width = about["size"]
    if not all(type(side) is int and 1 <= side <= LARGEST_SIDE for side in (height, width)):
        raise ValueError(f"a size of {height!r:.20} by {width!r:.20}")
    data = about["dataset"]
    texts = {"dataset": data["name"], "fingerprint": data["fingerprint"]}
    texts["trained_on"] = data.get("trained_on", "")
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError("its data set is not described by texts")
    return {
        "size": (height, width),
        "fit": Fit(about["fit"]),
        "align": Align(about.get("align", Align.NONE)),
        "looks": appearance.from_dict(about.get("looks")),
        **texts,
    }


def _empty_generator(model: ModelConfig) -> nn.Module:
    """The network, its parameters without memory: they come out of the file."""
    for name, value in model.generator_options.items():
        if isinstance(value, int) and value > LARGEST_OPTION:
            raise ValueError(f"{name} of {value:.3g}")
    with torch.device("meta"):
        return build_generator(model)


def _check_fits(generator: nn.Module, header: Header, prefix: str) -> None:
    """Compare what the file says that it holds with what its settings need."""
    wanted = generator.state_dict()
    found = {name.removeprefix(prefix): n for n in header.shapes if (name := n).startswith(prefix)}
    strangers = sorted(found.keys() ^ wanted.keys())
    if strangers:
        which = "has no" if strangers[0] in wanted else "has an unknown"
        raise ValueError(f"{which} tensor {strangers[0]}")
    for name, tensor in wanted.items():
        shape, kind = header.shapes[found[name]], header.kinds[found[name]]
        if shape != tuple(tensor.shape):
            raise ValueError(f"{name} is {shape}, not {tuple(tensor.shape)}")
        if kind not in (FLOATS if tensor.is_floating_point() else {"I64"}):
            raise ValueError(f"{name} holds numbers of kind {kind}")


MOST_PIXELS = 2**26  # of a photo
BLANK_RANGE = 8  # grey levels from the darkest to the lightest place of a sketch with nothing on it
MOST_COLOUR = 20.0  # mean difference of a pixel's highest and lowest channel, beyond its tint
LOOKED_AT = 512  # pixels of the longer side at which a sketch is judged
# Where the weights do not say what their sketches look like: CUHK's paper is 244 to 255 light,
# .09 uneven at most; drawn sketches' 216 to 240, .29 uneven.
USUAL_LEVEL, USUAL_UNEVENNESS, EVENED_LEVEL = 200.0, 0.35, 250.0


class Framing(Protocol):
    """Cuts a sketch into what a model takes, and joins what it draws."""

    def cut(self, sketch: Pixels) -> Pixels:
        """Frames uint8 `(K, h, w)` of a sketch `(H, W)`."""

    def join(self, photos: Pixels) -> Pixels:
        """The photo `(H', W', 3)`, of the sketch's aspect ratio, from `(K, h, w, 3)`."""


@dataclass(frozen=True)
class Prepared:
    """A sketch, ready for the models.

    Args:
        frames: For each model, uint8 `(K, h, w)`.
        framings: For each model, how its photos become one.
        size: Height and width of the photo.
        original: The picture as it was read, uint8 `(H, W, 3)` or `(H, W)`.
        shown: What of it was drawn from: itself, or the aligned face.
        eyes: Where the face was, if it is to be pasted back; else None.
        warnings: What a person should know.
    """

    frames: tuple[Pixels, ...]
    framings: tuple[Framing, ...]
    size: tuple[int, int]
    original: Pixels = field(repr=False)
    shown: Pixels = field(repr=False)
    eyes: Points | None = None
    warnings: tuple[str, ...] = ()

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Heights and widths of the frames: what sketches of one batch have in common."""
        return tuple(frames.shape[1:] for frames in self.frames)


class Preparer:
    """Prepares pictures for some models; may be used by several threads at once.

    Args:
        models: Those that will draw; the first one's size and looks decide.
        drawing: What was asked for.
        detector: The file of the network that finds faces, where they are to be aligned.
    """

    def __init__(
        self, models: Sequence[LoadedModel], drawing: Drawing, detector: Path | None = None
    ) -> None:
        self.models, self.drawing, self.detector = tuple(models), drawing, detector
        self._own = threading.local()  # a face finder for each thread

    def prepare(self, picture: Pixels) -> Prepared:
        """Make a picture ready, RGB `(H, W, 3)` or grey `(H, W)`.

        Raises:
            DataError: It is a strip, or its photo would be too large.
        """
        warnings: list[str] = []
        shown, eyes = self._aligned(picture, warnings)
        check_shape(shown.shape)
        upright = self._upright(images.luma(shown), warnings)
        sketch, paper = self._evened(upright, warnings)
        self._judge(sketch, paper, shown, warnings)
        size = self._photo_size(shown, eyes)
        framings = tuple(self._framing(model, sketch.shape, size) for model in self.models)
        if self.drawing.is_tiled:
            sketch = images.resize(sketch, size)
        return Prepared(
            frames=tuple(framing.cut(sketch) for framing in framings),
            framings=framings,
            size=size,
            original=picture,
            shown=shown,
            eyes=eyes if self.drawing.is_pasted else None,
            warnings=tuple(warnings),
        )

    def _aligned(self, picture: Pixels, warnings: list[str]) -> tuple[Pixels, Points | None]:
        """The face as `preprocess --align face` cuts it, at the sketch's own scale or larger."""
        if not self.drawing.is_aligned or self.detector is None:
            return picture, None
        rgb = images.to_rgb(picture)
        if not hasattr(self._own, "finder"):
            self._own.finder = finding_faces.FaceFinder(self.detector)
        face = self._own.finder.find(rgb)
        if face is None:
            warnings.append("no face found: its centre was taken")
        eyes = None if face is None else face.eyes
        return finding_faces.cut(rgb, eyes, self.models[0].size), eyes

    def _upright(self, sketch: Pixels, warnings: list[str]) -> Pixels:
        """Dark on light, or light on dark, whichever the training sketches were."""
        looks = self.models[0].looks
        should_be_dark = looks is not None and looks.is_dark
        is_wrong = appearance.is_on_dark(_reduced(sketch)) != should_be_dark
        if self.drawing.invert is When.AUTO and is_wrong and not _is_blank(sketch):
            colours = "dark on white" if should_be_dark else "white on black"
            warnings.append(f"{colours}: inverted (--invert no keeps it)")
        elif self.drawing.invert is not When.YES:
            return sketch
        return np.uint8(255) - sketch

    def _evened(self, sketch: Pixels, warnings: list[str]) -> tuple[Pixels, Paper | None]:
        """On paper as even and light as the training sketches' is, and that paper, if any."""
        looks = self.models[0].looks
        is_dark = looks is not None and looks.is_dark
        if self.drawing.paper is When.NO or is_dark or appearance.is_on_dark(_reduced(sketch)):
            return sketch, None
        paper = find_paper(_reduced(sketch))
        is_usual = _is_usual(looks, paper.level, paper.unevenness)
        if self.drawing.paper is When.AUTO and is_usual:
            return sketch, paper
        if self.drawing.paper is When.AUTO:
            warnings.append("uneven or tinted paper: evened (--paper no keeps it)")
        level = looks.paper if looks else EVENED_LEVEL
        return on_even_paper(sketch, paper, level), Paper.even(level)

    def _judge(
        self, sketch: Pixels, paper: Paper | None, shown: Pixels, warnings: list[str]
    ) -> None:
        """Warn of what gives no sensible photo."""
        looks = self.models[0].looks
        if _is_blank(sketch):
            warnings.append("nothing is drawn on it")
        elif _colour(shown) > MOST_COLOUR:
            warnings.append("does not look like the training sketches: a picture in colour")
        elif looks is not None:
            height, width = natural_size(sketch.shape, self.models[0].size)
            seen = images.resize(sketch, (height, width))
            seen = np.uint8(255) - seen if looks.is_dark else seen
            differences = looks.describe_differences(appearance.measure(seen, paper))
            if differences:
                warnings.append(f"does not look like the training sketches: {differences}")

    def _photo_size(self, shown: Pixels, eyes: Points | None) -> tuple[int, int]:
        wanted, tall, wide = self.drawing.size, *shown.shape[:2]
        if isinstance(wanted, tuple):
            size = images.inner_size(shown.shape, wanted)
        elif wanted is Scale.INPUT or self.drawing.is_tiled:
            if eyes is not None:  # as large as the face is in the picture
                distance = float(np.linalg.norm(eyes[1] - eyes[0]))
                tall = max(
                    1, round(distance * finding_faces.CROP_HEIGHT / finding_faces.CROP_EYE_DISTANCE)
                )
                wide = max(1, round(tall * finding_faces.ASPECT))
            size = (tall, wide)
        else:
            size = natural_size(shown.shape, self.models[0].size)
        if size[0] * size[1] > MOST_PIXELS:
            raise DataError(
                f"its photo would have {size[1]}x{size[0]} pixels", hint="give a smaller --size"
            )
        return size

    def _framing(
        self, model: LoadedModel, shape: tuple[int, ...], size: tuple[int, int]
    ) -> Framing:
        if self.drawing.is_tiled:
            return Tiled(model.size, size)
        return Whole(model.size, model.fit, (shape[0], shape[1]))


def _is_usual(looks: SketchStats | None, level: float, unevenness: float) -> bool:
    if looks is None:
        return level >= USUAL_LEVEL and unevenness <= USUAL_UNEVENNESS
    is_even = unevenness <= looks.ranges["unevenness"][2] or looks.is_usual(
        "unevenness", unevenness
    )
    return is_even and looks.is_usual("paper", level)


def _reduced(sketch: Pixels) -> Pixels:
    """A sketch small enough to be judged quickly."""
    longer = max(sketch.shape)
    if longer <= LOOKED_AT:
        return sketch
    return images.resize(sketch, images.inner_size(sketch.shape, (LOOKED_AT, LOOKED_AT)))


def _is_blank(sketch: Pixels) -> bool:
    return int(sketch.max()) - int(sketch.min()) < BLANK_RANGE


def _colour(picture: Pixels) -> float:
    """Mean difference of the highest and the lowest channel, less the paper's own tint."""
    if picture.ndim == 2:
        return 0.0
    small = images.resize(picture, (64, 64)).astype(np.int16)
    tint = np.median(small.reshape(-1, 3), axis=0)
    return float(np.ptp(small - tint, axis=2).mean())


# How a sketch of any shape is shown to a model, and how its photo gets that shape back.

MOST_STRETCHED = 8  # sides of a sketch, the long one to the short one


@dataclass(frozen=True)
class Whole:
    """The whole sketch in one frame, as the training sketches were shown.

    Stretched, padded, or, where those were cropped, whole at the same scale. The photo is as large
    as the model draws: its shorter side is the model's.

    Args:
        size: The model's height and width.
        fit: How its training sketches got that size.
        shape: The sketch's height and width.
    """

    size: tuple[int, int]
    fit: Fit
    shape: tuple[int, int]

    def cut(self, sketch: Pixels) -> Pixels:
        """One frame."""
        if self.fit is Fit.CROP:
            return images.resize(sketch, natural_size(self.shape, self.size))[None]
        return images.fit(sketch, self.size, self.fit)[None]

    def join(self, photos: Pixels) -> Pixels:
        """The frame's photo without what was added around the sketch."""
        if self.fit is Fit.STRETCH:
            return images.resize(photos[0], natural_size(self.shape, self.size))
        if self.fit is Fit.PAD:
            return images.centre(photos[0], images.inner_size(self.shape, self.size))
        whole: Pixels = photos[0]
        return whole


def natural_size(sketch: tuple[int, ...], model: tuple[int, int]) -> tuple[int, int]:
    """Height and width with the sketch's aspect ratio and the model's shorter side.

    >>> natural_size((250, 200), (128, 128))
    (160, 128)
    """
    height, width = sketch[:2]
    scale = min(model) / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def check_shape(sketch: tuple[int, ...]) -> None:
    """Refuse what is no sketch.

    Raises:
        DataError: It is a strip, more than eight times as long as wide.
    """
    height, width = sketch[:2]
    if max(height, width) > MOST_STRETCHED * min(height, width):
        raise DataError(f"{width}x{height} pixels: a strip, not a sketch", hint="crop it")


# Large sketches in overlapping tiles, blended so that no seam is left.

OVERLAP = 0.5  # of a tile: every place lies well inside one tile at least


@dataclass(frozen=True)
class Tiled:
    """A sketch at its own size, in tiles of the model's size.

    Each tile's photo counts by a weight that falls off as a raised cosine from its middle to its
    edges, where another tile's middle is.

    Args:
        size: The model's height and width.
        shape: The sketch's height and width.
    """

    size: tuple[int, int]
    shape: tuple[int, int]

    def cut(self, sketch: Pixels) -> Pixels:
        """The tiles; a sketch smaller than one lies on white."""
        height, width = self.size
        sheet = np.full(self._sheet, 255, np.uint8)
        sheet[: self.shape[0], : self.shape[1]] = sketch
        return np.stack([sheet[y : y + height, x : x + width] for y, x in self._corners()])

    def join(self, photos: Pixels) -> Pixels:
        """The photos of the tiles, blended."""
        height, width = self.size
        weight = np.outer(_hill(height), _hill(width))[:, :, None]
        total = np.zeros((*self._sheet, 1), np.float32)
        blend = np.zeros((*self._sheet, 3), np.float32)
        for photo, (y, x) in zip(photos, self._corners(), strict=True):
            place = (slice(y, y + height), slice(x, x + width))
            blend[place] += photo * weight
            total[place] += weight
        blend /= total  # in place: a large sketch's photo is large
        joined: Pixels = np.rint(blend, out=blend).astype(np.uint8)
        return np.ascontiguousarray(joined[: self.shape[0], : self.shape[1]])

    @property
    def _sheet(self) -> tuple[int, int]:
        return max(self.size[0], self.shape[0]), max(self.size[1], self.shape[1])

    def _corners(self) -> list[tuple[int, int]]:
        tall, wide = self._sheet
        return list(itertools.product(_starts(tall, self.size[0]), _starts(wide, self.size[1])))


def _starts(side: int, tile: int) -> list[int]:
    """Where tiles begin along a side: evenly, from its beginning to its end.

    >>> _starts(128, 128), _starts(300, 128)
    ([0], [0, 57, 115, 172])
    """
    count = 1 + int(np.ceil((side - tile) / (tile * (1 - OVERLAP))))
    return [round(start) for start in np.linspace(0, side - tile, count).tolist()]


def _hill(length: int) -> NDArray[np.float32]:
    """A raised cosine over a side, nowhere zero."""
    place = (np.arange(length) + 0.5) / length
    return (0.5 - 0.5 * np.cos(2 * np.pi * place) + 1e-4).astype(np.float32)
