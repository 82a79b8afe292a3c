"""Find the images of a raw dataset.

They are in two folders, side by side in one image, in a tree of named folders, or in a manifest.
"""

import csv
import io
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from sketchcli import file_kinds, files, paths
from sketchcli.config import Direction, Domains
from sketchcli.data import pairing, prepared, splits
from sketchcli.data.pairing import Pairing, pair_by_name
from sketchcli.errors import DataError

DUPLICATE = "duplicate: another file of the same kind has this name"
_KINDS = {
    **dict.fromkeys(("photo", "photos", "image", "images", "real", "target", "targets"), "photo"),
    **dict.fromkeys(("sketch", "sketches", "drawing", "drawings", "edge", "edges"), "sketch"),
    **dict.fromkeys(("line", "lines", "input", "inputs", "label", "labels"), "sketch"),
}


@dataclass(frozen=True)
class SourcePair:
    """The files of a pair; if sketch and photo are side by side, both are the same file."""

    id: str
    sketch: Path | None  # None: the sketch is drawn from the photo
    photo: Path
    split: str | None = None  # split according to the source
    direction: Direction | None = None  # position of the photo in a side-by-side image


@dataclass(frozen=True)
class Source:
    """The pairs that were found, and every file that is in none of them."""

    pairs: tuple[SourcePair, ...]
    rule: str
    left_out: dict[str, str] = field(default_factory=dict)  # file -> why
    domains: Domains | None = None  # of a known dataset: its sketches and photos


def pictures(folder: Path) -> list[Path]:
    """Return the images, at least one, in and below a folder; links to folders are not followed."""
    if not folder.is_dir():
        fault = "is a file, but a folder is needed" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {fault}", hint="give an existing folder that contains images")
    entries = _entries(folder)
    found = [path for path in entries if path.is_file() and file_kinds.is_picture(path)]
    if not found:
        others = Counter(path.suffix.lower() for path in entries if path.is_file())
        links = [path for path in entries if path.is_dir()]
        raise file_kinds.no_images(f"{folder} contains no images", others, links)
    return found


def two_folders(sketches: Path, photos: Path) -> Source:
    """Pair a folder of sketches with a folder of photos by name, split by split.

    An image's split is that of the outermost subfolder whose name contains a split; all other
    subfolders are part of the image's name. Neither folder may contain the other.
    """
    inner, outer = sketches.resolve(), photos.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise DataError(f"{sketches} and {photos} overlap", hint="give two separate folders")
    return _pair_each_split(
        dict.fromkeys(pictures(sketches), sketches),
        dict.fromkeys(pictures(photos), photos),
        others=_not_pictures(sketches) | _not_pictures(photos),
    )


def tree(root: Path) -> Source:
    """Pair the images of a tree with folders such as `Training photo`, `Training sketch`."""
    kinds = {path: _kind_of(path, root) for path in pictures(root)}
    sketches = {path: root for path, kind in kinds.items() if kind == "sketch"}
    photos = {path: root for path, kind in kinds.items() if kind == "photo"}
    if not sketches or not photos:
        raise DataError(
            f"{root} does not contain both a folder of sketches and a folder of photos",
            hint="specify the images with --sketches DIR --photos DIR, with --paired DIR if sketch "
            f"and photo are side by side, with --photos DIR if there are only photos; or {DRAFT}",
        )
    neither = (str(path) for path, kind in kinds.items() if not kind)
    others = dict.fromkeys(neither, "not in a folder of sketches or photos") | _not_pictures(root)
    return _pair_each_split(sketches, photos, others=others)


def side_by_side(root: Path, *, direction: Direction) -> Source:
    """Return the pairs of side-by-side images, in the layout of the pix2pix datasets."""
    return _by_path(root, pictures(root), "side-by-side", _not_pictures(root), direction)


def photographs(root: Path) -> Source:
    """Return one pair per photo, whose sketch is to be drawn.

    If the tree has folders of photos, only the images in those count.
    """
    kinds = {path: _kind_of(path, root) for path in pictures(root)}
    left_out = _not_pictures(root)
    if "photo" in kinds.values():
        left_out |= {str(p): "not in a folder of photos" for p, kind in kinds.items() if not kind}
        kinds = {path: kind for path, kind in kinds.items() if kind}
    # The user asked for new sketches, so existing ones need no mention.
    photos = [path for path, kind in kinds.items() if kind != "sketch"]
    return _by_path(root, photos, "photographs", left_out)


