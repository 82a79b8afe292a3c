"""What the drawing page asks for besides photos: reading images, drawing sketches, downloads."""

import base64
import binascii
import io
import json
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from sketchcli import images, registry
from sketchcli.assets.demo import draw_pair
from sketchcli.engine.marks import generated_by
from sketchcli.errors import UsageError
from sketchcli.images import Pixels
from sketchcli.serving.model_desk import LARGEST_SIDE, check_sides

EXAMPLE_SIDE = 512  # pixels
STYLED_SIDE = 1024  # pixels, the longer side of a photo that a style draws
QUALITY = 95  # of JPEG
MOST_PAIRS = 1000
DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,", re.ASCII)
NAME = re.compile(r"\w[\w ()-]{0,99}")


def within(pixels: Pixels, side: int) -> Pixels:
    """Reduce an image whose longer side has more pixels than that."""
    if max(pixels.shape[:2]) <= side:
        return pixels
    return images.resize(pixels, images.inner_size(pixels.shape, (side, side)))


def read(data: bytes) -> bytes:
    """Return any image that sketch2img reads as PNG, upright and of a size that can be drawn on."""
    return images.encode(within(images.decode(data, name="the image"), LARGEST_SIDE), ".png")


def sketch(data: bytes, style: str) -> bytes:
    """Return the sketch that a style draws from a photo, as PNG."""
    draw = registry.load(registry.STYLES, style or "hand").draw
    photo = images.to_rgb(within(images.decode(data, name="the photo"), STYLED_SIDE))
    return images.encode(draw(photo, np.random.default_rng(0)), ".png")


def example(number: int) -> bytes:
    """Return a sketch of the demo dataset as PNG."""
    if number >= 1000:
        raise UsageError("there are no more examples")
    return images.encode(draw_pair(number, size=EXAMPLE_SIDE)[0], ".png")


def label(data: bytes, kind: str, model: str) -> bytes:
    """Return an image with the text that says by which model it was generated."""
    if kind not in {"png", "jpg"}:
        raise UsageError(f"'{kind:.20}' is no format for downloads", hint="use png or jpg")
    pixels = images.decode(data, name="the image", check=check_sides)
    return images.encode(pixels, f".{kind}", quality=QUALITY, comment=generated_by(model))


def pairs(data: bytes) -> bytes:
    """Return a ZIP of pairs in the layout that `preprocess` pairs by name: sketches/, photos/.

    A pair that states its `model` has a generated photo, which says so in its text field.
    """
    listed = parsed(data).get("pairs")
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_PAIRS:
        raise UsageError(f"'pairs' must list 1 to {MOST_PAIRS:,} pairs")
    names, packed = set(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:  # PNG is compressed already
        for pair in listed:
            name = pair.get("name") if isinstance(pair, dict) else None
            if not isinstance(name, str) or not NAME.fullmatch(name) or name.lower() in names:
                hint = "use letters, digits, spaces and dashes, and each name once"
                raise UsageError(f"'{name!s:.60}' cannot be the name of a pair", hint=hint)
            names.add(name.lower())
            model = pair.get("model")
            mark = generated_by(model[:100]) if isinstance(model, str) and model else ""
            for side, comment in (("sketch", ""), ("photo", mark)):
                what = f"the {side} of {name}"
                pixels = images.decode(_content(pair.get(side), what), name=what, check=check_sides)
                folder = {"sketch": "sketches", "photo": "photos"}[side]
                png = images.encode(pixels, ".png", comment=comment)
                archive.writestr(f"{folder}/{name}.png", png)
    return packed.getvalue()


def _content(url: object, what: str) -> bytes:
    start = DATA_URL.match(url) if isinstance(url, str) else None
    if start is None or not isinstance(url, str):
        raise UsageError(f"{what} is not a data URL of an image")
    try:
        return base64.b64decode(url[start.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"{what} is damaged: {error}") from error


def parsed(data: bytes) -> Mapping[str, Any]:
    """Return what a JSON object in UTF-8 holds."""
    try:
        found = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise UsageError("the request is not JSON") from error
    if not isinstance(found, dict):
        raise UsageError("the request is not a JSON object")
    return found
