"""One evaluation: several methods compared with the same real photos, in one table.

The second half of the file has the confidence intervals of the scores.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from sketchcli import __version__, files, paths, registry
from sketchcli.config import Align
from sketchcli.data import splits
from sketchcli.data.prepared import MARK, PreparedSet, Split, marked, pair_marks
from sketchcli.device import Device
from sketchcli.engine.evaluating import features, references
from sketchcli.engine.evaluating.features import Candidate, Measured, Reference, Tools, Values
from sketchcli.engine.events import SILENT, Reporter
from sketchcli.engine.generating.prepare import LoadedModel, load_model
from sketchcli.engine.reporting import evaluation_report
from sketchcli.engine.reporting.evidence import BASELINE, CSV_NAME, Evidence, write_csv
from sketchcli.engine.results import EvalResult, Figure, MetricInfo, PredictorScore
from sketchcli.errors import DataError, UsageError
from sketchcli.images import Floats
from sketchcli.metrics import faces
from sketchcli.registry import Named

SLOW = frozenset({"lpips-vgg"})  # skipped on training pairs: it takes half the evaluation's time
LONGEST_WAIT = 60.0  # seconds to wait for another process that writes into the same folder
GAP_PAIRS = 100  # maximum number of training pairs that a model is scored on, for comparison


@dataclass(frozen=True)
class EvalConfig:
    """The options of an evaluation."""

    metrics: tuple[str, ...] = ()  # empty: all available metrics
    allows_trained: bool = False  # whether pairs that a model was trained on may be scored
    folder: Path | None = None  # output folder of the report, the charts and the per-image scores
    home: Path | None = None  # without `folder`, a new one is made in this one


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
    about, photos = dataset.description, dataset.description.domains.target.many
    if not models and not folders:
        hint = f"add --model MODEL or folders of generated {photos}"
        raise UsageError("there is nothing to evaluate", hint=hint)
    tools = features.open_tools(config.metrics, size=about.size)
    stored, reference = dataset.split(split), references.reference_of_split(dataset, split)
    training = dataset.split(splits.TRAIN) if splits.TRAIN in dataset.description.counts else None
    names = references.of_all(models, folders)
    loaded = [load_model(weights, device) for weights in models]
    drawing = [references.model_candidate(names[model.path], model, stored) for model in loaded]
    seen = _trained_on(loaded, stored, config)
    baselines = references.baselines(training, stored, about.domains)
    candidates = (
        *drawing,
        *(references.folder_candidate(f, reference, names[f]) for f in folders),
        *(Candidate(name, BASELINE, read) for name, read in baselines.items()),
    )
    _check(candidates, config)
    more = {
        candidate.name: {
            "trained_on": count,
            "discriminator": references.discriminator_score(model, stored, candidate, reporter),
            "on_training": _on_training(model, training, tools, reporter),
        }
        for model, candidate, count in zip(loaded, drawing, seen, strict=True)
    }
    result, evidence = _compare(reference, candidates, tools, training, reporter, more=more)
    doubts = _doubts(loaded, names, folders, dataset, is_untrained=training is None)
    protocol = result.protocol | {
        "set": f"{about.name}: images fitted by {about.fit}, aligned by {about.align}; "
        f"fingerprint {about.fingerprint[:MARK]}",
        "models": f"{photos} generated in {device.precision} on {device.torch.type}",
    }
    result = replace(result, warnings=(*result.warnings, *doubts), protocol=protocol)
    return _written(result, evidence, config)


def evaluate_folders(
    real: Path,
    folders: Sequence[Path],
    config: EvalConfig,
    *,
    size: tuple[int, int],
    reporter: Reporter = SILENT,
) -> EvalResult:
    """Score folders against a folder of real photos, paired by name; `size` is height, width."""
    tools = features.open_tools(config.metrics, size=size)
    reference = references.reference_of_folder(real, size)
    names = references.of_all((), folders)
    candidates = [references.folder_candidate(f, reference, names[f]) for f in folders]
    _check(candidates, config)
    result, evidence = _compare(reference, candidates, tools, None, reporter, more={})
    return _written(result, evidence, config)


def _check(candidates: Sequence[Candidate], config: EvalConfig) -> None:
    """Raise an error if the evaluation cannot be made or written, before it computes anything."""
    names = [candidate.name for candidate in candidates]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"two methods are named '{twice[0]}'", hint="rename a folder or a run")
    folder, hint = config.folder, "choose a new or empty folder with --out"
    if folder is None or not folder.exists() or (folder / CSV_NAME).exists():
        return
    if folder.is_file():
        raise DataError(f"{folder} is a file, but a folder is needed", hint=hint)
    if any(folder.iterdir()):
        raise DataError(f"{folder} is not empty and contains no evaluation", hint=hint)


def _compare(
    reference: Reference,
    candidates: Sequence[Candidate],
    tools: Tools,
    training: Split | None,
    reporter: Reporter,
    *,
    more: Mapping[str, dict[str, Any]],
) -> tuple[EvalResult, Evidence]:
    """Compute and rank the scores of all methods; `more` has further fields of some, by name."""
    real = features.look(reference, tools, reporter)
    measured = features.measure(candidates, reference, tools, real, reporter)
    figures = {
        name: _ranked([_figure_of(metric, name, m, real) for m in measured], metric.DIRECTION)
        for name, metric in tools.metrics.items()
    }
    photos = None if training is None else training.photos
    copied = features.memorisation([m.thumbnails for m in measured], real.thumbnails, photos)
    scores = tuple(
        PredictorScore(
            candidate.name,
            candidate.kind,
            {name: row[index] for name, row in figures.items()},
            source=candidate.source,
            memorisation=copied[index],
            **more.get(candidate.name, {}),
        )
        for index, candidate in enumerate(candidates)
    )
    result = EvalResult(
        real=reference.name,
        count=len(reference),
        size=reference.size,
        metrics={name: _info(name, metric, scores) for name, metric in tools.metrics.items()},
        scores=scores,
        unavailable=tools.unavailable,
        warnings=tuple(_few(reference, tools)),
        protocol=_protocol(reference),
        domains=reference.domains,
    )
    rocs = {
        candidate.name: faces.roc(own.features["faces"], real.features["faces"])
        for candidate, own in zip(candidates, measured, strict=True)
        if "faces" in own.features
    }
    return result, Evidence(reference, tuple(candidates), tuple(measured), rocs)


def _protocol(reference: Reference) -> dict[str, str]:
    return {
        "program": f"sketch2img {__version__}",
        "pictures": f"{len(reference)}",
        "size": f"{reference.size[1]}x{reference.size[0]} pixels",
        "aggregation": "mean over images of the values per image, in float64",
        "data range": "255 (uint8 RGB)",
        "resize": "INTER_AREA to reduce, INTER_CUBIC to enlarge",
        "grey": "0.299 R + 0.587 G + 0.114 B",
        "memorisation": features.memorisation_protocol(reference.domains),
    }


def _written(result: EvalResult, evidence: Evidence, config: EvalConfig) -> EvalResult:
    folder = config.folder or (config.home and paths.unused(config.home))
    if folder is None:
        return result
    result = replace(result, folder=folder)
    with files.locked(folder, doing="written", patience=LONGEST_WAIT), files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(folder / CSV_NAME, evidence)
        files.write_json(folder / "result.json", asdict(result) | {"folder": str(folder)})
        evaluation_report.write(folder, result, evidence)
    return result


def _info(name: str, metric: Named, scores: Sequence[PredictorScore]) -> MetricInfo:
    """Return the metric's info; if its value depends on the number of images, its title says it."""
    title = metric.TITLE
    if getattr(metric, "IS_OF_A_NUMBER", False):
        title += f" of {max(score.figures[name].count for score in scores)}"
    protocol = metric.PROTOCOL
    if hasattr(metric, "FEATURES"):
        protocol += f"; features: {registry.extractor(metric.FEATURES).PROTOCOL}"
    interval = INTERVALS[hasattr(metric, "compare"), getattr(metric, "IS_SHARE", False)]
    protocol += f". 95% confidence interval: {interval}"
    return MetricInfo(title, metric.DIRECTION, protocol)


