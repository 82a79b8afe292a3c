"""What the drawing page asks for besides photos: reading images, drawing sketches, downloads."""

import base64
import functools
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping

import numpy as np

from sketchcli import images, registry
from sketchcli.assets.demo import draw_pair
from sketchcli.engine.runs import generated_by
from sketchcli.errors import UsageError
from sketchcli.images import Pixels
from sketchcli.serving.model_desk import LARGEST_SIDE, check_sides

EXAMPLE_SIDE = 384  # pixels, twice as many as the bundled model takes
STYLED_SIDE = 1024  # pixels, the longer side of a photo that a style draws
NAME = re.compile(r"\w[\w ()-]{0,99}")
Asked = Mapping[str, str]  # what an address asks for after `?`


def _within(pixels: Pixels, side: int) -> Pixels:
    """Reduce an image whose longer side has more pixels than that."""
    if max(pixels.shape[:2]) <= side:
        return pixels
    return images.resize(pixels, images.inner_size(pixels.shape, (side, side)))


def drawable(pixels: Pixels) -> bytes:
    """Return an image as a PNG of a size that can be drawn on."""
    return images.encode(_within(pixels, LARGEST_SIDE), ".png")


def _read(data: bytes, _: Asked) -> bytes:
    """Return any image that sketch2img reads, as a PNG."""
    return drawable(images.decode(data, name="the image"))


def _sketch(data: bytes, asked: Asked) -> bytes:
    """Return the sketch that a style draws from a photo, as PNG."""
    draw = registry.load(registry.STYLES, asked.get("style", "hand")).draw
    photo = images.to_rgb(_within(images.decode(data, name="the photo"), STYLED_SIDE))
    return images.encode(draw(photo, np.random.default_rng(0)), ".png")


@functools.lru_cache(16)
def _example(number: str) -> bytes:
    """Return a sketch of the demo dataset as PNG."""
    if not re.fullmatch(r"[0-9]{1,3}", number):
        raise UsageError("there is no such example")
    return images.encode(draw_pair(int(number), size=EXAMPLE_SIDE)[0], ".png")


def _label(data: bytes, asked: Asked) -> bytes:
    """Return an image as a PNG with the text that says by which model it was generated."""
    pixels = images.decode(data, name="the image", check=check_sides)
    return images.encode(pixels, ".png", comment=generated_by(asked["model"]))


def _pairs(data: bytes, _: Asked) -> bytes:
    """Return a ZIP of pairs in the layout that `preprocess` pairs by name: sketches/, photos/.

    A pair that states its `model` has a generated photo, which says so in its text field.
    """
    try:
        pairs = [
            (
                f"{pair['name']}",
                _content(pair["sketch"]),
                _content(pair["photo"]),
                pair.get("model"),
            )
            for pair in json.loads(data)["pairs"]
        ]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError("the request does not list pairs of images") from error
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:  # PNG is compressed already
        for name, sketch, photo, model in pairs:
            if not NAME.fullmatch(name):
                hint = "use letters, digits, spaces and dashes"
                raise UsageError(f"'{name:.60}' cannot be the name of a pair", hint=hint)
            mark = generated_by(f"{model}") if model else ""
            for folder, side, comment in (("sketches", sketch, ""), ("photos", photo, mark)):
                pixels = images.decode(side, name=f"an image of {name}", check=check_sides)
                png = images.encode(pixels, ".png", comment=comment)
                archive.writestr(f"{folder}/{name}.png", png)
    return packed.getvalue()


def _content(url: str) -> bytes:
    return base64.b64decode(url.partition(";base64,")[2], validate=True)


CALLS: Mapping[str, Callable[[bytes, Asked], bytes]] = {  # a body, and what its address asks for
    "read": _read,
    "sketch": _sketch,
    "examples": lambda _, asked: _example(asked["number"]),
    "label": _label,
    "pairs": _pairs,
}
