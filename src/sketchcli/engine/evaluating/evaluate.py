"""One evaluation: several methods compared with the same real photos, in one table.

The discriminator of a run is scored by how well it tells real from generated photos.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sketchcli import __version__, checkpoint, files
from sketchcli import config as settings
from sketchcli.config import Align
from sketchcli.data import splits
from sketchcli.data.batches import photos_to_tensor, sketches_to_tensor
from sketchcli.data.prepared import MARK, PreparedSet, StoredSplit, marked, picture_hash
from sketchcli.device import Device, exactly
from sketchcli.engine.evaluating import features, references, statistics
from sketchcli.engine.evaluating.features import (
    Candidate,
    Measured,
    Read,
    RealSide,
    Reference,
    Tools,
    batches,
    look,
    measure,
    open_tools,
    protocol_of,
)
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.generating.prepare import LoadedModel, load_model
from sketchcli.engine.reporting import evaluation_report
from sketchcli.engine.reporting.evidence import CSV_NAME, Evidence, write_csv
from sketchcli.engine.results import (
    DiscriminatorScore,
    EvalResult,
    Figure,
    MemorisationScore,
    MetricInfo,
    PredictorScore,
)
from sketchcli.engine.runs import Run
from sketchcli.errors import CheckpointError, DataError, UsageError
from sketchcli.images import Pixels
from sketchcli.metrics import faces
from sketchcli.models.building import build_discriminator

# This section ranks the scores of every method and records the protocol.

RESULT = "result.json"
PROTOCOL = {
    "aggregation": "mean over images of the values per image, in float64",
    "data range": "255 (uint8 RGB)",
    "resize": "INTER_AREA to reduce, INTER_CUBIC to enlarge",
    "grey": "0.299 R + 0.587 G + 0.114 B",
    "memorisation": features.PROTOCOL,
}


@dataclass(frozen=True)
class EvalConfig:
    """The options of an evaluation."""

    metrics: tuple[str, ...] = ()  # empty: all available metrics
    allows_trained: bool = False  # whether pairs that a model was trained on may be scored
    folder: Path | None = None  # output folder of the report, the charts and the per-image scores


@dataclass(frozen=True, eq=False)
class Extras:
    """What an evaluation records in addition to the scores."""

    more: Mapping[str, dict[str, Any]] = field(default_factory=dict)  # method -> its fields
    training: Pixels | None = None  # thumbnails of the training photos
    warnings: tuple[str, ...] = ()
    protocol: Mapping[str, str] = field(default_factory=dict)


def check(predictors: Sequence[Candidate], config: EvalConfig) -> None:
    """Raise an error if the evaluation cannot be made or written, before it computes anything."""
    names = [predictor.name for predictor in predictors]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"two methods are named '{twice[0]}'", hint="rename a folder or a run")
    if config.folder is not None and config.folder.is_file():
        raise DataError(
            f"{config.folder} is a file, but a folder is needed", hint="choose a folder with --out"
        )


def compare(
    reference: Reference,
    predictors: Sequence[Candidate],
    tools: Tools,
    *,
    config: EvalConfig,
    reporter: Reporter,
    extras: Extras | None = None,
) -> EvalResult:
    """Compute the scores of all methods, rank them, and write the report if a folder is given."""
    extras = extras or Extras()
    real = look(reference, tools, reporter)
    measured = [
        statistics.with_pair_values(one, tools.metrics, real.features)
        for one in measure(predictors, reference, tools, real.places, reporter)
    ]
    scores = _scores(predictors, measured, tools, real, extras)
    result = EvalResult(
        real=reference.name,
        count=len(reference),
        size=reference.size,
        metrics={name: _info(name, metric, scores) for name, metric in tools.metrics.items()},
        scores=tuple(scores),
        unavailable=tools.unavailable,
        warnings=(*_few(reference, tools), *extras.warnings),
        protocol=_counted(reference) | PROTOCOL | dict(extras.protocol),
        folder=config.folder,
    )
    if config.folder is not None:
        _write(config.folder, result, _evidence(reference, predictors, measured, real))
    return result


def _counted(reference: Reference) -> dict[str, str]:
    height, width = reference.size
    return {
        "program": f"sketch2img {__version__}",
        "pictures": f"{len(reference)}",
        "size": f"{width}x{height} pixels",
    }


def _info(name: str, metric: Any, scores: Sequence[PredictorScore]) -> MetricInfo:  # noqa: ANN401 - a module
    """Return the metric's info; if its value depends on the number of images, its title says it."""
    protocol = f"{protocol_of(metric)}. {statistics.interval_of(metric)}"
    title = metric.TITLE
    if getattr(metric, "IS_OF_A_NUMBER", False):
        title += f" of {max(score.figures[name].count for score in scores)}"
    return MetricInfo(title, metric.DIRECTION, protocol)


