"""A CSV that says which sketch belongs to which photo: columns `sketch`, `photo`, and `split`."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sketchcli.data import splits
from sketchcli.data.sources import Source, SourcePair
from sketchcli.errors import DataError

COLUMNS = ("sketch", "photo", "split")
EXAMPLE = "the first line names the columns: sketch,photo,split"


def read(path: Path) -> Source:
    """The pairs that a CSV lists; paths are relative to the CSV's own folder.

    `photo` is needed; without a sketch, in a line or at all, the sketch is drawn from the photo.
    Other columns are let be. UTF-8, with commas, semicolons or tabs.

    Args:
        path: The CSV.

    Raises:
        DataError: It cannot be read, has no `photo` column, no lines, or an unknown split.
    """
    lines = list(_lines(path))
    if not lines:
        raise DataError(f"{path}: no pictures in it", hint=EXAMPLE)
    pairs: dict[str, SourcePair] = {}
    left_out: dict[str, str] = {}
    for number, line in lines:
        pair = _pair(path, number, line)
        missing = [p for p in (pair.sketch, pair.photo) if p is not None and not p.is_file()]
        if missing:
            whole = [p for p in (pair.sketch, pair.photo) if p is not None and p not in missing]
            left_out |= dict.fromkeys(map(str, missing), f"no such file (line {number})")
            left_out |= dict.fromkeys(map(str, whole), "unpaired: its partner is missing")
            continue
        # One file in several lines is several pairs; `preprocess` mentions what they repeat.
        name = pair.id if pair.id not in pairs else f"{pair.id} (line {number})"
        pairs[name] = replace(pair, id=name)
    for pair in pairs.values():  # named in a line that was left out, and in another that was not
        left_out.pop(str(pair.photo), None)
        left_out.pop(str(pair.sketch), None)
    return Source(tuple(pairs.values()), "manifest", left_out)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        is_missing = isinstance(error, OSError)
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        hint = "check the path" if is_missing else "save it as a CSV in UTF-8"
        raise DataError(f"{path}: {reason}", hint=hint) from error
    first = text.partition("\n")[0]
    table = csv.DictReader(
        io.StringIO(text, newline=""),
        delimiter=max(",;\t", key=first.count),
    )
    try:
        table.fieldnames = [name.strip().casefold() for name in table.fieldnames or ()]
        if "photo" not in table.fieldnames:
            raise DataError(f"{path}: no column 'photo'", hint=EXAMPLE)
        for line in table:
            cells = {name: (line.get(name) or "").strip() for name in COLUMNS}
            if any(cells.values()):
                yield table.line_num, cells
    except csv.Error as error:
        where = f"{path}, line {table.line_num}"
        raise DataError(f"{where}: {error}", hint="is a quotation mark not closed?") from error


def _pair(path: Path, number: int, line: dict[str, str]) -> SourcePair:
    where = f"{path}, line {number}"
    if not line["photo"]:
        raise DataError(f"{where}: no photo", hint=EXAMPLE)
    split = splits.split_from_name(line["split"]) if line["split"] else None
    if line["split"] and split is None:
        raise DataError(f"{where}: no split is called '{line['split']}'", hint="train, val or test")
    name = Path(line["sketch"] or line["photo"])
    if not name.name:
        raise DataError(f"{where}: '{name}' is no file", hint=EXAMPLE)
    photo = path.parent / line["photo"]
    sketch = path.parent / line["sketch"] if line["sketch"] else None
    # Several sketches of one photo are several pairs: the sketch names the pair.
    return SourcePair(name.with_suffix("").as_posix(), sketch, photo, split)
