"""How pictures become those that a network takes."""

from enum import StrEnum


class Fit(StrEnum):
    """How a picture of another shape becomes one of the wanted size."""

    CROP = "crop"  # scaled until it covers the size, the centre is kept
    PAD = "pad"  # scaled until it fits in, on white
    STRETCH = "stretch"  # each side for itself, as the CUHK figures are measured


class Align(StrEnum):
    """What pictures are turned, scaled and cut by before they are fitted."""

    NONE = "none"
    FACE = "face"  # the eyes come to where the CUHK crops have them
    LOOSE = "loose"  # about there: turned, moved and cut wider by chance


class Backdrop(StrEnum):
    """What is behind the sitter of a portrait."""

    KEEP = "keep"  # what the photo has there
    STUDIO = "studio"  # a plain, softly lit surface


class Light(StrEnum):
    """How the sitter of a portrait is lit."""

    KEEP = "keep"  # as in the photo
    EVEN = "even"  # exposed, and its cast taken out, as in one studio


class Likeness(StrEnum):
    """How true a drawn sketch is to its photo."""

    TRUE = "true"  # lines and tone are the photo's
    FREE = "free"  # features are off, and shaded as faces usually are drawn


class Direction(StrEnum):
    """Where the photo is in a side-by-side picture."""

    PHOTO_LEFT = "photo-left"
    PHOTO_RIGHT = "photo-right"
