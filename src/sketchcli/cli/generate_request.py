"""From the flags of `generate` to one request, with all that can be checked without a model."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from sketchcli.cli.options import parse_size
from sketchcli.engine.generating import inputs
from sketchcli.engine.generating.inputs import STREAM
from sketchcli.engine.generating.outputs import FORMATS
from sketchcli.engine.generating.request import Existing, Scale, When
from sketchcli.errors import DataError, UsageError
from sketchcli.files import WRITABLE

LARGEST_SIDE = 8192  # pixels of a photo
Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True)
class Places:
    """What is read, and where photos go."""

    sources: tuple[str, ...]
    listed: tuple[str, ...]
    output: str


def places(
    paths: Sequence[str], out: str | None, list_file: str | None, *, is_watching: bool
) -> Places:
    """Tell IN from OUT.

    Raises:
        UsageError: One of them is missing, or there are too many.
        DataError: The list cannot be read.
    """
    *sources, output = [*paths, out] if out is not None else paths or [""]
    if not output:
        raise UsageError("no OUT: where are the photos to go?", hint="generate IN OUT")
    if is_watching and (sources or list_file):
        raise UsageError("--watch FOLDER takes no other IN", hint="generate --watch FOLDER OUT")
    if not (sources or list_file or is_watching):
        raise UsageError(
            f"one path alone ({output}): the sketch, or the photo?", hint="generate IN OUT"
        )
    _check_streams(sources, output, list_file)
    stdin = sys.stdin.buffer if list_file == STREAM else None
    listed = inputs.read_list(list_file, stdin) if list_file else ()
    return Places(tuple(sources), listed, output)


def _check_streams(sources: Sequence[str], output: str, list_file: str | None) -> None:
    if STREAM in sources and list_file == STREAM:
        raise UsageError("- is the sketch or the list, not both", hint="name one of them")
    if (STREAM in sources or list_file == STREAM) and sys.stdin.isatty():
        raise UsageError("- is standard input, and that is a keyboard", hint="... < sketch.png")
    if output == STREAM and sys.stdout.isatty():
        raise UsageError("- is standard output, and that is a terminal", hint="... - > photo.png")


def check_output(output: str, *, uses_stdout: bool, is_shown: bool) -> None:
    """Refuse what cannot go together with a photo on standard output.

    Raises:
        UsageError: Something else would be printed there, or read back.
    """
    if output == STREAM and uses_stdout:
        raise UsageError("standard output holds the photo", hint="leave out --json and --jsonl")
    if output == STREAM and is_shown:
        raise UsageError("--show looks at files", hint="name a file for the photo")


def check_picture_name(option: str, file: Path | None) -> None:
    """Refuse a file that cannot become a picture.

    Raises:
        DataError: Its suffix names no format.
    """
    if file is not None and file.suffix.lower() not in WRITABLE:
        raise DataError(f"{option} {file}: not a picture's name", hint="use .png, .jpg or .webp")


def choice(kind: type[Choice], option: str, text: str) -> Choice:
    """One of an option's words.

    Raises:
        UsageError: It is none.
    """
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(kind)
        raise UsageError(f"{option} {text}: no such choice", hint=f"one of {known}") from None


def flag(option: str, text: str, word: str) -> bool:
    """Whether an option that is `none` or one other word is that word.

    Raises:
        UsageError: It is neither.
    """
    if text not in {"none", word}:
        raise UsageError(f"{option} {text}: no such choice", hint=f"one of none, {word}")
    return text == word


def pasting(*, is_asked: bool, align: str) -> bool:
    """Whether faces are put back.

    Raises:
        UsageError: They are asked for, but never cut out.
    """
    if is_asked and align == "none":
        raise UsageError("--paste puts an aligned face back", hint="add --align face")
    return is_asked


def photo_format(text: str | None) -> str:
    """A format of photos; empty where none is given.

    Raises:
        UsageError: It is none.
    """
    if text is not None and text not in FORMATS:
        raise UsageError(f"--format {text}: no such format", hint=f"one of {', '.join(FORMATS)}")
    return text or ""


def name_suffix(text: str) -> str:
    """What comes behind each name.

    Raises:
        UsageError: It would lead to another folder.
    """
    if set(text) & set("/\\\0"):
        raise UsageError(f"--suffix {text!r}: not part of a name", hint="--suffix _photo")
    return text


def existing(*, is_skipped: bool, is_replaced: bool) -> Existing:
    """What becomes of photos that are there.

    Raises:
        UsageError: Both are asked for.
    """
    if is_skipped and is_replaced:
        raise UsageError("--skip-existing and --overwrite exclude each other", hint="choose one")
    if is_skipped:
        return Existing.SKIP
    return Existing.OVERWRITE if is_replaced else Existing.REFUSE


def photo_size(text: str | None) -> Scale | tuple[int, int]:
    """How large photos are.

    Raises:
        UsageError: It is no size.
    """
    if text is None or text in set(Scale):
        return Scale(text or Scale.MODEL)
    return parse_size(text, largest=LARGEST_SIDE)


def when(option: str, text: str) -> When:
    """Whether something is done to a sketch.

    Raises:
        UsageError: It is none of auto, yes and no.
    """
    return choice(When, option, text)
