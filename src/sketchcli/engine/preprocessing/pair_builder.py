"""Make one pair: read, align and fit its images, draw a missing sketch, and record audit data."""

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sketchcli import images, registry
from sketchcli.config import PHOTO, SKETCH, Align, Backdrop, Direction, Fit, Light, Likeness
from sketchcli.data import colour
from sketchcli.data.audit import records
from sketchcli.data.prepared import picture_hash
from sketchcli.data.splits import uniform_hash
from sketchcli.errors import DataError
from sketchcli.images import Pixels
from sketchcli.portraits import backdrop, caricature
from sketchcli.portraits.finding_faces import Face, FaceFinder, cut, loosened


@dataclass(frozen=True)
class PairOptions:
    """All options that decide how files become pixels."""

    size: tuple[int, int] = (128, 128)  # height, width
    fit: Fit = Fit.STRETCH
    detector: Path | None = None  # face detector; None: images are not aligned
    seed: int = 0
    is_loose: bool = False  # whether aligned crops vary at random
    # The last three apply only to photos whose sketches are drawn.
    backdrop: Backdrop = Backdrop.KEEP
    light: Light = Light.KEEP
    likeness: Likeness = Likeness.TRUE
    # Channels of sketches and photos: 1, 3, or None if a look at all of them decides later
    channels: tuple[int | None, int | None] = SKETCH.channels, PHOTO.channels

    @property
    def align(self) -> Align:
        """How the images are aligned."""
        if not self.detector:
            return Align.NONE
        return Align.LOOSE if self.is_loose else Align.FACE