def _by_path(
    root: Path,
    found: Iterable[Path],
    rule: str,
    left_out: dict[str, str],
    direction: Direction | None = None,
) -> Source:
    """Return one pair per image, named after its path below the root."""
    pairs: dict[str, SourcePair] = {}
    for path in found:
        name = path.relative_to(root).with_suffix("").as_posix()
        if name in pairs:
            left_out[str(path)] = DUPLICATE
        else:
            sketch = path if direction else None
            pairs[name] = SourcePair(name, sketch, path, _split_of(path, root), direction)
    return Source(tuple(pairs.values()), rule, left_out)


def inner_folder(path: Path, root: Path) -> str:
    """Return the folders between root and file, without the words for split and kind.

    >>> inner_folder(Path("set/train/Sketches of Ann/1.png"), Path("set"))
    'of ann'
    """
    folders = unicodedata.normalize("NFC", path.relative_to(root).parent.as_posix()).split("/")
    return "/".join(name for name in map(_without_labels, folders) if name not in {"", "."})


def _pair_each_split(
    sketches: Mapping[Path, Path], photos: Mapping[Path, Path], *, others: dict[str, str]
) -> Source:
    """Pair files of the same split; each file is given with the root under which it was found."""
    pairs: list[SourcePair] = []
    left_out: dict[str, str] = {}
    rules = []
    split_of = {path: _split_of(path, root) for path, root in {**sketches, **photos}.items()}
    for split in sorted(set(split_of.values()), key=str):
        drawn, shot = (
            {path: inner_folder(path, kind[path]) for path in kind if split_of[path] == split}
            for kind in (sketches, photos)
        )
        found = pair_by_name(drawn, shot)
        rules += [found.rule] if found.pairs else []
        pairs += [SourcePair(*pair, split) for pair in found.pairs]
        unpaired = "unpaired: no file of the other kind has a matching name"
        left_out |= dict.fromkeys(map(str, found.unpaired), unpaired)
        left_out |= dict.fromkeys(map(str, found.duplicates), DUPLICATE)
    return Source(tuple(pairs), "+".join(dict.fromkeys(rules)), left_out | others)