def _few(reference: Reference, tools: Tools) -> list[str]:
    return [
        f"{metric.TITLE} on {len(reference)} images is biased upwards, because there are fewer "
        f"than {metric.FEW}; compare it only with scores on as many images"
        for metric in tools.metrics.values()
        if len(reference) < getattr(metric, "FEW", 0)
    ]


def _trained_on(models: Sequence[LoadedModel], split: Split, config: EvalConfig) -> list[int]:
    """Count the pairs that each model was trained on; raise DataError unless that is allowed."""
    found = []
    for model in models:
        found.append(sum(_is_trained(model, split)))
        if found[-1] and not config.allows_trained:
            raise DataError(
                f"{model.path} was trained on {found[-1]} of these {len(split)} pairs",
                hint="evaluate it on other pairs, or add --allow-trained to get marked scores",
            )
    return found


def _is_trained(model: LoadedModel, split: Split) -> Iterator[bool]:
    """Yield whether the model was trained on each pair of a split."""
    trained_on = marked(model.trained_on)
    return (m in trained_on for m in pair_marks(split.sketches, split.photos, model.domains))


def _on_training(
    model: LoadedModel, training: Split | None, tools: Tools, reporter: Reporter
) -> dict[str, float]:
    """Return scores on some of the model's training pairs; the gap measures its overfitting."""
    if training is None:
        return {}
    known = (row for row, is_known in enumerate(_is_trained(model, training)) if is_known)
    rows = list(itertools.islice(known, GAP_PAIRS))
    if not rows:
        return {}
    few = training.take(rows)
    reference = Reference("training pairs", few.ids, few.size, references.as_rgb(few.photos))
    candidate = references.model_candidate("training pairs", model, few)
    quick = {name: score for name, score in tools.scores.items() if name not in SLOW}
    quick_tools, no_features = replace(tools, scores=quick, extractors={}), Measured({}, {})
    (measured,) = features.measure([candidate], reference, quick_tools, no_features, reporter)
    return {name: float(values.mean()) for name, values in measured.values.items()}