@dataclass(frozen=True)
class Job:
    """A pair to make."""

    id: str
    split: str
    sketch: Path | None
    photo: Path
    direction: Direction | None = None
    style: str = ""  # style in which to draw a missing sketch
    draw: int = 0  # index among several sketches of one photo

    @property
    def first(self) -> str:
        """The id of the first sketch of the same photo."""
        return self.id.rpartition("#")[0] if self.draw else self.id

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the pair is made from."""
        return (self.photo,) if self.sketch in {None, self.photo} else (self.sketch, self.photo)


@dataclass(frozen=True)
class MadePair:
    """A pair as it will be stored: sketch and photo, each uint8 (h, w) or (h, w, 3)."""

    sketch: Pixels
    photo: Pixels
    features: "np.ndarray[tuple[()], np.dtype[np.void]]"
    unaligned: dict[str, str] = field(default_factory=dict)  # file -> why

    @property
    def hashes(self) -> tuple[str, str]:
        """The hashes of sketch and photo."""
        return picture_hash(self.sketch), picture_hash(self.photo)


class PairBuilder:
    """A builder of pairs; the same job gives the same pixels in any process."""

    def __init__(self, options: PairOptions) -> None:
        self.options = options
        self.finder = FaceFinder(options.detector) if options.detector else None
        self._sitting: tuple[Path, Pixels, Face | None] | None = None

    def make(self, job: Job) -> MadePair:
        """Make one pair, or raise a DataError that says why its files cannot be used."""
        unaligned: dict[str, str] = {}
        if job.sketch is None:
            photo_source, face = self._sit(job, unaligned)
            sketch, photo = self._draw(job, photo_source, face, unaligned)
            sketch_source = sketch
        else:
            photo_source = _read(job.photo, unaligned)
            if job.direction:
                sketch_source, photo_source = _sides(photo_source, job)
            else:
                sketch_source = _read(job.sketch, unaligned)
            photo = self._cut(photo_source, self._find(photo_source), job, job.photo, unaligned)
            drawn_face = self._find(sketch_source)
            aligned = self._cut(sketch_source, drawn_face, job, job.sketch, unaligned)
            sketch = self._fit(aligned)
        sketch, photo = self._stored(sketch, 0), self._stored(self._fit(photo), 1)
        about = records.describe(sketch_source, photo_source, sketch, photo)
        return MadePair(sketch, photo, about, unaligned)

    def _sit(self, job: Job, unaligned: dict[str, str]) -> tuple[Pixels, Face | None]:
        """Return the photo to draw from and its face; all sketches of a photo share one reading."""
        if not job.draw or self._sitting is None or self._sitting[0] != job.photo:
            photo = _read(job.photo, unaligned)
            if job.direction:
                _, photo = _sides(photo, job)
            face = self._find(photo)
            if self.options.light is Light.EVEN and face is not None:
                photo = backdrop.evened(images.to_rgb(photo), face.eyes)
            if self.options.backdrop is Backdrop.STUDIO and face is not None:
                chance = self._chance("backdrop of", job.photo.stem)
                studio = backdrop.studio(images.to_rgb(photo), face.eyes, chance)
                if studio is None:
                    why = "background kept: the sitter cannot be separated from it"
                    _add(unaligned, job.photo, why)
                photo = photo if studio is None else studio
            self._sitting = job.photo, photo, face
        return self._sitting[1:]

    def _draw(
        self, job: Job, source: Pixels, face: Face | None, unaligned: dict[str, str]
    ) -> tuple[Pixels, Pixels]:
        """Return sketch and photo, cut to the options' size."""

        def cut_as_photo(pixels: Pixels) -> Pixels:
            cut = self._cut(pixels, face, job, job.photo, unaligned)
            if self.options.fit is Fit.PAD:  # padding comes later, as it is not to be drawn
                inner = images.inner_size(cut.shape, self.options.size)
                return images.to_rgb(images.resize(cut, inner))
            return images.to_rgb(self._fit(cut))

        photo = model = cut_as_photo(source)
        if self.options.likeness is Likeness.FREE and face is not None:
            chance = self._chance("likeness of", job.id)
            model = cut_as_photo(caricature.free(images.to_rgb(source), face.landmarks, chance))
        style = registry.load(registry.STYLES, job.style)
        sketch: Pixels = style.draw(model, self._chance("sketch of", job.id))
        return self._fit(sketch), photo

    def _find(self, pixels: Pixels) -> Face | None:
        return None if self.finder is None else self.finder.find(images.to_rgb(pixels))

    def _cut(
        self, pixels: Pixels, face: Face | None, job: Job, file: Path, unaligned: dict[str, str]
    ) -> Pixels:
        if self.finder is None:
            return pixels
        eyes = None if face is None else face.eyes
        if eyes is None:
            _add(unaligned, file, "no face detected: the centre crop is used")
        elif self.options.is_loose:  # sketch and photo of a pair share the random variation
            eyes = loosened(eyes, self._chance("cut of", job.id))
        return cut(pixels, eyes, self.options.size)

    def _fit(self, pixels: Pixels) -> Pixels:
        return images.fit(pixels, self.options.size, self.options.fit)

    def _stored(self, pixels: Pixels, side: int) -> Pixels:
        channels = self.options.channels[side]
        if channels == 3 or (channels is None and not colour.is_grey(pixels)):
            return images.to_rgb(pixels)
        return images.luma(pixels)

    def _chance(self, what: str, name: str) -> np.random.Generator:
        """Return a generator whose state depends only on the pair's name, the use and the seed."""
        name = unicodedata.normalize("NFC", name)  # file systems encode accents in two ways
        return np.random.default_rng(int(uniform_hash(f"{what} {name}", self.options.seed) * 2**53))


def _read(file: Path, unaligned: dict[str, str]) -> Pixels:
    notes: list[str] = []
    pixels = images.read(file, notes=notes)
    for note in notes:
        _add(unaligned, file, note)
    return pixels


def _add(unaligned: dict[str, str], file: Path, why: str) -> None:
    """Add a remark, unless it is there: a side-by-side image is both sketch and photo."""
    before = unaligned.setdefault(str(file), why)
    if why not in before:
        unaligned[str(file)] = f"{before}; {why}"


def _sides(both: Pixels, job: Job) -> tuple[Pixels, Pixels]:
    """Return sketch and photo of a side-by-side image."""
    half = both.shape[1] // 2
    if not half:
        raise DataError(f"{job.photo} is too narrow to hold two images")
    left, right = both[:, :half], both[:, -half:]
    return (right, left) if job.direction is Direction.PHOTO_LEFT else (left, right)