def _scores(
    predictors: Sequence[Candidate],
    measured: Sequence[Measured],
    tools: Tools,
    real: RealSide,
    extras: Extras,
) -> list[PredictorScore]:
    found: list[dict[str, Figure]] = [{} for _ in predictors]
    for name, metric in tools.metrics.items():
        row = [statistics.figure_of(metric, name, m, real.features) for m in measured]
        for figure, into in zip(statistics.ranked(row, metric.DIRECTION), found, strict=True):
            into[name] = figure
    copies: list[MemorisationScore | None] = [None for _ in predictors]
    if extras.training is not None:
        examiner = features.Examiner(real.thumbnails, extras.training)
        copies = [examiner.score(one.thumbnails) for one in measured]
    return [
        PredictorScore(
            predictor.name,
            predictor.kind,
            own,
            source=predictor.source,
            memorisation=copied,
            **extras.more.get(predictor.name, {}),
        )
        for predictor, own, copied in zip(predictors, found, copies, strict=True)
    ]


def _few(reference: Reference, tools: Tools) -> list[str]:
    limits = {n: m.FEW for n, m in tools.metrics.items() if hasattr(m, "FEW")}
    return [
        f"{tools.metrics[name].TITLE} on {len(reference)} images is biased upwards, because there "
        f"are fewer than {limit}; compare it only with scores on as many images"
        for name, limit in limits.items()
        if len(reference) < limit
    ]


def _evidence(
    reference: Reference,
    predictors: Sequence[Candidate],
    measured: Sequence[Measured],
    real: RealSide,
) -> Evidence:
    rocs = {
        predictor.name: faces.roc(own.features["faces"], real.features["faces"])
        for predictor, own in zip(predictors, measured, strict=True)
        if "faces" in own.features
    }
    return Evidence(reference, tuple(predictors), tuple(measured), rocs)


def _write(folder: Path, result: EvalResult, evidence: Evidence) -> None:
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / CSV_NAME, evidence)
    files.write_json(folder / RESULT, asdict(result) | {"folder": str(folder)})
    evaluation_report.write(folder, result, evidence)


SLOW = frozenset({"lpips-vgg"})  # skipped on training pairs: it takes half the evaluation's time
GAP_PAIRS = 100  # maximum number of training pairs that a model is scored on, for comparison


@dataclass(frozen=True)
class ModelCandidate:
    """A loaded model with its generated photos."""

    model: LoadedModel
    predictor: Candidate


