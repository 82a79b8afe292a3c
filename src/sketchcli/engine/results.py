"""The results of the commands: immutable, and rendered once, for people or as JSON."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from sketchcli.config import Domains
from sketchcli.errors import ExitCode


@dataclass(frozen=True)
class AssetListing:
    """A line of `fetch-data --list`."""

    name: str
    kind: str  # drawn | local | archive | manual | network
    title: str
    pairs: int | None  # in the whole dataset
    files: int | None  # on disk
    megabytes: float | None  # on disk
    download_megabytes: float | None
    licence: str
    citation: str
    homepage: str
    state: str  # absent | partial | ready


@dataclass(frozen=True)
class FetchResult:
    """The result of `fetch-data`: a downloaded or drawn dataset, or a network."""

    name: str
    folder: Path
    pictures: int  # 0 for a network
    licence: str
    origin: str  # URLs or paths; empty for a drawn dataset
    sha256: str  # hash of the downloaded files
    next: str  # command to run next; empty for a network
    domains: Domains | None = None  # usual inputs and targets; None of a network or own images


@dataclass(frozen=True)
class DraftResult:
    """The result of `preprocess --draft-manifest`."""

    manifest: Path
    pairs: int
    unpaired: int


@dataclass(frozen=True)
class PreprocessResult:
    """The result of `preprocess`."""

    name: str
    folder: Path
    size: tuple[int, int]
    counts: dict[str, int]
    pairing: str
    left_out: dict[str, str]
    repeated: dict[str, str]
    unaligned: dict[str, str]
    findings: dict[str, int]  # number of findings of the pair audit, by kind
    errors: int  # number of findings that make a pair unfit for training
    is_spoiled: bool  # whether the dataset is unfit for training
    audit: Path
    domains: Domains
    reasons: tuple[str, str]  # why inputs and targets are grey or in colour


@dataclass(frozen=True)
class TrainEstimate:
    """The estimate that `train --dry-run` shows."""

    dataset: str
    pairs: int  # training pairs
    held_out: int
    size: tuple[int, int]  # height, width
    epochs: int
    generator_parameters: int
    discriminator_parameters: int
    steps: int
    seconds_a_step: float
    seconds: int  # for the whole run
    memory_megabytes: int
    device: str
    precision: str
    settings: str  # all settings, as TOML


@dataclass(frozen=True)
class TrainResult:
    """The result of a training run."""

    run_dir: Path
    weights: Path
    best: Path | None  # the weights with the best validation score; None without held-out pairs
    samples: Path
    curves: Path
    report: Path
    card: Path
    dataset: str
    epochs: int
    images_seen: int
    seconds: float  # spent in training steps
    generator_loss: float | None
    discriminator_loss: float | None
    scores: dict[str, float]  # latest scores on the held-out pairs
    best_epoch: int | None
    skipped: int  # steps skipped because of NaN or infinite values
    domains: Domains = Domains()


@dataclass(frozen=True)
class GeneratedFile:
    """One sketch, and its generated photo or the reason for the failure."""

    source: Path
    output: Path | None
    milliseconds: float
    status: str  # made | skipped (the photo existed) | failed
    warnings: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class GenerateResult:
    """The results of `generate`, in the order of the sketches."""

    models: tuple[Path, ...]
    files: tuple[GeneratedFile, ...]
    manifest: Path | None = None
    grid: Path | None = None
    domains: Domains = Domains()

    @property
    def failed(self) -> tuple[GeneratedFile, ...]:
        """The sketches that failed."""
        return tuple(file for file in self.files if file.status == "failed")

    def count(self, status: str) -> int:
        """Return the number of files with a status."""
        return sum(file.status == status for file in self.files)


@dataclass(frozen=True)
class ModelListing:
    """A model that `--model` accepts, and its scores."""

    name: str
    weights: Path
    is_finished: bool
    dataset: str
    size: tuple[int, int]  # height, width
    generator: str
    epochs: int
    scores: dict[str, float]  # on held-out pairs
    licence: str
    is_default: bool  # whether it is used if no model is named
    domains: Domains = Domains()  # what it takes and makes


@dataclass(frozen=True)
class ModelsResult:
    """All models that `--model` accepts, the newest first."""

    models: tuple[ModelListing, ...]


@dataclass(frozen=True)
class ExportResult:
    """An exported network, and how closely it matches the original."""

    model: Path
    output: Path
    format: str
    size: tuple[int, int]  # height, width
    multiple: int  # an image's sides must be multiples of this number
    compared: int  # number of compared images
    largest_difference: float  # for values in [-1, 1]
    mean_difference: float
    domains: Domains = Domains()


@dataclass(frozen=True)
class ImportResult:
    """Weights imported from another program's file."""

    source: Path
    weights: Path
    generator: str
    tensors: int
    domains: Domains = Domains()


