"""All that `generate` can be asked for, as data."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Existing(StrEnum):
    """What becomes of a photo that is there already."""

    REFUSE = "refuse"
    SKIP = "skip"
    OVERWRITE = "overwrite"


class When(StrEnum):
    """Whether something is done to a sketch."""

    AUTO = "auto"  # where it is needed
    YES = "yes"
    NO = "no"


class Scale(StrEnum):
    """How large photos are, where no size is given in pixels."""

    MODEL = "model"  # the model's shorter side
    INPUT = "input"  # the sketch's size


@dataclass(frozen=True)
class Selection:
    """Which files of folders and globs are taken, and where their tree begins."""

    is_recursive: bool = True
    include: tuple[str, ...] = ()  # patterns; none: all pictures
    exclude: tuple[str, ...] = ()
    root: Path | None = None  # None: the nearest folder that holds all inputs


@dataclass(frozen=True)
class Naming:
    """What photos are called, and how they are written."""

    format: str = ""  # png | jpg | webp; empty: what the output's name says, else png
    quality: int | None = None  # 1 to 100, of JPEG and WebP
    suffix: str = ""  # behind the name, before the dot
    existing: Existing = Existing.REFUSE


@dataclass(frozen=True)
class Drawing:
    """How a sketch becomes a photo."""

    size: Scale | tuple[int, int] = Scale.MODEL  # or the height and width that it fits into
    is_tiled: bool = False  # drawn at the sketch's own size, in overlapping tiles
    invert: When = When.AUTO
    paper: When = When.AUTO
    is_aligned: bool = False  # by the face's eyes
    is_pasted: bool = False  # back into the sketch, where the face was
    is_compared: bool = False  # sketch and photo side by side
    is_flipped_too: bool = False  # the mean of what is drawn of the sketch and of its mirror image
    variations: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Share:
    """One of several equal shares of the work; numbers count from 1."""

    number: int = 1
    count: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether there is but one share."""
        return self.count == 1


@dataclass(frozen=True)
class Request:
    """Everything that one call of `generate` is asked for.

    Args:
        sources: Files, folders and globs, or `-` for standard input.
        output: A file, a folder, or `-` for standard output.
        listed: Paths out of a list; one that does not exist is a failed file, not an error.
        models: Weights; several are averaged.
        is_raw: Whether the weights as trained are meant, instead of their average.
    """

    sources: tuple[str, ...]
    output: str
    listed: tuple[str, ...] = ()
    models: tuple[Path, ...] = ()
    is_raw: bool = False
    selection: Selection = field(default_factory=Selection)
    naming: Naming = field(default_factory=Naming)
    drawing: Drawing = field(default_factory=Drawing)
    share: Share = field(default_factory=Share)
    manifest: Path | None = None
    grid: Path | None = None