def _doubts(
    models: Sequence[LoadedModel],
    names: Mapping[Path, str],
    folders: Sequence[Path],
    dataset: PreparedSet,
    *,
    is_untrained: bool,
) -> Iterator[str]:
    height, width = dataset.description.size
    domains = dataset.description.domains
    sketches, photos = domains.input.many, domains.target.many
    for model in models:
        name = names[model.path]
        if model.size != (height, width):
            made = model.domains.target.many
            yield (
                f"{name} generates {made} of {model.size[1]}x{model.size[0]}: {sketches} were "
                f"resized to this size, and its {made} to {width}x{height}"
            )
        if model.domains != domains:
            yield f"{name} turns {model.domains}, but the dataset has {domains}"
        if model.fingerprint != dataset.description.fingerprint:
            yield f"{name} was trained on another dataset ({model.dataset})"
        if not model.trained_on:
            yield f"{name} does not record which pairs it was trained on"
    if folders and dataset.description.align != Align.NONE:
        yield (
            f"the real {photos} were aligned by their faces; the {photos} in folders are not, so "
            "they must already be aligned in the same way"
        )
    if is_untrained:
        yield "there is no training split, so two baselines and the memorisation check are missing"


def _figure_of(metric: Named, name: str, measured: Measured, real: Measured) -> Figure:
    """Return a metric's score of one method; it has no value if there are too few images."""
    is_share = getattr(metric, "IS_SHARE", False)
    if name in measured.values:
        return (estimate_share if is_share else estimate_mean)(measured.values[name])
    ours, theirs = measured.features[metric.FEATURES], real.features[metric.FEATURES]
    try:
        return estimate_set(metric.compare, ours, theirs, is_share=is_share)
    except DataError:
        return _figure(math.nan, math.nan, math.nan, len(ours))


def _ranked(figures: Sequence[Figure], direction: str) -> list[Figure]:
    """Rank the scores of several methods: 1 is the best, and equal scores share a rank."""
    sign = -1 if direction == "higher" else 1
    known = [sign * figure.value for figure in figures if figure.value is not None]
    return [
        figure
        if figure.value is None
        else replace(figure, rank=1 + sum(other < sign * figure.value for other in known))
        for figure in figures
    ]


# 95% confidence intervals of scores, with a fixed random seed: how much a score would vary with
# other images of the same kind, not with another training run.
#
# The mean of one value per image gets a bootstrap interval. A score of two whole sets (KID, FID,
# EER) must not: a resample contains images twice, and two copies of one image are closer to each
# other than any two images are. Such a score gets its interval from halves without repetition.

# (whether the score is of two whole sets, whether it is a fraction) -> its interval
INTERVALS = {
    (False, False): "bias-corrected, accelerated bootstrap, 5,000 resamples of images",
    (False, True): "Wilson's, for a fraction",
    (True, False): "1.96 standard deviations of the score over 200 random halves of the pairs",
    (True, True): "Wilson's, for the number of images that has the score's spread over 200 "
    "random halves of the pairs",
}

