"""`report.html`, a run on one self-contained page, and its model card."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sketchcli import images
from sketchcli.engine.reporting import web_page
from sketchcli.engine.reporting.web_page import escape, figure, table

SAMPLES = 12  # maximum number of sample sheets that are shown
SIDE = 480  # longest side of a sample sheet, in pixels
Line = Mapping[str, Any]


@dataclass(frozen=True)
class RunStory:
    """Everything that the page shows about a run."""

    name: str
    facts: Mapping[str, str]  # in the order to show them
    command: str  # trains the same model again
    settings: str  # TOML
    environment: Mapping[str, str]  # versions, device and precision
    log: Sequence[Line]  # lines of `log.jsonl`
    samples: Sequence[Path]  # sample sheets of the same pairs, in the order of the epochs
    figures: Mapping[str, Mapping[str, float]]  # method -> metric -> held-out mean; model first


def page(story: RunStory) -> str:
    """Return the page as HTML."""
    parts = [
        f"<h1>{escape(story.name)}</h1>",
        _verdict(story.log),
        web_page.facts(story.facts),
        _figures(story.figures),
        _samples(story.samples),
        _curves(story.log),
        _findings(story.log),
        f"<h2>Reproducing this run</h2><pre>{escape(story.command)}</pre>",
        f"<details><summary>All settings</summary><pre>{escape(story.settings)}</pre></details>",
        f"<h2>Environment</h2>{web_page.facts(story.environment)}",
    ]
    style = web_page.resource("sketchcli.engine.reporting", "run_report.css")
    return web_page.page(story.name, "\n".join(part for part in parts if part), style=style)


def _verdict(log: Sequence[Line]) -> str:
    found = [line for line in log if line["kind"] == "finding"]
    if not found:
        return '<p class="verdict good">✓ The training doctor found no problems</p>'
    names = ", ".join(dict.fromkeys(line["name"].replace("-", " ") for line in found))
    return f'<p class="verdict warning">! The training doctor found: {escape(names)}</p>'


def _figures(figures: Mapping[str, Mapping[str, float]]) -> str:
    if not figures:
        return ""
    metrics = list(next(iter(figures.values())))
    rows = (
        [escape(name), *(number(values[metric]) for metric in metrics)]
        for name, values in figures.items()
    )
    heads = ["", *(escape(metric) for metric in metrics)]
    return f"<h2>Scores on held-out pairs</h2>{table(heads, rows)}"


def _samples(samples: Sequence[Path]) -> str:
    if not samples:
        return ""
    newest_first = reversed(thinned(samples, SAMPLES))
    strip = "".join(figure(images.read_rgb(p), p.stem, side=SIDE) for p in newest_first)
    legend = "Each row: sketch, generated photo, real photo. Newest first, same pairs throughout."
    return f'<h2>Samples</h2><p class="faint">{legend}</p><div class="strip">{strip}</div>'


def _curves(log: Sequence[Line]) -> str:
    epochs = [line for line in log if line["kind"] == "epoch"]
    measured = [line for line in log if line["kind"] == "validation"]
    losses = {"generator": "generator_loss", "discriminator": "discriminator_loss"}
    parts = dict.fromkeys(name for line in epochs for name in line.get("parts", {}))
    own = [name for name in parts if name != "gradient_norm"]
    scores = [("SSIM", "ssim"), ("Mean absolute error (0-255)", "mae"), ("LPIPS", "lpips-alex")]
    charts = [
        chart("losses", {name: _points(epochs, key) for name, key in losses.items()}),
        *(
            chart(
                title,
                {
                    "held-out": _points(measured, "scores", key),
                    "training": _points(measured, "training_scores", key),
                },
            )
            for title, key in scores
        ),
        chart("Generator losses, unweighted", {n: _points(epochs, "parts", n) for n in own}),
        chart(
            "Accuracy of the discriminator",
            {
                "on real photos": _points(epochs, "judging", "real_accuracy"),
                "on generated photos": _points(epochs, "judging", "fake_accuracy"),
            },
        ),
        chart(
            "Overfitting: mean sign of the discriminator's logits",
            {
                "training photos": _points(epochs, "judging", "real_sign"),
                "held-out photos": _points(measured, "real_sign_held_out"),
            },
        ),
        chart(
            "Discriminator augmentation strength (ADA)", {"strength": _points(epochs, "strength")}
        ),
        chart("Learning rate", {"generator": _points(epochs, "lr")}),
        chart("Images per second", {"": _points(epochs, "images_per_second")}),
    ]
    drawn = "".join(charts)
    return f'<h2>Curves</h2><div class="curves">{drawn}</div>' if drawn else ""


def _points(lines: Iterable[Line], *keys: str) -> list[tuple[float, float]]:
    """Return (epoch, value) of the lines that have the value under these nested keys."""
    found = []
    for line in lines:
        value: Any = line
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, int | float):
            found.append((float(line["epoch"]), float(value)))
    return found


def _findings(log: Sequence[Line]) -> str:
    found = [line for line in log if line["kind"] == "finding"]
    if not found:
        return ""
    rows = ([str(line["epoch"]), escape(line["message"])] for line in found)
    return f"<h2>Findings of the training doctor</h2>{table(('epoch', 'what'), rows)}"


# Curves of a run are inline SVG, so that they use the colours of the page.

WIDTH, HEIGHT = 300, 120
POINTS = 200  # maximum per curve: a long run has more epochs than a chart has pixels
COLOURS = 6
Item = TypeVar("Item")
Points = Sequence[tuple[float, float]]


def chart(title: str, lines: Mapping[str, Points]) -> str:
    """Return a chart of named lines of (epoch, value); an empty text if no line has points."""
    drawn = {name: thinned(points, POINTS) for name, points in lines.items() if points}
    if not drawn:
        return ""
    values = [y for points in drawn.values() for _, y in points]
    low, high = min(values), max(values)
    last = max(x for points in drawn.values() for x, _ in points)
    spread = (high - low) or abs(high) or 1.0
    paths = "".join(
        f'<path class="line-{index % COLOURS}" d="{_path(points, low, spread, last)}"/>'
        for index, points in enumerate(drawn.values())
    )
    names = "".join(
        f'<li><svg viewBox="0 0 24 8" aria-hidden="true"><path class="line-{index % COLOURS}" '
        f'd="M0 4H24"/></svg>{escape(name)} {number(points[-1][1])}</li>'
        for index, (name, points) in enumerate(drawn.items())
    )
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT + 16}" '
        f'role="img" aria-label="{escape(title)}"><path class="axis" d="M0 0V{HEIGHT}H{WIDTH}"/>'
        f'<text x="4" y="10">{number(high)}</text><text x="4" y="{HEIGHT - 4}">{number(low)}</text>'
        f'<text y="{HEIGHT + 14}">epoch 1</text><text x="{WIDTH}" y="{HEIGHT + 14}" '
        f'text-anchor="end">{last:g}</text>{paths}</svg><ul>{names}</ul></figure>'
    )


def thinned(items: Sequence[Item], most: int) -> Sequence[Item]:
    """Return at most `most` items, evenly spaced and including the last one.

    >>> thinned(range(1, 1001), 4)
    [250, 500, 750, 1000]
    """
    count = min(most, len(items))
    return [items[(index + 1) * len(items) // count - 1] for index in range(count)]


def number(value: float) -> str:
    """Format a value with three significant digits.

    >>> number(0.12345), number(1234.5), number(2e-4)
    ('0.123', '1234', '0.0002')
    """
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if value and abs(value) < 1e-4 else f"{_rounded(value):g}"


def _rounded(value: float) -> float:
    return round(value, 2 - math.floor(math.log10(abs(value)))) if value else 0.0


def _path(points: Points, low: float, spread: float, last: float) -> str:
    width = max(1.0, last - 1)
    places = [
        ((x - 1) / width * WIDTH, HEIGHT - (y - low) / spread * (HEIGHT - 16)) for x, y in points
    ]
    if len(places) == 1:  # a single point becomes a short stroke
        (x, y) = places[0]
        places = [(x - 2, y), (x + 2, y)]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


# `model-card.md` describes a model to the people who receive it.

LIMITS = """## Limits

