"""Find the pictures of a data set: in two folders, side by side, or in a tree of named folders."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from sketchcli import images
from sketchcli.config import Direction
from sketchcli.data import splits
from sketchcli.data.pairing import Pairing, pair_by_name
from sketchcli.errors import DataError

_PHOTO_WORDS = ("photo", "image", "real", "target")
_SKETCH_WORDS = ("sketch", "drawing", "edge", "line")


@dataclass(frozen=True)
class SourcePair:
    """Where a pair comes from; side-by-side pictures have one file for both."""

    id: str
    sketch: Path
    photo: Path
    split: str | None = None  # as the source has it
    direction: Direction | None = None  # side by side: where the photo is


@dataclass(frozen=True)
class Source:
    """The pairs found, and every picture that is in none of them."""

    pairs: tuple[SourcePair, ...]
    rule: str
    left_out: dict[str, str] = field(default_factory=dict)  # file -> why


def pictures(folder: Path) -> list[Path]:
    """Pictures in a folder and below it, sorted; links to folders are not followed.

    Raises:
        DataError: There is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found = sorted(p for p in folder.rglob("*") if p.is_file() and images.is_picture(p))
    if not found:
        raise DataError(f"{folder}: no pictures in it")
    return found


def two_folders(sketches: Path, photos: Path) -> Source:
    """A folder of sketches and a folder of photos, paired by name, split by split.

    A picture's split is the first folder below the given one whose name speaks of one.
    """
    sketch_files = _by_split(sketches, pictures(sketches))
    photo_files = _by_split(photos, pictures(photos))
    return _pair_each_split(sketch_files, photo_files)


def tree(root: Path) -> Source:
    """A tree with folders such as `Training photo`, `Training sketch`, `testing-photos`.

    Raises:
        DataError: No folder's name says what it holds.
    """
    found = pictures(root)
    sketches = [p for p in found if _kind_of(p, root) == "sketch"]
    photos = [p for p in found if _kind_of(p, root) == "photo"]
    if not sketches or not photos:
        raise DataError(
            f"{root}: no folders of sketches and of photos in it",
            hint="name them: --sketches DIR --photos DIR, or --paired DIR for side-by-side files",
        )
    source = _pair_each_split(_by_split(root, sketches), _by_split(root, photos))
    neither = {str(p): "in no folder of sketches or photos" for p in found if not _kind_of(p, root)}
    return replace(source, left_out=source.left_out | neither)


def side_by_side(root: Path, *, direction: Direction) -> Source:
    """Pictures that hold sketch and photo side by side, as the pix2pix sets have them."""
    files = pictures(root)
    pairs = tuple(
        SourcePair(
            path.relative_to(root).with_suffix("").as_posix(),
            path,
            path,
            _split_of(path.relative_to(root).parts[:-1]),
            direction,
        )
        for path in files
    )
    return Source(pairs, "side-by-side")


def _pair_each_split(
    sketches: dict[str | None, list[Path]], photos: dict[str | None, list[Path]]
) -> Source:
    pairs: list[SourcePair] = []
    left_out: dict[str, str] = {}
    rules = []
    for split in sorted(sketches.keys() | photos.keys(), key=str):
        pairing = pair_by_name(sketches.get(split, []), photos.get(split, []))
        rules += [pairing.rule] if pairing.pairs else []
        pairs += [SourcePair(p.id, p.sketch, p.photo, split) for p in pairing.pairs]
        left_out |= _reasons(pairing)
    return Source(tuple(pairs), "+".join(dict.fromkeys(rules)), left_out)


def _reasons(pairing: Pairing) -> dict[str, str]:
    unpaired = {
        str(path): "unpaired: no file of the other kind has its name" for path in pairing.unpaired
    }
    return unpaired | {
        str(path): "duplicate: another file of its kind has this name"
        for path in pairing.duplicates
    }


def _by_split(root: Path, files: Iterable[Path]) -> dict[str | None, list[Path]]:
    found: dict[str | None, list[Path]] = {}
    for path in files:
        found.setdefault(_split_of(path.relative_to(root).parts[:-1]), []).append(path)
    return found


def _split_of(folders: Iterable[str]) -> str | None:
    return next(filter(None, map(splits.split_from_name, folders)), None)


def _kind_of(path: Path, root: Path) -> str | None:
    """`sketch` or `photo`, as the nearest folder says that speaks of just one of them."""
    for folder in reversed(path.relative_to(root).parts[:-1]):
        is_sketch, is_photo = _speaks_of(folder, _SKETCH_WORDS), _speaks_of(folder, _PHOTO_WORDS)
        if is_sketch != is_photo:
            return "sketch" if is_sketch else "photo"
    return None


def _speaks_of(folder: str, starts: tuple[str, ...]) -> bool:
    return any(word.startswith(starts) for word in splits.words_of(folder))
