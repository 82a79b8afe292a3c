"""What a translator's inputs and targets are: what people call them, and their channels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sketchcli.errors import UsageError

CHANNELS = (1, 3)  # grey, RGB
LONGEST_NAME = 30  # characters
# Grey inputs whose names end so are drawings: only they have paper and a polarity.
SKETCHES = frozenset({"sketch", "drawing", "edge", "line", "outline"})
PLAIN = frozenset({"map", "label", "mask", "input", "target"})  # last words of such names
_PLURALS = {"sketch": "sketches"} | {n: f"{n}s" for n in ("photo", "drawing", "map", "image")}
_SINGULARS = {many: one for one, many in _PLURALS.items()} | {
    f"{one}s": one for one in ("label", "edge", "line", "outline")
}


@dataclass(frozen=True)
class Domain:
    """One side of a pair: all inputs, or all targets.

    >>> night = Domain("night", 3)
    >>> night.one, night.many, night.counted(2), Domain("aerial photos", 3).a
    ('night image', 'night images', '2 night images', 'an aerial photo')
    """

    name: str  # in the singular
    channels: int  # 1: grey `(H, W)`; 3: RGB `(H, W, 3)`

    def __post_init__(self) -> None:
        if self.channels not in CHANNELS:
            raise ValueError(f"an image has 1 or 3 channels, not {self.channels!r:.20}")
        if not self.name.isprintable() or not 0 < len(self.name.strip()) <= LONGEST_NAME:
            raise UsageError(
                f"invalid name for images: '{self.name:.60}'",
                hint=f"use 1 to {LONGEST_NAME} printable characters, such as: night, label map",
            )
        *words, last = self.name.split()
        name = " ".join([*words, _SINGULARS.get(last.lower(), last)])
        object.__setattr__(self, "name", name)

    @property
    def is_sketch(self) -> bool:
        """Whether the images are drawings on paper or on a dark ground."""
        return self.channels == 1 and self.name.lower().split()[-1] in SKETCHES

    @property
    def may_be_plain(self) -> bool:
        """Whether an image of one colour is normal, such as a map of the sea.

        >>> Domain("map", 3).may_be_plain, Domain("aerial photo", 3).may_be_plain
        (True, False)
        """
        return self.name.lower().split()[-1] in PLAIN

    @property
    def one(self) -> str:
        """The noun for one image."""
        return self.name if self._noun else f"{self.name} image"

    @property
    def many(self) -> str:
        """The noun for several images."""
        start, noun = self.one.removesuffix(self._noun or "image"), self._noun or "image"
        return start + _PLURALS[noun]

    @property
    def a(self) -> str:
        """The noun for one image with its article."""
        return f"{'an' if self.one[0].lower() in 'aeiou' else 'a'} {self.one}"

    def counted(self, count: int) -> str:
        """Return a number of images in words."""
        return f"{count:,} {self.one if count == 1 else self.many}"

    @property
    def _noun(self) -> str:
        last = self.name.rpartition(" ")[2]
        return last if last in _PLURALS else ""


SKETCH, PHOTO = Domain("sketch", 1), Domain("photo", 3)


@dataclass(frozen=True)
class Domains:
    """The inputs and the targets; in code they are always `sketch` and `photo`."""

    input: Domain = SKETCH
    target: Domain = PHOTO

    @property
    def channels(self) -> tuple[int, int]:
        """The channels of an input and of a target."""
        return self.input.channels, self.target.channels

    @property
    def reversed(self) -> "Domains":
        """The opposite direction."""
        return Domains(self.target, self.input)

    def __str__(self) -> str:
        grey, colour = "grey", "colour"
        sides = (self.input, self.target)
        return " to ".join(f"{d.many} ({colour if d.channels == 3 else grey})" for d in sides)


SKETCH_TO_PHOTO = Domains()


def domains_from_dict(values: Mapping[str, Any] | None) -> Domains:
    """Restore what `dataclasses.asdict` returned; files of earlier versions hold none.

    Raises:
        TypeError, ValueError, LookupError: If the values are not domains.
    """
    if values is None:
        return SKETCH_TO_PHOTO
    found = {}
    for side in ("input", "target"):
        name, channels = values[side]["name"], values[side]["channels"]
        if type(name) is not str or type(channels) is not int:
            raise TypeError(f"'{side}' does not describe images")
        try:
            found[side] = Domain(name, channels)
        except UsageError as error:
            raise ValueError(error.message) from error
    return Domains(**found)
