"""Names of archive members: where each may go under a folder."""

import os
import re
import unicodedata

LONGEST_PART, LONGEST_PATH = 255, 1024  # bytes of UTF-8: what common file systems take
IS_WINDOWS = os.name == "nt"


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
    path = "/".join(parts)
    if re.match("[A-Za-z]:", path):
        raise Refusal("has a drive letter in its name")
    if IS_WINDOWS and ":" in path:  # there it names a second content of the file before it
        raise Refusal("has a colon in its name")
    if max(map(_size, [*parts, ""])) > LONGEST_PART or _size(path) > LONGEST_PATH:
        raise Refusal("has too long a name")
    return path


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
