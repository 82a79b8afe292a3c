"""`report.html`, a run on one self-contained page, its curves, and its model card."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sketchcli import images, registry
from sketchcli.engine.reporting import web_page
from sketchcli.engine.reporting.charts import Chart, Line, write_png
from sketchcli.engine.reporting.evidence import LEADING
from sketchcli.engine.wording import counted, number

SAMPLES = 12  # maximum number of sample sheets that are shown
POINTS = 200  # maximum per curve: a long run has more epochs than a chart has pixels
Item = TypeVar("Item")
Points = Sequence[tuple[float, float]]  # epoch, value
Log = Sequence[Mapping[str, Any]]  # lines of `log.jsonl`
Figures = Mapping[str, Mapping[str, float]]  # method -> metric -> held-out mean; the model first


def write(
    path: Path,
    *,
    name: str,
    facts: Mapping[str, str],  # in the order to show them
    command: str,  # trains the same model again
    settings: str,  # TOML
    environment: Mapping[str, str],  # versions, device and precision
    log: Log,
    samples: Sequence[Path],  # sample sheets of the same pairs, in the order of the epochs
    figures: Figures,
) -> None:
    """Write the page, whole or not at all."""
    mark, sentence = verdict(log, figures)
    sheets = reversed(thinned(samples, SAMPLES))
    web_page.write(
        path,
        "run.html",
        title=name,
        mark=mark,
        sentence=sentence,
        about=facts,
        metrics=_metrics(figures),
        figures=_formatted(figures),
        samples=[(sheet.stem, images.read_rgb(sheet)) for sheet in sheets],
        charts=charts(log),
        findings=[line for line in log if line["kind"] == "finding"],
        command=command,
        settings=settings,
        environment=environment,
    )


def write_card(
    path: Path, *, name: str, about: Mapping[str, Any], figures: Figures, command: str
) -> None:
    """Write the model card for the people who receive the model.

    `about` is the metadata of the weights.
    """
    data = about["dataset"]
    said = {"licence": data["licence"], "terms": data["notice"], "citation": data["citation"]}
    web_page.write(
        path,
        "model-card.md",
        name=name,
        about=about,
        data=data,
        terms={what: text for what, text in said.items() if text},
        metrics=_metrics(figures),
        figures=_formatted(figures),
        command=command,
    )


def write_curves(path: Path, log: Log) -> None:
    """Plot the losses and the error on the validated pairs, if there are any."""
    write_png(path, charts(log)[:2])


def verdict(log: Log, figures: Figures) -> tuple[str, str]:
    """Return a mark (good or warning) and what the doctor and the baselines say about the run.

    There are too few held-out pairs for confidence intervals, so a model must be better than all
    baselines on more than half of the metrics that are looked at first.
    """
    found = [line["name"].replace("-", " ") for line in log if line["kind"] == "finding"]
    names = ", ".join(dict.fromkeys(found))
    said = (
        f"The training doctor found: {names}"
        if found
        else ("The training doctor found no problems")
    )
    if len(figures) < 2:
        return ("warning" if found else "good"), said
    model, *baselines = figures.values()
    compared = [metric for metric in LEADING if metric in model]
    better = sum(_beats(metric, model, baselines) for metric in compared)
    is_good = not found and better > len(compared) / 2
    wins = f"{better} of {counted(len(compared), 'metric')}"
    sentence = f"{said}. On held-out pairs, the model beats all baselines on {wins}"
    return ("good" if is_good else "warning"), sentence


def _beats(
    metric: str, model: Mapping[str, float], baselines: Iterable[Mapping[str, float]]
) -> bool:
    sign = 1 if registry.load(registry.METRICS, metric).DIRECTION == "higher" else -1
    return all(sign * model[metric] > sign * other[metric] for other in baselines)


def _metrics(figures: Figures) -> list[str]:
    return list(next(iter(figures.values()))) if figures else []


def _formatted(figures: Figures) -> dict[str, list[str]]:
    metrics = _metrics(figures)
    return {name: [number(values[m]) for m in metrics] for name, values in figures.items()}


def charts(log: Log) -> list[Chart]:
    """Return a chart for everything that was logged once per epoch or validation."""
    epochs = [line for line in log if line["kind"] == "epoch"]
    measured = [line for line in log if line["kind"] == "validation"]
    parts = dict.fromkeys(name for line in epochs for name in line.get("parts", {}))
    own = [name for name in parts if name != "gradient_norm"]
    held_out = [line for line in measured if line["is_held_out"]]

    def scores(key: str) -> dict[str, Points]:
        return {
            "held-out": _points(held_out, "scores", key),
            "training": _points(measured, "training_scores", key),
        }

    lines: dict[str, dict[str, Points]] = {
        "Losses": {
            "generator": _points(epochs, "generator_loss"),
            "discriminator": _points(epochs, "discriminator_loss"),
        },
        "Mean absolute error (0-255)": scores("mae"),
        "SSIM": scores("ssim"),
        "LPIPS": scores("lpips-alex"),
        "Generator losses, unweighted": {name: _points(epochs, "parts", name) for name in own},
        "Accuracy of the discriminator": {
            "on real photos": _points(epochs, "judging", "real_accuracy"),
            "on generated photos": _points(epochs, "judging", "fake_accuracy"),
        },
        "Overfitting: mean sign of the discriminator's logits": {
            "training photos": _points(epochs, "judging", "real_sign"),
            "held-out photos": _points(measured, "real_sign_held_out"),
        },
        "Discriminator augmentation strength (ADA)": {"strength": _points(epochs, "strength")},
        "Learning rate": {"generator": _points(epochs, "lr")},
        "Images per second": {"speed": _points(epochs, "images_per_second")},
    }
    drawn = (_chart(title, named) for title, named in lines.items())
    return [chart for chart in drawn if chart.lines]


def _chart(title: str, named: Mapping[str, Points]) -> Chart:
    lines = [
        Line(f"{name} {number(points[-1][1])}", np.array(thinned(points, POINTS)), index)
        for index, (name, points) in enumerate(named.items())
        if points
    ]
    return Chart(title, lines, x_label="epoch", has_whole_steps=True)


def _points(lines: Log, *keys: str) -> Points:
    """Return (epoch, value) of the lines that have the value under these nested keys."""
    found = []
    for line in lines:
        value: Any = line
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, int | float):
            found.append((float(line["epoch"]), float(value)))
    return found


def thinned(items: Sequence[Item], most: int) -> Sequence[Item]:
    """Return at most `most` items, evenly spaced and including the last one.

    >>> thinned(range(1, 1001), 4)
    [250, 500, 750, 1000]
    """
    count = min(most, len(items))
    return [items[(index + 1) * len(items) // count - 1] for index in range(count)]
