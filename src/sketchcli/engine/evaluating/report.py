"""`report.html`: an evaluation as one page that needs no other file.

The pictures lie in the page once each, as data; `report.js` shows those that the reader asks for.
"""

from pathlib import Path

from sketchcli import files
from sketchcli.engine import web_page
from sketchcli.engine.evaluating import album, charts, headline, plots, report_tables, table
from sketchcli.engine.evaluating.evidence import Evidence
from sketchcli.engine.results import EvalResult
from sketchcli.engine.web_page import escape

NAME = "report.html"
_SIGNS = {"good": "✓", "warning": "≈", "error": "✗"}


def write(folder: Path, result: EvalResult, evidence: Evidence) -> None:
    """Write the report, whole or not at all; it stays under 8 MB whatever the set.

    Few rows are read again, in no more than a batch at a time.

    Args:
        folder: Where to.
        result: The figures.
        evidence: The pictures, and what was measured of each.

    Raises:
        DataError: A picture cannot be read or encoded, or the file cannot be written.
    """
    name = f"Evaluation on {result.real}"
    parts = (
        f'<h1>{escape(name)}</h1><p class="faint">{report_tables.models(result)}</p>',
        _warnings(result),
        _verdicts(result),
        f"<h2>Figures</h2>{report_tables.figures(result)}",
        report_tables.unavailable(result.unavailable, result),
        _gallery(album.compose(result, evidence)),
        report_tables.training_gap(result),
        report_tables.memorisation(result),
        report_tables.discriminator(result),
        _charts(result, evidence),
        report_tables.protocol(result),
    )
    page = web_page.page(
        name,
        "\n".join(part for part in parts if part),
        style=web_page.resource(__package__, "report.css"),
        script=web_page.resource(__package__, "report.js"),
    )
    files.write_whole(folder / NAME, lambda part: part.write_bytes(page.encode()))


def _warnings(result: EvalResult) -> str:
    if not result.warnings:
        return ""
    lines = "".join(f"<li>{escape(warning)}</li>" for warning in result.warnings)
    return f'<div class="warnings"><b class="warning">Read this first</b><ul>{lines}</ul></div>'


def _verdicts(result: EvalResult) -> str:
    first, *others = headline.verdicts(result)
    lines = "".join(
        f'<p class="other {other.mark}">{escape(other.sentence)}</p>' for other in others
    )
    told = headline.EXPLANATION if headline.has_baselines(result) else ""
    return (
        f'<p class="verdict {first.mark}">{_SIGNS[first.mark]} {escape(first.sentence)}</p>{lines}'
        f'<p class="faint">{told}</p>'
    )


def _gallery(found: album.Album) -> str:
    """The place where the script puts the cards, and what they are made of."""
    if not found.shown:
        return ""
    left_out = (
        f'<p class="faint">To keep this page small, it shows {found.shown:,} of {found.wanted:,} '
        "combinations of predictor and metric, the models and the leading metrics first; "
        f"<code>{table.NAME}</code> beside this page has the values of all pictures.</p>"
    )
    return (
        "<h2>Pictures</h2>"
        '<noscript><p class="verdict warning">The pictures are shown by a script in this page; '
        "your browser runs none.</p></noscript>"
        '<div id="controls" hidden></div><p id="caption" class="faint" aria-live="polite"></p>'
        f'<div id="cards" class="cards"></div>{left_out if found.shown < found.wanted else ""}'
        f"{web_page.data_block('album', found.data)}"
    )


def _charts(result: EvalResult, evidence: Evidence) -> str:
    curves, bars = charts.roc(evidence), charts.histograms(result, evidence)
    legend = charts.legend(evidence)
    parts = []
    if curves:
        parts.append(
            f"<h2>Verification</h2>{legend}<div class='beside'>{curves}"
            '<p class="faint">Is this the same person? The nearer a curve comes to the upper left '
            "corner, the better; the dot is where both errors are equal. The same drawing: "
            f"<code>{plots.ROC}</code>.</p></div>"
        )
    if bars:
        parts.append(
            f"<h2>Histograms</h2>{legend}{bars}"
            '<p class="faint">How many pictures have which value; baselines are dashed. The same '
            f"drawings: <code>{plots.HISTOGRAMS}</code>.</p>"
        )
    return "".join(parts)
