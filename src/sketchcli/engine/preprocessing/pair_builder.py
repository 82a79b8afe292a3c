"""One pair: read, aligned, drawn where it has no sketch, fitted, and described for the audit."""

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sketchcli import images, registry
from sketchcli.config import Align, Backdrop, Direction, Fit, Light, Likeness
from sketchcli.data.audit import records
from sketchcli.data.splits import uniform_hash
from sketchcli.errors import DataError
from sketchcli.images import Pixels
from sketchcli.portraits import backdrop, caricature
from sketchcli.portraits.finding_faces import Face, FaceFinder, cut, loosened


@dataclass(frozen=True)
class PairOptions:
    """All that decides how files become pixels."""

    size: tuple[int, int] = (128, 128)  # height, width
    fit: Fit = Fit.STRETCH
    detector: Path | None = None  # finds the faces that pictures are aligned by
    seed: int = 0
    is_loose: bool = False  # whether they are cut about there, by chance
    backdrop: Backdrop = Backdrop.KEEP  # of drawn photos
    light: Light = Light.KEEP  # of drawn photos
    likeness: Likeness = Likeness.TRUE  # of drawn sketches

    @property
    def align(self) -> Align:
        """What pictures are aligned by."""
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
    style: str = ""  # to draw the sketch in, where there is none
    draw: int = 0  # which of several sketches of one photo

    @property
    def first(self) -> str:
        """The id of the first sketch of its photo."""
        return self.id.rpartition("#")[0] if self.draw else self.id

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it is made from."""
        return (self.photo,) if self.sketch in {None, self.photo} else (self.sketch, self.photo)


@dataclass(frozen=True)
class MadePair:
    """A pair as it will be stored: sketch uint8 (h, w), photo uint8 (h, w, 3)."""

    sketch: Pixels
    photo: Pixels
    features: "np.ndarray[tuple[()], np.dtype[np.void]]"
    unaligned: dict[str, str] = field(default_factory=dict)  # file -> why


@dataclass(frozen=True)
class Sitting:
    """A photo that sketches are drawn from."""

    file: Path
    photo: Pixels
    face: Face | None
    keeps_background: bool  # although another was asked for


class PairMaker:
    """Makes pairs by one recipe; the same job gives the same pixels in any process."""

    def __init__(self, recipe: PairOptions) -> None:
        self.recipe = recipe
        self.finder = FaceFinder(recipe.detector) if recipe.detector else None
        self._sitting: Sitting | None = None

    def make(self, job: Job) -> MadePair:
        """Make one pair.

        Raises:
            DataError: A file cannot be read, or is too large for the memory.
        """
        try:
            return self._make(job)
        except MemoryError as error:
            names = " and ".join(map(str, job.files))
            raise DataError(f"{names}: too large for this machine's memory") from error

    def _make(self, job: Job) -> MadePair:
        unaligned: dict[str, str] = {}
        if job.sketch is None:
            sitting = self._sit(job)
            sketch, photo = self._draw(job, sitting, unaligned)
            sketch_source, photo_source = sketch, sitting.photo
        else:
            sketch_source, photo_source = _read_pair(job, job.sketch)
            photo = self._cut(photo_source, self._find(photo_source), job, job.photo, unaligned)
            drawn_face = self._find(sketch_source)
            aligned = self._cut(sketch_source, drawn_face, job, job.sketch, unaligned)
            sketch = images.luma(self._fit(aligned))
        photo = images.to_rgb(self._fit(photo))
        about = records.describe(sketch_source, photo_source, sketch, photo)
        return MadePair(sketch, photo, about, unaligned)

    def _sit(self, job: Job) -> Sitting:
        """A photo to draw from; the further sketches of it do not read it again."""
        if not job.draw or self._sitting is None or self._sitting.file != job.photo:
            photo = _read_photo(job)
            face, keeps_background = self._find(photo), False
            if self.recipe.light is Light.EVEN and face is not None:
                photo = backdrop.evened(images.to_rgb(photo), face.eyes)
            if self.recipe.backdrop is Backdrop.STUDIO and face is not None:
                chance = self._chance("backdrop of", job.photo.stem)
                studio = backdrop.studio(images.to_rgb(photo), face.eyes, chance)
                keeps_background = studio is None
                photo = photo if studio is None else studio
            self._sitting = Sitting(job.photo, photo, face, keeps_background)
        return self._sitting

    def _draw(self, job: Job, sitting: Sitting, unaligned: dict[str, str]) -> tuple[Pixels, Pixels]:
        """A sketch, and what its photo shows of the sitter."""
        if sitting.keeps_background:
            unaligned[str(job.photo)] = "its background stays: the sitter is not told from it"

        def cut_as_photo(pixels: Pixels) -> Pixels:
            cut = self._cut(pixels, sitting.face, job, job.photo, unaligned)
            return images.to_rgb(self._fit_inside(cut))

        photo = model = cut_as_photo(sitting.photo)
        if self.recipe.likeness is Likeness.FREE and sitting.face is not None:
            chance = self._chance("likeness of", job.id)
            whole = images.to_rgb(sitting.photo)
            model = cut_as_photo(caricature.free(whole, sitting.face.landmarks, chance))
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
            unaligned[str(file)] = "no face found: its centre was taken"
        elif self.recipe.is_loose:  # a sketch that came with its photo is cut as that is
            eyes = loosened(eyes, self._chance("cut of", job.id))
        return cut(pixels, eyes, self.recipe.size)

    def _fit(self, pixels: Pixels) -> Pixels:
        return images.fit(pixels, self.recipe.size, self.recipe.fit)

    def _fit_inside(self, photo: Pixels) -> Pixels:
        """What is drawn from: the photo at its final scale, before it is padded."""
        if self.recipe.fit is not Fit.PAD:
            return self._fit(photo)
        return images.resize(photo, images.inner_size(photo.shape, self.recipe.size))

    def _chance(self, what: str, name: str) -> np.random.Generator:
        """A source of draws that depends on a pair's name, what is drawn, and the seed alone."""
        name = unicodedata.normalize("NFC", name)  # disks write accents in two ways
        return np.random.default_rng(int(uniform_hash(f"{what} {name}", self.recipe.seed) * 2**53))


def _read_pair(job: Job, sketch: Path) -> tuple[Pixels, Pixels]:
    """Sketch and photo: grey (H, W) or RGB (H, W, 3), of any sizes."""
    photo = images.read(job.photo)
    if job.direction is None:
        return images.read(sketch), photo
    return _sides(photo, job)


def _read_photo(job: Job) -> Pixels:
    photo = images.read(job.photo)
    return photo if job.direction is None else _sides(photo, job)[1]


def _sides(both: Pixels, job: Job) -> tuple[Pixels, Pixels]:
    """Sketch and photo that stand side by side."""
    half = both.shape[1] // 2
    if not half:
        raise DataError(f"{job.photo}: too narrow to hold two pictures")
    left, right = both[:, :half], both[:, -half:]
    return (right, left) if job.direction is Direction.PHOTO_LEFT else (left, right)
