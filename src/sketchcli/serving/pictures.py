"""What the drawing page asks for besides photos: other images, sketches, and packed pairs."""

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
from sketchcli.errors import UsageError
from sketchcli.images import Pixels
from sketchcli.serving.model_desk import LARGEST_SIDE

EXAMPLE_SIDE = 384  # pixels, twice as many as the bundled model takes
STYLED_SIDE = 1024  # pixels, the longer side of a photo that a style draws
NAME = re.compile(r"\A\w[\w ()-]{0,99}\Z")
URL = re.compile(r"\Adata:image/png;base64,(.*)\Z")


def drawable(pixels: Pixels, side: int = LARGEST_SIDE) -> Pixels:
    """Reduce an image whose longer side has more pixels than that."""
    if max(pixels.shape[:2]) <= side:
        return pixels
    return images.resize(pixels, images.inner_size(pixels.shape, (side, side)))


def _read(data: bytes, _: str) -> bytes:
    """Return any image that sketch2img reads as a PNG."""
    return images.encode(drawable(images.decode(data, name="the image")), ".png")


def _sketch(data: bytes, style: str) -> bytes:
    """Return the sketch that a style draws from a photo, as a PNG."""
    draw = registry.load(registry.STYLES, style or "hand").draw
    photo = images.to_rgb(drawable(images.decode(data, name="the photo"), STYLED_SIDE))
    return images.encode(draw(photo, np.random.default_rng(0)), ".png")


@functools.lru_cache(16)
def _example(_: bytes, number: str) -> bytes:
    """Return a sketch of the demo dataset as a PNG."""
    if not re.fullmatch(r"[0-9]{1,3}", number):
        raise UsageError("there is no such example")
    return images.encode(draw_pair(int(number), size=EXAMPLE_SIDE)[0], ".png")


def _pairs(data: bytes, _: str) -> bytes:
    """Return a ZIP of pairs in the layout that `preprocess` pairs by name: sketches/, photos/.

    The PNGs stay as they are: that of a generated photo says so in its text field.
    """
    packed = io.BytesIO()
    try:
        with zipfile.ZipFile(packed, "w") as archive:  # PNG is compressed already
            for pair in json.loads(data)["pairs"]:
                [name] = NAME.findall(pair["name"])
                for folder, url in (("sketches", pair["sketch"]), ("photos", pair["photo"])):
                    [png] = URL.findall(url)
                    archive.writestr(f"{folder}/{name}.png", base64.b64decode(png, validate=True))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError("the request does not list pairs of named PNG images") from error
    return packed.getvalue()


# The last part of a call's path -> what makes the answer of a body and a detail.
CALLS: Mapping[str, Callable[[bytes, str], bytes]] = {
    "read": _read,
    "sketch": _sketch,
    "examples": _example,
    "pairs": _pairs,
}
