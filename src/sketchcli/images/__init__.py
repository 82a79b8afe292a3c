"""The only reader, writer, resizer and range converter of pixels.

Pictures are uint8 RGB `(H, W, 3)` or grey `(H, W)` on disk and in arrays; floats in [-1, 1]
exist only inside the models.
"""

from sketchcli.images.opencv import use_one_thread
from sketchcli.images.reading import (
    LUMA,
    Floats,
    Pixels,
    decode,
    from_model_range,
    luma,
    read,
    read_luma,
    read_rgb,
    read_stream,
    to_model_range,
    to_rgb,
)
from sketchcli.images.sizing import centre, encode, fit, inner_size, resize, sheet, write

__all__ = [
    "LUMA",
    "Floats",
    "Pixels",
    "centre",
    "decode",
    "encode",
    "fit",
    "from_model_range",
    "inner_size",
    "luma",
    "read",
    "read_luma",
    "read_rgb",
    "read_stream",
    "resize",
    "sheet",
    "to_model_range",
    "to_rgb",
    "use_one_thread",
    "write",
]
