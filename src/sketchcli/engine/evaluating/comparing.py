"""The table of one evaluation: every predictor's figures, ranked, with the protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sketchcli import __version__, files
from sketchcli.engine.evaluating import figures, memorisation, plots, report, table
from sketchcli.engine.evaluating.measuring import Measured, Predictor, Truth, measure
from sketchcli.engine.evaluating.real_side import RealSide
from sketchcli.engine.evaluating.report import Evidence
from sketchcli.engine.evaluating.tools import Tools, protocol_of
from sketchcli.engine.events import Reporter
from sketchcli.engine.results import (
    EvalResult,
    Figure,
    MemorisationScore,
    MetricInfo,
    PredictorScore,
)
from sketchcli.errors import UsageError
from sketchcli.images import Pixels
from sketchcli.metrics import _gallery

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


def compare(
    truth: Truth,
    predictors: Sequence[Predictor],
    tools: Tools,
    real: RealSide,
    *,
    config: EvalConfig,
    reporter: Reporter,
    extras: Extras | None = None,
) -> EvalResult:
    """Measure all predictors, rank them, and write down what was found.

    Raises:
        UsageError: Two predictors have one name.
        DataError: A picture cannot be read, or the folder cannot be written.
    """
    extras = extras or Extras()
    names = [predictor.name for predictor in predictors]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"two predictors are called '{twice[0]}'", hint="rename a folder or a run")
    measured = measure(predictors, truth, tools, real.places, reporter)
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
        _write(config.folder, result, _evidence(truth, predictors, measured, tools, real))
    return result


def _counted(truth: Truth) -> dict[str, str]:
    height, width = truth.size
    return {
        "program": f"sketch2img {__version__}",
        "pictures": f"{len(truth)}",
        "size": f"{width}x{height} pixels",
    }


def _info(name: str, metric: Any, scores: Sequence[PredictorScore]) -> MetricInfo:  # noqa: ANN401 - a module
    """What a metric is; one that says nothing without it is called by the number of pictures."""
    protocol = f"{protocol_of(metric)}. {figures.interval_of(metric)}"
    title = metric.TITLE
    if getattr(metric, "IS_OF_A_NUMBER", False):
        title += f" of {max(score.figures[name].count for score in scores)}"
    return MetricInfo(title, metric.DIRECTION, protocol)


def _scores(
    predictors: Sequence[Predictor],
    measured: Sequence[Measured],
    tools: Tools,
    real: RealSide,
    extras: Extras,
) -> list[PredictorScore]:
    found: list[dict[str, Figure]] = [{} for _ in predictors]
    for name, metric in tools.metrics.items():
        row = [figures.figure_of(metric, name, m, real.features) for m in measured]
        for figure, into in zip(figures.ranked(row, metric.DIRECTION), found, strict=True):
            into[name] = figure
    scores = []
    for predictor, values, own in zip(predictors, measured, found, strict=True):
        score = PredictorScore(predictor.name, predictor.kind, own, source=predictor.source)
        copies = _copies(values, real, extras)
        more = extras.more.get(predictor.name, {})
        scores.append(replace(score, memorisation=copies, **more))
    return scores


def _copies(measured: Measured, real: RealSide, extras: Extras) -> MemorisationScore | None:
    if extras.training is None:
        return None
    found = memorisation.examine(measured.thumbnails, real.thumbnails, extras.training)
    return MemorisationScore(found.share_copied, found.share_nearer)


def _few(truth: Truth, tools: Tools) -> list[str]:
    """Warnings about figures that mean little of so few pictures."""
    limits = {n: m.FEW for n, m in tools.metrics.items() if hasattr(m, "FEW")}
    return [
        f"{tools.metrics[name].TITLE} of {len(truth)} pictures: biased upwards under {limit}; "
        "compare it only with figures of as many"
        for name, limit in limits.items()
        if len(truth) < limit
    ]


def _evidence(
    truth: Truth,
    predictors: Sequence[Predictor],
    measured: Sequence[Measured],
    tools: Tools,
    real: RealSide,
) -> Evidence:
    """What the report shows: one value a picture and metric, and the curves of verification."""
    each = []
    for own in measured:
        found = {
            name: figures.values_of(metric, name, own, real.features)
            for name, metric in tools.metrics.items()
        }
        each.append(replace(own, values={n: v for n, v in found.items() if v is not None}))
    rocs = {
        predictor.name: _gallery.roc(own.features["faces"], real.features["faces"])
        for predictor, own in zip(predictors, measured, strict=True)
        if "faces" in own.features
    }
    return Evidence(truth, tuple(predictors), tuple(each), rocs)


def _write(folder: Path, result: EvalResult, evidence: Evidence) -> None:
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    plots.write(folder, result, evidence)
    table.write(folder / table.NAME, evidence)
    files.write_json(folder / RESULT, asdict(result) | {"folder": str(folder)})
    report.write(folder, result, evidence)
