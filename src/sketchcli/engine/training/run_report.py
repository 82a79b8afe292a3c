"""`report.html`: a run on one page that needs no other file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sketchcli import images
from sketchcli.engine import web_page
from sketchcli.engine.training.curves import chart, number, thinned
from sketchcli.engine.web_page import escape, figure, table

SAMPLES = 12  # pictures of how the samples changed, at most
SIDE = 480  # of such a picture, pixels

Line = Mapping[str, Any]


@dataclass(frozen=True)
class RunStory:
    """Everything that the page tells.

    Args:
        name: Of the run.
        facts: What is said of it first, in the order to show it.
        command: That trains the same model again.
        settings: As TOML.
        environment: Versions, device, precision.
        log: The lines of its `log.jsonl`.
        samples: Pictures of the same pairs, in the order of the epochs.
        figures: Predictor -> metric -> mean on the held-out pairs, the model first.
    """

    name: str
    facts: Mapping[str, str]
    command: str
    settings: str
    environment: Mapping[str, str]
    log: Sequence[Line]
    samples: Sequence[Path]
    figures: Mapping[str, Mapping[str, float]]


def page(story: RunStory) -> str:
    """The page, as HTML."""
    parts = [
        f"<h1>{escape(story.name)}</h1>",
        _verdict(story.log),
        web_page.facts(story.facts),
        _figures(story.figures),
        _samples(story.samples),
        _curves(story.log),
        _findings(story.log),
        f"<h2>To do it again</h2><pre>{escape(story.command)}</pre>",
        f"<details><summary>All settings</summary><pre>{escape(story.settings)}</pre></details>",
        f"<h2>Where it ran</h2>{web_page.facts(story.environment)}",
    ]
    style = web_page.resource("sketchcli.engine.training", "run_report.css")
    return web_page.page(story.name, "\n".join(part for part in parts if part), style=style)


def _verdict(log: Sequence[Line]) -> str:
    found = [line for line in log if line["kind"] == "finding"]
    if not found:
        return '<p class="verdict good">✓ the training doctor found nothing wrong</p>'
    names = ", ".join(dict.fromkeys(line["name"].replace("-", " ") for line in found))
    return f'<p class="verdict warning">! the training doctor says: {escape(names)}</p>'


def _figures(figures: Mapping[str, Mapping[str, float]]) -> str:
    if not figures:
        return ""
    metrics = list(next(iter(figures.values())))
    rows = (
        [escape(name), *(number(values[metric]) for metric in metrics)]
        for name, values in figures.items()
    )
    heads = ["", *(escape(metric) for metric in metrics)]
    return f"<h2>On held-out pairs</h2>{table(heads, rows)}"


def _samples(samples: Sequence[Path]) -> str:
    if not samples:
        return ""
    newest_first = reversed(thinned(samples, SAMPLES))
    strip = "".join(figure(images.read_rgb(p), p.stem, side=SIDE) for p in newest_first)
    legend = "Each row: sketch, generated, real. The newest first; the same pairs throughout."
    return f'<h2>Samples</h2><p class="faint">{legend}</p><div class="strip">{strip}</div>'


def _curves(log: Sequence[Line]) -> str:
    epochs = [line for line in log if line["kind"] == "epoch"]
    measured = [line for line in log if line["kind"] == "validation"]
    losses = {"generator": "generator_loss", "discriminator": "discriminator_loss"}
    parts = dict.fromkeys(name for line in epochs for name in line.get("parts", {}))
    own = [name for name in parts if name != "gradient_norm"]
    scores = [("SSIM", "ssim"), ("mean absolute error, 0-255", "mae"), ("LPIPS", "lpips-alex")]
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
        chart("the generator's losses, unweighted", {n: _points(epochs, "parts", n) for n in own}),
        chart(
            "the discriminator is right",
            {
                "on real photos": _points(epochs, "judging", "real_accuracy"),
                "on generated ones": _points(epochs, "judging", "fake_accuracy"),
            },
        ),
        chart(
            "overfitting: mean sign of the discriminator's logits",
            {
                "training photos": _points(epochs, "judging", "real_sign"),
                "held-out photos": _points(measured, "real_sign_held_out"),
            },
        ),
        chart("strength of its augmentation", {"strength": _points(epochs, "strength")}),
        chart("learning rate", {"generator": _points(epochs, "lr")}),
        chart("pictures a second", {"": _points(epochs, "images_per_second")}),
    ]
    drawn = "".join(charts)
    return f'<h2>Curves</h2><div class="curves">{drawn}</div>' if drawn else ""


def _points(lines: Iterable[Line], *keys: str) -> list[tuple[float, float]]:
    """(epoch, value) wherever a line has the value; nested keys are looked up one in another."""
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
    return f"<h2>What the training doctor found</h2>{table(('epoch', 'what'), rows)}"
