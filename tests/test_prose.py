"""The prose that a person reads: help texts, messages, docstrings, comments and docs pages.

What can be held mechanically is held here: no phrase of a short list that is wrong in every
context, and no help text that only makes sense beside the option's name.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src" / "sketchcli").rglob("*.py"))
TEMPLATES = sorted((ROOT / "src" / "sketchcli").rglob("templates/*.html"))
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md")])

# A phrase that is wrong in every context -> what to write.
PHRASES = {
    r"\bpictures?\b": "image",
    r"\bdata sets?\b": "dataset",
    r"\b(go|goes|going|gone|went) on\b": "resume, continue",
    r"\bby heart\b": "memorised, overfitting",
    r"\b(is|are) (not )?here\b": "is (not) installed, downloaded or found",
    r"\bin the place of\b": "instead of",
    r"\bstrangers?\b": "unpaired or unrelated file; unseen person",
    r"\bat home\b": "in the data folder",
    r"\bunasked\b": "by default, without --overwrite",
    r"\b(told|tells?) of\b": "reported, informed about",
    r"\bset right\b": "corrected",
    r"\bthe (cellar|room|floor)s?\b": "layer, package, module",
    r"\d %": "a percentage is closed up: 95%",
}
# Names that users' files and commands contain: JSON keys, option names, status words.
EXEMPT = re.compile(r"`[^`]*`|\"[^\" ]*\"|'[^' ]*'|--[\w-]+|[\w./-]+\.(png|md|json|html|py|csv)\b")
# Help texts that hang on the option's name.
FRAGMENT = re.compile(
    r"^(of|with|without|not|only|these|those|where|so|as|for|beside|from)\b", re.IGNORECASE
)


def is_a_word(text: str) -> bool:
    """Return whether a string is a name or a key, which no person reads as prose."""
    return re.fullmatch(r"[\w./*{}:,=\\-]*", text.strip()) is not None


def prose_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every string and comment that reads as prose."""
    for node in ast.walk(ast.parse(source)):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and not is_a_word(node.value):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def wrong_phrases(text: str) -> list[str]:
    """Return the phrases of a text that are wrong in every context."""
    plain = EXEMPT.sub(" ", text)
    return [
        f"{m.group()!r}: {better}" for p, better in PHRASES.items() for m in re.finditer(p, plain)
    ]


def page_prose(text: str) -> str:
    """Return a page without its code, link targets, HTML comments and template tags."""
    text = re.sub(r"\{%.*?%\}", " ", text)
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(    |\t).*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`]*`|\]\([^)]*\)|<!--.*?-->|https?://\S+", " ", text, flags=re.DOTALL)


def help_texts() -> Iterator[tuple[str, str]]:
    """Yield every command and option with its help."""
    from sketchcli.cli.app import app

    root = typer.main.get_command(app)
    for name, command in root.commands.items():
        yield name, command.help or ""
        for parameter in command.params:
            yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""


def test_the_source_has_no_wrong_phrase():
    found = [
        f"{path.relative_to(ROOT)}:{line} {wrong}"
        for path in SOURCES
        for line, text in prose_of(path.read_text(encoding="utf-8"))
        for wrong in wrong_phrases(text)
    ]
    assert not found


def test_the_pages_have_no_wrong_phrase():
    found = [
        f"{path.relative_to(ROOT)} {wrong}"
        for path in [*PAGES, *TEMPLATES]
        for wrong in wrong_phrases(page_prose(path.read_text(encoding="utf-8")))
    ]
    assert not found


def test_every_help_text_makes_sense_without_the_option_s_name():
    wrong = [f"{name}: {text}" for name, text in help_texts() if FRAGMENT.match(text)]
    assert not wrong


@pytest.mark.parametrize(
    "text",
    [
        "no pictures in it",
        "it goes on",
        "LPIPS, where its network is here",
        "95 % of them",
        "a data set",
    ],
)
def test_a_wrong_phrase_is_found(text):
    assert wrong_phrases(text)


@pytest.mark.parametrize(
    "text", ["`pictures`", "12% of the images", "resumes the run", "--picture"]
)
def test_keys_and_option_names_are_exempt(text):
    assert not wrong_phrases(text)
