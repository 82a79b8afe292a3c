"""What each verb returns: frozen, rendered once, for people or as JSON."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class AssetListing:
    """One line of `fetch-data --list`."""

    name: str
    title: str
    pictures: int | None  # on disk
    megabytes: float | None
    licence: str
    citation: str
    state: str  # absent | ready


@dataclass(frozen=True)
class FetchResult:
    """What `fetch-data` fetched or drew."""

    name: str
    folder: Path
    pictures: int
    licence: str


@dataclass(frozen=True)
class PreprocessResult:
    """What `preprocess` made of a folder."""

    name: str
    folder: Path
    size: tuple[int, int]
    counts: dict[str, int]
    pairing: str
    left_out: dict[str, str]
    repeated: dict[str, str]
    contact_sheet: Path


@dataclass(frozen=True)
class TrainResult:
    """How a training run ended."""

    run_dir: Path
    weights: Path
    samples: Path
    curves: Path
    dataset: str
    epochs: int
    images_seen: int
    seconds: float
    generator_loss: float | None
    discriminator_loss: float | None
    validation_mae: float | None


@dataclass(frozen=True)
class GeneratedFile:
    """One sketch, and the photo made of it or the reason why not."""

    source: Path
    output: Path | None
    milliseconds: float
    error: str | None = None


@dataclass(frozen=True)
class GenerateResult:
    """What `generate` made of a file or a folder."""

    model: Path
    files: tuple[GeneratedFile, ...]

    @property
    def failed(self) -> tuple[GeneratedFile, ...]:
        """The files that gave no photo."""
        return tuple(file for file in self.files if file.error)


@dataclass(frozen=True)
class Score:
    """One predictor's mean scores."""

    predictor: str
    values: dict[str, float]


@dataclass(frozen=True)
class DiscriminatorScore:
    """How well the discriminator tells real photos (positive) from generated ones."""

    accuracy: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class EvalResult:
    """Figures of one evaluation, and how they were measured."""

    real: str
    generated: str
    count: int
    size: tuple[int, int]
    directions: dict[str, str]  # metric -> higher | lower
    scores: tuple[Score, ...]
    discriminator: DiscriminatorScore | None
    protocol: dict[str, str] = field(default_factory=dict)
