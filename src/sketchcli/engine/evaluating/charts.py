"""Histograms and verification curves as drawings inside the page, which take its colours."""

from collections.abc import Iterator

import numpy as np

from sketchcli.engine.evaluating.evidence import Evidence
from sketchcli.engine.evaluating.measuring import Values
from sketchcli.engine.evaluating.wording import BASELINE, number, title
from sketchcli.engine.results import EvalResult
from sketchcli.engine.web_page import escape
from sketchcli.metrics.faces import Roc

COLOURS = 8
WIDTH, HEIGHT = 300, 110  # of a histogram
SQUARE = 300  # of the curves, without their margin
MARGIN = 44


def legend(evidence: Evidence) -> str:
    """Which line is whose."""
    lines = (
        f'<li><svg class="swatch" viewBox="0 0 24 8" aria-hidden="true"><path class="'
        f'{_series(index, predictor.kind)}" d="M0 4H24"/></svg>{escape(predictor.name)}</li>'
        for index, predictor in enumerate(evidence.predictors)
    )
    return f'<ul class="legend">{"".join(lines)}</ul>'


def histograms(result: EvalResult, evidence: Evidence) -> str:
    """One drawing for each metric that has values; nothing where none has."""
    drawn = "".join(
        _histogram(metric, result, evidence)
        for metric in evidence.metrics
        if len(evidence.edges(metric))
    )
    return f'<div class="charts">{drawn}</div>' if drawn else ""


def roc(evidence: Evidence) -> str:
    """All verification curves in one drawing; nothing where there are none."""
    curves = "".join(_curves(evidence))
    if not curves:
        return ""
    whole = SQUARE + 2 * MARGIN
    return (
        f'<svg class="chart roc" viewBox="{-MARGIN} -10 {whole} {SQUARE + MARGIN + 10}" role="img" '
        'aria-label="verification curves: genuine pairs accepted over impostors accepted">'
        f'<path class="axis" d="M0 0V{SQUARE}H{SQUARE}M0 0L{SQUARE} {SQUARE}"/>{_ticks()}'
        f'<text x="{SQUARE / 2}" y="{SQUARE + 34}" text-anchor="middle">impostors accepted</text>'
        f'<text transform="translate(-32 {SQUARE / 2}) rotate(-90)" text-anchor="middle">'
        f"genuine pairs accepted</text>{curves}</svg>"
    )


def _histogram(metric: str, result: EvalResult, evidence: Evidence) -> str:
    edges, name = evidence.edges(metric), title(metric, result)
    shares = {
        index: np.histogram(values, edges)[0] / len(values)
        for index in range(len(evidence.predictors))
        if len(values := evidence.finite(index, metric))
    }
    highest = max(float(found.max()) for found in shares.values())
    outlines = "".join(
        f'<path class="{_series(index, evidence.predictors[index].kind)}" '
        f'd="{_outline(found / highest)}"/>'
        for index, found in shares.items()
    )
    return (
        f'<figure><figcaption>{escape(name)}</figcaption><svg class="chart" viewBox="0 0 '
        f'{WIDTH} {HEIGHT + 18}" role="img" aria-label="histogram of {escape(name)}">{outlines}'
        f'<path class="axis" d="M0 {HEIGHT}H{WIDTH}"/><text y="{HEIGHT + 14}">'
        f'{number(float(edges[0]))}</text><text x="{WIDTH}" y="{HEIGHT + 14}" '
        f'text-anchor="end">{number(float(edges[-1]))}</text></svg></figure>'
    )


def _outline(shares: Values) -> str:
    """Steps along the upper ends of the bars, from heights in [0, 1]."""
    step = WIDTH / len(shares)
    steps = (
        f"V{HEIGHT - (HEIGHT - 4) * share:.1f}H{(index + 1) * step:.0f}"
        for index, share in enumerate(shares)
    )
    return f"M0 {HEIGHT}{''.join(steps)}V{HEIGHT}"


def _curves(evidence: Evidence) -> Iterator[str]:
    for index, predictor in enumerate(evidence.predictors):
        curve = evidence.rocs.get(predictor.name)
        if curve is not None and len(curve.thresholds):
            error = curve.equal_error_rate
            tip = f"{escape(predictor.name)}: equal error rate {number(error)}"
            yield (
                f'<g class="{_series(index, predictor.kind)}"><title>{tip}</title>'
                f'<path d="{_line(curve)}"/>'
                f'<circle cx="{error * SQUARE:.1f}" cy="{error * SQUARE:.1f}" r="4"/></g>'
            )


def _line(curve: Roc) -> str:
    """A curve without the points that would fall on one another: it may have 100,000."""
    points = np.stack([curve.false_accepts, curve.false_rejects], axis=1) * SQUARE
    drawn = np.rint(points * 2) / 2
    is_new = np.append(True, (np.diff(drawn, axis=0) != 0).any(axis=1))
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in drawn[is_new])


def _ticks() -> str:
    marks = ((share, share * SQUARE) for share in (0, 0.25, 0.5, 0.75, 1))
    return "".join(
        f'<text x="{place:g}" y="{SQUARE + 16}" text-anchor="middle">{share:g}</text>'
        f'<text x="-6" y="{SQUARE - place + 4:g}" text-anchor="end">{share:g}</text>'
        for share, place in marks
    )


def _series(index: int, kind: str) -> str:
    return f"series series-{index % COLOURS}{' baseline' if kind == BASELINE else ''}"