def evaluate_split(
    models: Sequence[Path],
    folders: Sequence[Path],
    dataset: PreparedSet,
    split: str,
    config: EvalConfig,
    *,
    device: Device,
    reporter: Reporter = SILENT,
) -> EvalResult:
    """Score weights, folders and the baselines on a split of a prepared dataset.

    The photos in folders have the names of the split's pairs. The baselines use the `train` split.
    Only scores that are computed in fp32 can be compared with those of others.
    """
    if not models and not folders:
        raise UsageError(
            "there is nothing to evaluate", hint="add --model MODEL or folders of generated photos"
        )
    tools = open_tools(config.metrics, size=dataset.description.size)
    stored, reference = dataset.split(split), references.truth_of_split(dataset, split)
    names = references.of_all(models, folders)
    candidates = _candidates(models, names, stored, device)
    seen = _trained_on(candidates, stored, config)
    training = dataset.split(splits.TRAIN) if splits.TRAIN in dataset.description.counts else None
    predictors = (
        *(candidate.predictor for candidate in candidates),
        *(references.folder_predictor(f, reference, names[f]) for f in folders),
        *references.baseline_predictors(training, stored),
    )
    check(predictors, config)
    more = {
        candidate.predictor.name: {"trained_on": count}
        | _beside(candidate, stored, training, tools, device=device, reporter=reporter)
        for candidate, count in zip(candidates, seen, strict=True)
    }
    thumbnails = None if training is None else features.memorisation_thumbnails(training.photos)
    warnings = tuple(_doubts(candidates, folders, dataset, training is None))
    extras = Extras(more, thumbnails, warnings, _protocol(dataset, device))
    return compare(reference, predictors, tools, config=config, reporter=reporter, extras=extras)


def evaluate_folders(
    real: Path,
    folders: Sequence[Path],
    config: EvalConfig,
    *,
    size: tuple[int, int],
    reporter: Reporter = SILENT,
) -> EvalResult:
    """Score folders against a folder of real photos, paired by name; `size` is height, width."""
    tools = open_tools(config.metrics, size=size)
    reference = references.truth_of_folder(real, size)
    names = references.of_all((), folders)
    predictors = [references.folder_predictor(f, reference, names[f]) for f in folders]
    check(predictors, config)
    return compare(reference, predictors, tools, config=config, reporter=reporter)


def _candidates(
    models: Sequence[Path],
    names: Mapping[Path, str],
    split: StoredSplit,
    device: Device,
) -> list[ModelCandidate]:
    found = []
    for weights in models:
        model = load_model(weights, device)
        predictor = references.model_predictor(names[weights], model, split)
        found.append(ModelCandidate(model, predictor))
    return found


def _trained_on(
    candidates: Sequence[ModelCandidate], split: StoredSplit, config: EvalConfig
) -> list[int]:
    """Count the pairs that each model was trained on; raise DataError unless that is allowed."""
    marks = [picture_hash(photo)[:MARK] for photo in split.photos] if candidates else []
    found = []
    for candidate in candidates:
        trained_on = marked(candidate.model.trained_on)
        found.append(sum(mark in trained_on for mark in marks))
        if found[-1] and not config.allows_trained:
            raise DataError(
                f"{candidate.model.path} was trained on {found[-1]} of these {len(split)} pairs",
                hint="evaluate it on other pairs, or add --allow-trained to get marked scores",
            )
    return found


def _beside(
    candidate: ModelCandidate,
    split: StoredSplit,
    training: StoredSplit | None,
    tools: Tools,
    *,
    device: Device,
    reporter: Reporter,
) -> dict[str, Any]:
    model = candidate.model
    judged = None
    try:
        judged = score_of_run(model.path, split, candidate.predictor, device)
    except CheckpointError as error:  # the model itself can still be scored
        reporter(Note(f"{error.message}; the discriminator is not scored", is_warning=True))
    else:
        if judged is None:
            message = "discriminator not scored; there is no training state for this image size"
            reporter(Note(f"{model.path}: {message} next to the weights"))
    return {
        "discriminator": judged,
        "on_training": _on_training(model, training, tools, reporter),
    }


