"""The table of one evaluation: every predictor's figures, ranked, with the protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sketchcli import __version__, files
from sketchcli.engine.evaluating import memorisation, statistics
from sketchcli.engine.evaluating.features import (
    Candidate,
    Measured,
    RealSide,
    Reference,
    look,
    measure,
)
from sketchcli.engine.evaluating.tools import Tools, protocol_of
from sketchcli.engine.events import Reporter
from sketchcli.engine.reporting import charts, evaluation_report
from sketchcli.engine.reporting.evidence import CSV_NAME, Evidence, write_csv
from sketchcli.engine.results import (
    EvalResult,
    Figure,
    MemorisationScore,
    MetricInfo,
    PredictorScore,
)
from sketchcli.errors import DataError, UsageError
from sketchcli.images import Pixels
from sketchcli.metrics import faces

RESULT = "result.json"
PROTOCOL = {
    "aggregation": "mean over pictures of each picture's value, in float64",
    "data range": "255 (uint8 RGB)",
    "resize": "INTER_AREA to reduce, INTER_CUBIC to enlarge",
    "grey": ".299 R + .587 G + .114 B",
    "memorisation": memorisation.PROTOCOL,
}


@dataclass(frozen=True)
class EvalConfig:
    """What is asked of an evaluation."""

    metrics: tuple[str, ...] = ()  # all that can be had
    allows_trained: bool = False  # whether pairs that a model was trained on may be scored
    folder: Path | None = None  # for the report, the plots and the figures of each picture


@dataclass(frozen=True, eq=False)
class Extras:
    """What is known beside the figures."""

    more: Mapping[str, dict[str, Any]] = field(default_factory=dict)  # predictor -> its fields
    training: Pixels | None = None  # thumbnails of the training photos
    warnings: tuple[str, ...] = ()
    protocol: Mapping[str, str] = field(default_factory=dict)


def check(predictors: Sequence[Candidate], config: EvalConfig) -> None:
    """Refuse what cannot be compared or written, before anything is measured.

    Raises:
        UsageError: Two predictors have one name.
        DataError: The folder for the report is a file.
    """
    names = [predictor.name for predictor in predictors]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"two predictors are called '{twice[0]}'", hint="rename a folder or a run")
    if config.folder is not None and config.folder.is_file():
        raise DataError(f"{config.folder}: a file, where a folder is needed", hint="name a folder")


def compare(
    truth: Reference,
    predictors: Sequence[Candidate],
    tools: Tools,
    *,
    config: EvalConfig,
    reporter: Reporter,
    extras: Extras | None = None,
) -> EvalResult:
    """Measure all predictors, rank them, and write down what was found.

    Raises:
        DataError: A picture cannot be read, or the folder cannot be written.
    """
    extras = extras or Extras()
    real = look(truth, tools, reporter)
    measured = [
        statistics.with_pair_values(one, tools.metrics, real.features)
        for one in measure(predictors, truth, tools, real.places, reporter)
    ]
    scores = _scores(predictors, measured, tools, real, extras)
    result = EvalResult(
        real=truth.name,
        count=len(truth),
        size=truth.size,
        metrics={name: _info(name, metric, scores) for name, metric in tools.metrics.items()},
        scores=tuple(scores),
        unavailable=tools.unavailable,
        warnings=(*_few(truth, tools), *extras.warnings),
        protocol=_counted(truth) | PROTOCOL | dict(extras.protocol),
        folder=config.folder,
    )
    if config.folder is not None:
        _write(config.folder, result, _evidence(truth, predictors, measured, real))
    return result


def _counted(truth: Reference) -> dict[str, str]:
    height, width = truth.size
    return {
        "program": f"sketch2img {__version__}",
        "pictures": f"{len(truth)}",
        "size": f"{width}x{height} pixels",
    }


def _info(name: str, metric: Any, scores: Sequence[PredictorScore]) -> MetricInfo:  # noqa: ANN401 - a module
    """What a metric is; one that says nothing without it is called by the number of pictures."""
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
        examiner = memorisation.Examiner(real.thumbnails, extras.training)
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


def _few(truth: Reference, tools: Tools) -> list[str]:
    """Warnings about figures that mean little of so few pictures."""
    limits = {n: m.FEW for n, m in tools.metrics.items() if hasattr(m, "FEW")}
    return [
        f"{tools.metrics[name].TITLE} of {len(truth)} pictures: biased upwards under {limit}; "
        "compare it only with figures of as many"
        for name, limit in limits.items()
        if len(truth) < limit
    ]


def _evidence(
    truth: Reference,
    predictors: Sequence[Candidate],
    measured: Sequence[Measured],
    real: RealSide,
) -> Evidence:
    """What the report shows: one value a picture and metric, and the curves of verification."""
    rocs = {
        predictor.name: faces.roc(own.features["faces"], real.features["faces"])
        for predictor, own in zip(predictors, measured, strict=True)
        if "faces" in own.features
    }
    return Evidence(truth, tuple(predictors), tuple(measured), rocs)


def _write(folder: Path, result: EvalResult, evidence: Evidence) -> None:
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    charts.write(folder, result, evidence)
    write_csv(folder / CSV_NAME, evidence)
    files.write_json(folder / RESULT, asdict(result) | {"folder": str(folder)})
    evaluation_report.write(folder, result, evidence)
