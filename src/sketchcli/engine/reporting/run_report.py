"""`report.html`, a run on one self-contained page, its curves, and its model card."""

import contextlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sketchcli import images, registry
from sketchcli.config import Domains, domains_from_dict
from sketchcli.engine.reporting import web_page
from sketchcli.engine.reporting.charts import Chart, Line, write_png
from sketchcli.engine.reporting.evidence import LEADING
from sketchcli.engine.runs import Line as Logged
from sketchcli.engine.runs import logged
from sketchcli.engine.wording import number, paths_of
from sketchcli.errors import DataError

SAMPLES = 12  # maximum number of sample sheets that are shown
POINTS = 200  # maximum per curve: a long run has more epochs than a chart has pixels
MOST_PARTS = 16  # parts of the generator's loss in a chart; a damaged log may name any number
IGNORED = "generator-ignores-the-sketch"  # a finding
Item = TypeVar("Item")
Log = Sequence[Logged]  # lines of `log.jsonl`
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
    domains: Domains,
) -> None:
    """Write the page, whole or not at all."""
    findings = [line for line in log if line["kind"] == "finding"]
    sheets = {}
    for sheet in reversed(thinned(samples, SAMPLES)):
        with contextlib.suppress(DataError, OSError):  # a damaged one is left out
            sheets[sheet.stem] = images.read_rgb(sheet)
    web_page.write(
        path,
        "run.html",
        title=name,
        wins=wins(figures) if len(figures) > 1 else None,
        about=facts,
        figures=figures,
        samples=list(sheets.items()),
        charts=list(charts(log, domains)),
        domains=domains,
        findings=findings,
        found=dict.fromkeys(_problem(line["name"], domains) for line in findings),
        command=command,
        settings=settings,
        environment=environment,
    )


def _problem(name: str, domains: Domains) -> str:
    if name == IGNORED:
        return f"generator ignores the {domains.input.one}"
    return name.replace("-", " ")


def write_card(
    path: Path, *, name: str, about: Mapping[str, Any], figures: Figures, command: str
) -> None:
    """Write the model card for the people who receive the model.

    `about` is the metadata of the weights.
    """
    domains = domains_from_dict(about.get("domains"))
    web_page.write(
        path,
        "model-card.md",
        name=name,
        about=about,
        figures=figures,
        command=command,
        domains=domains,
        paths=paths_of(domains),
        is_usual=domains == Domains(),
    )


def write_curves(path: Path, log: Log) -> None:
    """Plot the losses and the error on the validated pairs, if there are any."""
    write_png(path, list(itertools.islice(charts(log, Domains()), 2)))  # neither names images


def wins(figures: Figures) -> tuple[int, int]:
    """Return on how many metrics the model beats all baselines, and of how many to look at first.

    There are too few held-out pairs for confidence intervals, so any difference counts.
    """
    model, *baselines = figures.values()
    won = []
    for metric in [name for name in LEADING if name in model]:
        sign = 1 if registry.load(registry.METRICS, metric).DIRECTION == "higher" else -1
        won.append(all(sign * model[metric] > sign * other[metric] for other in baselines))
    return sum(won), len(won)


_SCORES = {"Mean absolute error (0-255)": "mae", "SSIM": "ssim", "LPIPS": "lpips-alex"}


def charts(log: Log, domains: Domains) -> Iterator[Chart]:
    """Yield a chart for everything that was logged once per epoch or validation."""
    for title, named in _charts(log, domains.target.many).items():
        found = {name: _points(log, *keys) for name, keys in named.items()}
        lines = [
            Line(f"{name} {number(points[-1][1])}", np.array(thinned(points, POINTS)), index)
            for index, (name, points) in enumerate(found.items())
            if points
        ]
        if lines:
            yield Chart(title, lines, "epoch", has_whole_steps=True)


def _charts(log: Log, photos: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return title -> line -> kind of the log's lines, and the keys of the value in them."""
    found_parts = (line.get("parts") for line in log)
    parts = dict.fromkeys(str(n) for p in found_parts if isinstance(p, Mapping) for n in p)
    names = [name for name in parts if name != "gradient_norm"][:MOST_PARTS]
    return {
        "Losses": {
            "generator": ("epoch", "generator_loss"),
            "discriminator": ("epoch", "discriminator_loss"),
        },
        **{
            title: {
                "held-out": ("held-out", "scores", metric),
                "training": ("validation", "training_scores", metric),
            }
            for title, metric in _SCORES.items()
        },
        "Generator losses, unweighted": {name: ("epoch", "parts", name) for name in names},
        "Accuracy of the discriminator": {
            f"on real {photos}": ("epoch", "judging", "real_accuracy"),
            f"on generated {photos}": ("epoch", "judging", "fake_accuracy"),
        },
        "Overfitting: mean sign of the discriminator's logits": {
            f"training {photos}": ("epoch", "judging", "real_sign"),
            f"held-out {photos}": ("held-out", "real_sign_held_out"),
        },
        "Discriminator augmentation strength (ADA)": {"strength": ("epoch", "strength")},
        "Learning rate": {"generator": ("epoch", "lr")},
        "Images per second": {"speed": ("epoch", "images_per_second")},
    }


def _points(log: Log, kind: str, *keys: str) -> list[tuple[float, float]]:
    """Return (epoch, value) of the lines of a kind that have the value under these nested keys."""
    found = [
        (float(line["epoch"]), logged(line, *keys))
        for line in log
        if line["kind"] == kind or (kind == "held-out" and line.get("is_held_out", False))
    ]
    return [point for point in found if math.isfinite(point[1])]


def thinned(items: Sequence[Item], most: int) -> Sequence[Item]:
    """Return at most `most` items, evenly spaced and including the last one.

    >>> thinned(range(1, 1001), 4)
    [250, 500, 750, 1000]
    """
    count = min(most, len(items))
    return [items[(index + 1) * len(items) // count - 1] for index in range(count)]