* The photos are inventions that fit the sketch. **A generated face is not evidence of identity**:
  what a sketch does not show, such as colours, skin, age and background, comes from the training
  photos. Do not use it to identify, accuse or exclude a person.
* The model has learned only from the pairs named above, with their bias in age, sex, skin, dress
  and lighting. On sketches of another kind than these, expect worse results.
* Whether the generated photos may be published depends on the rights in the training data, and on
  the rights of the people in the sketches.
"""


def model_card(
    name: str, about: Mapping[str, Any], figures: Mapping[str, Mapping[str, float]], command: str
) -> str:
    """Return the card as Markdown; `about` is the metadata of the weights."""
    data, config = about["dataset"], about["config"]
    height, width = about["size"]
    said = {
        "licence": data["licence"],
        "terms": data["notice"],
        "citation": data["citation"],
    }
    terms = "".join(f"* {key}: {value}\n" for key, value in said.items() if value)
    return (
        f"# {name}\n\n"
        f"Generates photos of {width}x{height} pixels from sketches: generator "
        f"`{config['model']['generator']}`, preset `{config['preset']}`, {about['epochs_done']} "
        f"epochs, {about['images_seen']:,} images, trained by sketch2img {about['version']}.\n\n"
        f"## Use\n\n    sketch2img generate SKETCH PHOTO --model {name}\n\n"
        "For art, teaching and research on sketches like those that it was trained on.\n\n"
        f"## Training data\n\n{data['training_pairs']} pairs of `{data['name']}` (fingerprint "
        f"`{data['fingerprint'][:16]}`)\n\n{terms or '* no licence was given'}\n"
        f"{_card_figures(figures)}{LIMITS}\n## Reproducing this run\n\n    {command}\n"
    )


def _card_figures(figures: Mapping[str, Mapping[str, float]]) -> str:
    if not figures:
        return ""
    metrics = list(next(iter(figures.values())))
    lines = [
        "| | " + " | ".join(metrics) + " |",
        "|---" * (len(metrics) + 1) + "|",
        *(
            f"| {name} | " + " | ".join(f"{values[m]:.3f}" for m in metrics) + " |"
            for name, values in figures.items()
        ),
    ]
    return "## Scores\n\nMeans on held-out pairs:\n\n" + "\n".join(lines) + "\n\n"