def _on_training(
    model: LoadedModel, training: StoredSplit | None, tools: Tools, reporter: Reporter
) -> dict[str, float]:
    """Return scores on some of the model's training pairs; the gap measures its overfitting."""
    if training is None:
        return {}
    trained_on = marked(model.trained_on)
    hashes = enumerate(map(picture_hash, training.photos))
    rows = list(itertools.islice((r for r, h in hashes if h[:MARK] in trained_on), GAP_PAIRS))
    if not rows:
        return {}
    few = StoredSplit.of(training.take(rows))
    reference = Reference("training pairs", few.ids, few.size, few.photos.take)
    predictor = references.model_predictor("training pairs", model, few)
    quick = {name: score for name, score in tools.scores.items() if name not in SLOW}
    (measured,) = measure(
        [predictor], reference, replace(tools, scores=quick, extractors={}), {}, reporter
    )
    return {name: float(values.mean()) for name, values in measured.values.items()}


def _doubts(
    candidates: Sequence[ModelCandidate],
    folders: Sequence[Path],
    dataset: PreparedSet,
    is_untrained: bool,
) -> Iterator[str]:
    for candidate in candidates:
        model, size = candidate.model, dataset.description.size
        if model.size != size:
            yield (
                f"{candidate.predictor.name} generates photos of {_text(model.size)}: sketches "
                f"were resized to this size, and its photos to {_text(size)}"
            )
        if model.fingerprint != dataset.description.fingerprint:
            yield f"{candidate.predictor.name} was trained on another dataset ({model.dataset})"
        if not model.trained_on:
            yield f"{candidate.predictor.name} does not record which pairs it was trained on"
    if folders and dataset.description.align != Align.NONE:
        yield (
            "the real photos were aligned by their faces; the photos in folders are not, so they "
            "must already be aligned in the same way"
        )
    if is_untrained:
        yield "there is no training split, so two baselines and the memorisation check are missing"


def _protocol(dataset: PreparedSet, device: Device) -> dict[str, str]:
    about = dataset.description
    return {
        "set": f"{about.name}: images fitted by {about.fit}, aligned by {about.align}; "
        f"fingerprint {about.fingerprint[:MARK]}",
        "models": f"photos generated in {device.precision} on {device.torch.type}",
    }


def _text(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


# This section scores a run's discriminator as the article of the source system does.

Probabilities = NDArray[np.float64]


def score_of_run(
    weights: Path, split: StoredSplit, predictor: Candidate, device: Device
) -> DiscriminatorScore | None:
    """Score the discriminator next to a model's weights; return None if none has this size.

    Raises:
        CheckpointError: If the training state cannot be used.
    """
    state = Run(weights.parent).state
    if not state.is_file():
        return None
    tensors, about = checkpoint.load(state, only=("discriminator.",))
    try:
        height, width = about["size"]
        if (height, width) != split.size:
            return None
        config = settings.from_dict(about["config"])
        discriminator = build_discriminator(config.model, (height, width))
        discriminator.load_state_dict(checkpoint.without_prefix("discriminator", tensors))
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, UsageError) as error:
        raise CheckpointError(f"{state} holds the discriminator of another version") from error
    judge = device.place(discriminator).eval()
    return score(
        _probabilities(judge, split, split.photos.take, device),
        _probabilities(judge, split, predictor.read, device),
    )


def score(real: Probabilities, fake: Probabilities) -> DiscriminatorScore:
    """Return accuracy, precision, recall and F1 of probabilities `(N,)` of being real.

    A real photo that is classified as real (above 0.5) is a true positive.
    """
    hits, false_alarms = int((real > 0.5).sum()), int((fake > 0.5).sum())
    correct = hits + len(fake) - false_alarms
    precision = hits / (hits + false_alarms) if hits + false_alarms else 0.0
    recall = hits / len(real)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return DiscriminatorScore(correct / (len(real) + len(fake)), precision, recall, f1)


@torch.inference_mode()
def _probabilities(
    judge: torch.nn.Module, split: StoredSplit, read: Read, device: Device
) -> Probabilities:
    found = []
    for rows in batches(len(split)):
        sketch = sketches_to_tensor(split.sketches.take(rows), device.torch)
        photo = photos_to_tensor(read(rows), device.torch)
        with exactly():
            found.append(judge(sketch, photo).probability.cpu().double().numpy())
    return np.concatenate(found)
