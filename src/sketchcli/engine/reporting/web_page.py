"""Self-contained web pages from the templates beside this module; a page loads no other file.

Jinja2 escapes all names from outside (files, pairs, folders). Besides, the content security policy
of a page lets only its own script and style run, by their hashes, and only images inside it load.
"""

import base64
import functools
import hashlib
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from sketchcli import files, images
from sketchcli.engine.wording import counted, interval, joined, number, printable
from sketchcli.images import Pixels

if TYPE_CHECKING:
    from jinja2 import Environment


def write(path: Path, template: str, **values: object) -> None:
    """Write a page, whole or not at all; invalid Unicode in a file name becomes a question mark."""
    environment = _environment()
    if template.endswith(".md"):
        environment = environment.overlay(finalize=markdown)
    text = environment.get_template(template).render(values).encode("utf-8", "replace")
    files.write_whole(path, lambda part: part.write_bytes(text))


def markdown(value: object) -> object:
    """Escape a text for a line of Markdown: neither HTML nor links nor another cell or line."""
    if not isinstance(value, str) or isinstance(value, Code):
        return value
    text = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", printable(" ".join(value.split())))
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text)
    return text.replace("<", "&lt;").replace(">", "&gt;")


class Code(str):
    """Text in Markdown that needs no more escapes."""

    __slots__ = ()


def code(value: object) -> Code:
    """Return a value between backticks; as HTML if it has some, or tags, itself."""
    text = printable(str(value))
    is_html = bool(set("`<>").intersection(text))
    return Code(f"<code>{markdown(text)}</code>" if is_html else f"`{text}`")


def jpeg(pixels: Pixels, side: int) -> str:
    """Encode an image as JPEG in base64, with no side longer than `side` pixels.

    The image has the shape `(H, W)` or `(H, W, 3)`.
    """
    if max(pixels.shape[:2]) > side:
        pixels = images.resize(pixels, images.inner_size(pixels.shape, (side, side)))
    return base64.b64encode(images.encode(pixels, ".jpg")).decode()


@functools.cache
def _environment() -> "Environment":
    import jinja2  # noqa: PLC0415 - only needed when a page is written

    def digest(source: str) -> str:
        return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()

    loader = jinja2.PackageLoader("sketchcli.engine.reporting")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=jinja2.select_autoescape(["html"]),  # Markdown has its own escapes
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    environment.globals["source"] = lambda name: loader.get_source(environment, name)[0]
    filters = (code, counted, digest, interval, joined, jpeg, number)
    environment.filters |= {each.__name__: each for each in filters} | {"quoted": shlex.quote}
    return environment
