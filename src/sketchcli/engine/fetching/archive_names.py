"""Names of archive members: where each may go under a folder, and which must not share a place."""

import re
import unicodedata

LONGEST_PART, LONGEST_PATH = 255, 1024  # bytes of UTF-8: what common file systems take


class Refusal(Exception):  # noqa: N818 - a verdict on a member, which becomes a DataError
    """What is wrong with a member, as a verb phrase."""


def relative_path(name: str) -> str:
    """A member's path below the folder that it is unpacked into, in Unicode form NFC.

    >>> relative_path("./photos//a.jpg")
    'photos/a.jpg'

    Raises:
        Refusal: The name could lead elsewhere on some system, or is no name at all.
    """
    name = unicodedata.normalize("NFC", name)
    if "\0" in name:
        raise Refusal("has a NUL in its name")
    if "\\" in name:
        raise Refusal("has a backslash in its name")
    if name.startswith("/"):
        raise Refusal("has an absolute path")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if any(not part.strip(". ") for part in parts):  # Windows reads '.. ' as '..'
        raise Refusal("has a path that leads upwards")
    if any(re.match("[A-Za-z]:", part) for part in parts):
        raise Refusal("has a drive letter in its name")
    path = "/".join(parts)
    if max(map(_size, [*parts, ""])) > LONGEST_PART or _size(path) > LONGEST_PATH:
        raise Refusal("has too long a name")
    return path


class Places:
    """The places that are taken, on a file system that may not tell capitals from small letters."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def take(self, path: str) -> None:
        """Take a file's place.

        Raises:
            Refusal: A file or a folder is there, or a file is where its folder should be.
        """
        place = unicodedata.normalize("NFC", path.casefold())
        above = {place[:end] for end, letter in enumerate(place) if letter == "/"}
        if place in self._files or place in self._folders or above & self._files:
            raise Refusal("has the place of another member")
        self._files.add(place)
        self._folders |= above


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