SEED = 0
RESAMPLES = 5000
HALVES = 200
LARGEST_HALF = 500  # pairs; larger halves would cost time and not be more accurate
FEWEST = 10  # pairs; with fewer, a half does not represent the whole
# Upper limit on the effective sample size of a rate, in yes/no observations per image. Few errors
# make the EER look more certain: in a simulation with an EER of 0.008 on 100 pairs, 73% of the
# intervals cover it without this limit, and 95% with it.
MOST_SURE = 4
BLOCK = 2_000_000  # random numbers that are drawn at a time
TAILS = (0.025, 0.975)
NORMAL = NormalDist()
WIDTH = NORMAL.inv_cdf(TAILS[1])


def estimate_mean(values: Values) -> Figure:
    """Return the mean of one value per image, `(N,)`; NaN values are ignored.

    The interval is Efron's BCa (1987, "Better bootstrap confidence intervals", section 6).
    """
    values = values[np.isfinite(values)]
    count = len(values)
    mean = float(values.mean()) if count else math.nan
    if count < 2:
        return _figure(mean, math.nan, math.nan, count)
    if np.ptp(values) == 0:
        return _figure(mean, mean, mean, count)
    random = np.random.default_rng(SEED)
    means = [
        values[random.integers(0, count, (len(part), count))].mean(axis=1)
        for part in features.batches(RESAMPLES, max(1, BLOCK // count))
    ]
    deviations = values - mean
    # This is the jackknife's acceleration. For a mean, the bias correction is the same number (to
    # second order; an estimate from the resamples would add noise).
    skew = float((deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5))
    shifted = [skew + NORMAL.inv_cdf(tail) for tail in TAILS]
    tails = [NORMAL.cdf(skew + shift / (1 - skew * shift)) for shift in shifted]
    low, high = np.quantile(np.concatenate(means), tails)
    return _figure(mean, low, high, count)


def estimate_share(values: Values) -> Figure:
    """Return the mean of one yes (1) or no (0) per image, `(N,)`; NaN values are ignored.

    The interval is Wilson's (1927, "Probable inference", equation 1), which holds for 0 and 1, too.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return _figure(math.nan, math.nan, math.nan, 0)
    return _wilson(float(values.mean()), len(values), len(values))


def estimate_set(
    compare: Callable[[Floats, Floats], float],
    generated: Floats,
    real: Floats,
    *,
    is_share: bool = False,
) -> Figure:
    """Return a score of two sets of features, whose rows are paired.

    The spread over halves is that of the delete-half jackknife (Shao and Wu 1989, "A general theory
    for jackknife variance estimation"). It is right for a mean, and never too narrow for an
    unbiased score such as KID (Hoeffding 1948). The interval applies to this number of pairs: FID
    falls as pairs are added.

    Pairs of features `(N, D)` with a NaN are ignored. If the score is a fraction or a rate in
    [0, 1] (`is_share`), the interval is Wilson's, which is asymmetric near 0 and 1.
    """
    # A sum is finite if all its terms are; a mask of the terms would be as large as the features.
    sums = [rows.sum(axis=1, dtype=np.float64) for rows in (generated, real)]
    kept = np.isfinite(sums).all(axis=0)
    ours, theirs = (generated, real) if kept.all() else (generated[kept], real[kept])
    count = len(ours)
    value = compare(ours, theirs) if count else math.nan
    spread = math.nan
    if count >= FEWEST:
        part = min(count // 2, LARGEST_HALF)
        random = np.random.default_rng(SEED)
        halves = (random.permutation(count)[:part] for _ in range(HALVES))
        drawn = [compare(ours[rows], theirs[rows]) for rows in halves]
        # Up to this factor, a part varies around the whole as the whole does around the population.
        spread = float(np.std(drawn) * np.sqrt(part / (count - part)))
    if not is_share or math.isnan(spread):
        reach = WIDTH * spread if spread > 0 else math.nan
        return _figure(value, value - reach, value + reach, count)
    variance = value * (1 - value)
    # Without a single error there is no spread; each image then counts as one yes or no.
    effective = variance / spread**2 if variance > 0 and spread > 0 else count
    return _wilson(value, min(effective, MOST_SURE * count), count)


def _wilson(share: float, effective: float, count: int) -> Figure:
    square = WIDTH**2 / effective
    centre = (share + square / 2) / (1 + square)
    reach = math.sqrt(share * (1 - share) * square + square**2 / 4) / (1 + square)
    return _figure(share, max(0.0, centre - reach), min(1.0, centre + reach), count)


def _figure(value: float, low: float, high: float, count: int) -> Figure:
    known = [float(number) if math.isfinite(number) else None for number in (value, low, high)]
    return Figure(known[0], known[1], known[2], count, rank=None)
