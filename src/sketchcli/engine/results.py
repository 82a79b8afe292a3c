"""What each verb returns: frozen, rendered once, for people or as JSON."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class AssetListing:
    """One line of `fetch-data --list`."""

    name: str
    kind: str  # drawn | local | archive | manual | network
    title: str
    pairs: int | None  # in the whole set
    files: int | None  # on disk
    megabytes: float | None  # on disk
    download_megabytes: float | None
    licence: str
    citation: str
    homepage: str
    state: str  # absent | partial | ready


@dataclass(frozen=True)
class FetchPlan:
    """What `fetch-data --dry-run` would do."""

    name: str
    folder: Path
    state: str  # of the folder: absent | ready | taken (by something else)
    sources: tuple[str, ...]  # tried in turn; of a network with two files, those of both
    download_megabytes: float | None
    free_megabytes: float
    licence: str
    notice: str  # to be accepted
    steps: tuple[str, ...]  # to be done by hand
    next: str

    @property
    def needs_consent(self) -> bool:
        """Whether the notice stands between the user and the set."""
        return self.notice != "" and not self.steps


@dataclass(frozen=True)
class FetchResult:
    """What `fetch-data` fetched or drew."""

    name: str
    folder: Path
    pictures: int  # 0 for a network
    licence: str
    origin: str  # addresses or paths; empty for a drawn set
    sha256: str  # of the files that came from there
    next: str  # what to type; empty for a network


@dataclass(frozen=True)
class VerifyResult:
    """A set whose files are all as they were fetched."""

    name: str
    folder: Path
    files: int


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
    unaligned: dict[str, str]
    findings: dict[str, int]  # of the pair audit, by kind
    errors: int  # of the findings, those that spoil what is trained on the pair
    is_spoiled: bool  # whether the set is not fit to be trained on
    contact_sheet: Path
    audit: Path


@dataclass(frozen=True)
class ShareResult:
    """What one of several ranks made of a folder; the first rank puts the set together."""

    rank: int
    ranks: int
    chunks: int


@dataclass(frozen=True)
class TrainEstimate:
    """What `train --dry-run` says of a run."""

    dataset: str
    pairs: int  # trained on
    held_out: int
    size: tuple[int, int]  # height, width
    generator_parameters: int
    discriminator_parameters: int
    steps: int
    seconds_a_step: float
    seconds: int  # of the whole run
    memory_megabytes: int
    device: str
    precision: str
    settings: str  # all of them, as TOML


@dataclass(frozen=True)
class TrainResult:
    """How a training run ended."""

    run_dir: Path
    weights: Path
    best: Path | None  # the weights that scored best on held-out pairs; None: none are held out
    samples: Path
    curves: Path
    report: Path
    card: Path
    dataset: str
    epochs: int
    images_seen: int
    seconds: float  # in training steps
    generator_loss: float | None
    discriminator_loss: float | None
    scores: dict[str, float]  # last measured on held-out pairs
    best_epoch: int | None
    skipped: int  # steps that were not finite


@dataclass(frozen=True)
class GeneratedFile:
    """One sketch, and the photo made of it or the reason why not."""

    source: Path
    output: Path | None
    milliseconds: float
    status: str  # made | skipped (it was there) | failed
    warnings: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class GenerateResult:
    """What `generate` made of its sketches, in their order."""

    models: tuple[Path, ...]
    files: tuple[GeneratedFile, ...]
    manifest: Path | None = None
    grid: Path | None = None

    @property
    def failed(self) -> tuple[GeneratedFile, ...]:
        """The files that gave no photo."""
        return tuple(file for file in self.files if file.status == "failed")

    def count(self, status: str) -> int:
        """How many files ended so."""
        return sum(file.status == status for file in self.files)


@dataclass(frozen=True)
class ModelListing:
    """A model that can be named, and how good it is."""

    name: str
    weights: Path
    is_finished: bool
    dataset: str
    size: tuple[int, int]  # height, width
    generator: str
    epochs: int
    scores: dict[str, float]  # on held-out pairs
    licence: str
    is_default: bool  # what is used where no model is named


@dataclass(frozen=True)
class ModelsResult:
    """All models that can be named, the newest first."""

    models: tuple[ModelListing, ...]


@dataclass(frozen=True)
class ExportResult:
    """An exported network, and how near it is to the original."""

    model: Path
    output: Path
    format: str
    size: tuple[int, int]  # height, width
    multiple: int  # that a picture's sides must be multiples of
    compared: int  # pictures
    largest_difference: float  # of values in [-1, 1]
    mean_difference: float


@dataclass(frozen=True)
class ImportResult:
    """Weights taken out of a file of another program."""

    source: Path
    weights: Path
    generator: str
    tensors: int


@dataclass(frozen=True)
class MetricInfo:
    """What a figure is, so that it can be compared."""

    title: str
    direction: str  # higher | lower is better
    protocol: str  # exactly how it is measured


@dataclass(frozen=True)
class Figure:
    """A metric's value for one predictor, with its 95 % interval; None: nothing can be said."""

    value: float | None
    low: float | None
    high: float | None
    count: int  # pictures that it is of
    rank: int | None  # among all predictors; equal values share a rank


@dataclass(frozen=True)
class DiscriminatorScore:
    """How well the discriminator tells real photos (positive) from generated ones."""

    accuracy: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class MemorisationScore:
    """How near a predictor's pictures are to single training photos."""

    share_copied: float  # of the pictures; about .05 by chance
    share_nearer: float  # to a training photo than to the truth


@dataclass(frozen=True)
class PredictorScore:
    """Everything measured of one predictor."""

    predictor: str
    kind: str  # model | folder | baseline
    figures: dict[str, Figure]  # metric -> figure
    on_training: dict[str, float] = field(default_factory=dict)  # the same on training pairs
    discriminator: DiscriminatorScore | None = None
    memorisation: MemorisationScore | None = None
    trained_on: int = 0  # of the scored pairs
    source: str = ""  # weights or folder; none of a baseline


@dataclass(frozen=True)
class EvalResult:
    """Figures of one evaluation, and how they were measured."""

    real: str
    count: int
    size: tuple[int, int]  # height, width
    metrics: dict[str, MetricInfo]
    scores: tuple[PredictorScore, ...]
    unavailable: dict[str, str]  # metric -> the command that makes it available
    warnings: tuple[str, ...]
    protocol: dict[str, str]
    folder: Path | None = None  # report.html, figures.csv and plots