@dataclass(frozen=True)
class MetricInfo:
    """The description of a metric, without which its scores cannot be compared."""

    title: str
    direction: str  # higher | lower is better
    protocol: str  # exactly how it is computed


@dataclass(frozen=True)
class Figure:
    """A metric's score for one method, with its 95% confidence interval; None if not available."""

    value: float | None
    low: float | None
    high: float | None
    count: int  # number of scored images
    rank: int | None  # among all methods; equal scores share a rank


@dataclass(frozen=True)
class DiscriminatorScore:
    """The discriminator's success at telling real photos (positive) from generated ones."""

    accuracy: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class MemorisationScore:
    """The similarity of a method's photos to single training photos."""

    share_copied: float  # fraction of photos close to a training photo; about 0.05 by chance
    share_nearer: float  # fraction of photos closer to a training photo than to the real photo


@dataclass(frozen=True)
class PredictorScore:
    """All scores of one method."""

    predictor: str
    kind: str  # model | folder | baseline
    figures: dict[str, Figure]  # by metric
    on_training: dict[str, float] = field(default_factory=dict)  # the same for training pairs
    discriminator: DiscriminatorScore | None = None
    memorisation: MemorisationScore | None = None
    trained_on: int = 0  # number of scored pairs that the model was trained on
    source: str = ""  # weights or folder; empty for a baseline


@dataclass(frozen=True)
class EvalResult:
    """The scores of one evaluation, and how they were computed."""

    real: str
    count: int
    size: tuple[int, int]  # height, width
    metrics: dict[str, MetricInfo]
    scores: tuple[PredictorScore, ...]
    unavailable: dict[str, str]  # metric -> the command that makes it available
    warnings: tuple[str, ...]
    protocol: dict[str, str]
    folder: Path | None = None  # holds report.html, figures.csv and plots
    domains: Domains = Domains()  # of the dataset; folders are taken for photos


class State(StrEnum):
    """Severity of a check's outcome."""

    OK = "ok"
    NOTE = "note"  # worth knowing; every command still runs
    PROBLEM = "problem"


@dataclass(frozen=True)
class Check:
    """Outcome of one check."""

    name: str
    state: State
    summary: str
    hint: str = ""
    stops: tuple[str, ...] = ()  # commands that cannot run because of it
    exit_code: int = ExitCode.OK  # exit code of `doctor` if this is the first problem
    facts: dict[str, Any] = field(default_factory=dict)  # the finding in machine-readable form


@dataclass(frozen=True)
class Installation:
    """All checks, in the order of `sketch2img doctor`, and which commands can run."""

    checks: tuple[Check, ...]
    can_run: dict[str, bool]

    @property
    def problems(self) -> tuple[Check, ...]:
        """The checks that found a problem."""
        return tuple(check for check in self.checks if check.state is State.PROBLEM)

    @property
    def exit_code(self) -> ExitCode:
        """0 if nothing is broken, else the exit code of the first problem."""
        return ExitCode(self.problems[0].exit_code) if self.problems else ExitCode.OK