def _entries(folder: Path) -> list[Path]:
    """Return all visible files and links outside prepared datasets, whose images are not data."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        if prepared.INDEX in names:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if Path(place, name).is_symlink()]
        found += [Path(place, name) for name in names + links if not name.startswith(".")]
    return sorted(found)


def _not_pictures(folder: Path) -> dict[str, str]:
    reasons = {}
    for path in _entries(folder):
        if path.is_symlink() and not path.is_file():
            reasons[str(path)] = "a broken link, or a link to a folder"
        elif path.is_file() and not file_kinds.is_picture(path) and path.name not in paths.OURS:
            reasons[str(path)] = "no supported image extension"
    return reasons


def _split_of(path: Path, root: Path) -> str | None:
    found = map(splits.split_from_name, path.relative_to(root).parts[:-1])
    return next(filter(None, found), None)


def _kind_of(path: Path, root: Path) -> str | None:
    """Return `sketch` or `photo`: the kind in the name of the nearest folder that has just one."""
    for folder in path.relative_to(root).parts[-2::-1]:
        kinds = {_KINDS[word] for word in splits.words_of(folder) if word in _KINDS}
        if len(kinds) == 1:
            return kinds.pop()
    return None


@cache
def _without_labels(folder: str) -> str:
    words = splits.words_of(folder)
    rest = [word for word in words if word not in _KINDS and not splits.split_from_name(word)]
    return folder if rest == words else " ".join(rest)


# This section reads a CSV manifest of pairs with the columns `sketch`, `photo` and `split`.

DRAFT = (
    "add --draft-manifest pairs.csv to the same command: it writes a first draft of the pairs, to "
    "check and to give with --manifest pairs.csv"
)
EXAMPLE = "name the columns in the first line: sketch,photo,split"


def read(path: Path) -> Source:
    """Return the pairs that a CSV lists; paths are relative to the folder of the CSV.

    `photo` is required. If a row, or the whole file, has no sketch, the sketch is drawn from the
    photo. Other columns are ignored. The file is UTF-8 with commas, semicolons or tabs.
    """
    lines = list(_lines(path))
    if not lines:
        raise DataError(f"{path} lists no images", hint=EXAMPLE)
    pairs: dict[str, SourcePair] = {}
    left_out: dict[str, str] = {}
    for number, line in lines:
        pair = _pair(path, number, line)
        missing = [p for p in (pair.sketch, pair.photo) if p is not None and not p.is_file()]
        if missing:
            whole = [p for p in (pair.sketch, pair.photo) if p is not None and p not in missing]
            left_out |= dict.fromkeys(map(str, missing), f"file not found (line {number})")
            left_out |= dict.fromkeys(map(str, whole), "unpaired: its partner was not found")
            continue
        # A file in several lines makes several pairs; `preprocess` reports the repetition.
        name = pair.id if pair.id not in pairs else f"{pair.id} (line {number})"
        pairs[name] = replace(pair, id=name)
    for pair in pairs.values():  # a file of a skipped line may also be in a line that was kept
        left_out.pop(str(pair.photo), None)
        left_out.pop(str(pair.sketch), None)
    return Source(tuple(pairs.values()), "manifest", left_out)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = files.read_text(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", hint="check the path") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        table.fieldnames = [name.strip().casefold() for name in table.fieldnames or ()]
        if "photo" not in table.fieldnames:
            raise DataError(f"{path} has no column 'photo'", hint=EXAMPLE)
        for line in table:
            cells = {
                name: files.csv_text((line.get(name) or "").strip())
                for name in ("sketch", "photo", "split")
            }
            if any(cells.values()):
                yield table.line_num, cells
    except csv.Error as error:
        where = f"{path}, line {table.line_num}"
        raise DataError(f"{where}: {error}", hint="check that all quotation marks close") from error


def _pair(path: Path, number: int, line: dict[str, str]) -> SourcePair:
    where = f"{path}, line {number}"
    if not line["photo"]:
        raise DataError(f"{where}: the photo is missing", hint=EXAMPLE)
    split = splits.split_from_name(line["split"]) if line["split"] else None
    if line["split"] and split is None:
        hint = f"choose from: {', '.join(splits.SPLITS)}"
        raise DataError(f"{where}: unknown split '{line['split']}'", hint=hint)
    name = Path(line["sketch"] or line["photo"])
    if not name.name:
        raise DataError(f"{where}: '{name}' is not a file name", hint=EXAMPLE)
    photo = path.parent / line["photo"]
    sketch = path.parent / line["sketch"] if line["sketch"] else None
    # The sketch names the pair, because several sketches of one photo are several pairs.
    return SourcePair(name.with_suffix("").as_posix(), sketch, photo, split)


def write_draft(path: Path, root: Path, photos: Path | None = None) -> Pairing:
    """Write a CSV of the pairs that the files' names suggest, and of the files without a partner.

    `root` holds the sketches if `photos` is given, otherwise both. The last column is for people:
    `read` ignores it.
    """
    names = {p: p.relative_to(root).with_suffix("").as_posix() for p in pictures(root)}
    kinds = {file: _kind_of(file, root) for file in names}
    if photos is not None:
        shot = {p: p.relative_to(photos).with_suffix("").as_posix() for p in pictures(photos)}
        found = pairing.draft(names, shot)
    elif {"sketch", "photo"} <= {*kinds.values()}:
        sides = ({p: n for p, n in names.items() if kinds[p] == k} for k in ("sketch", "photo"))
        found = pairing.draft(*sides)
    else:
        words = [word for word, kind in _KINDS.items() if kind == "sketch"]
        found = pairing.draft_in_one_folder(names, words)

    def near(file: Path) -> str:
        return Path(os.path.relpath(file, path.parent)).as_posix()

    rows = [("sketch", "photo", "split", "without a partner")]
    for pair in found.pairs:
        split = _split_of(pair.sketch, root) or ""
        rows.append((near(pair.sketch), near(pair.photo), split, ""))
    rows += [("", "", "", near(file)) for file in found.unpaired]
    files.write_csv(path, rows)
    return found
