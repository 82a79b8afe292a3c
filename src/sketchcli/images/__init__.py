"""Reading, writing, resizing and converting images; no other package does so.

Images are uint8 RGB `(H, W, 3)` or grey `(H, W)`; floats in [-1, 1] exist only inside the models.
"""

from sketchcli.images.opencv import use_one_thread
from sketchcli.images.raster import (
    LUMA,
    Floats,
    Pixels,
    centre,
    decode,
    encode,
    fit,
    from_model_range,
    inner_size,
    luma,
    read,
    read_luma,
    read_rgb,
    read_stream,
    resize,
    sheet,
    to_model_range,
    to_rgb,
    write,
)

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
