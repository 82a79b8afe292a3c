"""`preprocess`: folders of pictures in, a prepared set out."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sketchcli import files, images, paths
from sketchcli.config import Direction
from sketchcli.data import prepared, sources, splits
from sketchcli.data.ledger import Ledger
from sketchcli.data.pairing import canonical
from sketchcli.data.prepared import ArrayWriter, Description, Pair, PreparedSet
from sketchcli.data.sources import Source, SourcePair
from sketchcli.engine import pictures, provenance
from sketchcli.engine.events import SILENT, Advanced, Note, Reporter
from sketchcli.engine.provenance import Provenance
from sketchcli.engine.results import PreprocessResult
from sketchcli.errors import DataError, UsageError
from sketchcli.images import Pixels

CONTACT_SHEET = "contact-sheet.png"
CONTACT_PAIRS = 24


@dataclass(frozen=True)
class PreprocessConfig:
    """How pictures become arrays."""

    size: tuple[int, int] = (128, 128)  # height, width
    val: float = 0.0  # share of the pairs, where the source has no splits
    test: float = 0.1
    seed: int = 0
    command: str = ""


def find_source(
    named: Path | None = None,
    *,
    sketches: Path | None = None,
    photos: Path | None = None,
    paired: Path | None = None,
    direction: Direction = Direction.PHOTO_LEFT,
) -> tuple[Source, Provenance]:
    """The pairs that a user means, and where they come from.

    Args:
        named: A fetched set's name, or a folder whose subfolders say what they hold.
        sketches: A folder of sketches; needs `photos`.
        photos: A folder of photos; needs `sketches`.
        paired: A folder of side-by-side pictures.
        direction: Where the photo is in those.

    Raises:
        UsageError: Not said in just one way.
        DataError: No such folder, or no pairs in it.
    """
    if [named is None, sketches is None and photos is None, paired is None].count(False) != 1:
        raise UsageError(
            "say where the pictures are, in one way",
            hint="a fetched set's name, --sketches DIR --photos DIR, or --paired DIR",
        )
    if paired is not None:
        at_home = paths.in_room(paths.raw_home(), paired)
        paired = at_home if at_home.is_dir() else paired
        return sources.side_by_side(paired, direction=direction), provenance.read(paired)
    if named is None:
        if sketches is None or photos is None:
            raise UsageError("--sketches and --photos go together", hint="give both")
        return sources.two_folders(sketches, photos), Provenance(sketches.resolve().parent.name)
    for root in (paths.in_room(paths.raw_home(), named), named):
        if root.is_dir():
            return sources.tree(root), provenance.read(root)
    raise DataError(
        f"{named}: neither a fetched set nor a folder",
        hint="sketch2img fetch-data --list shows the sets",
    )


def find_prepared(name: Path | None) -> PreparedSet:
    """The prepared set that a user means: a folder, a name, or the newest.

    Raises:
        DataError: There is none.
    """
    known = prepared_folders()
    if name is None:
        if not known:
            raise DataError("no prepared set yet", hint="make one: sketch2img preprocess")
        return prepared.read(known[-1])
    for folder in (paths.in_room(paths.prepared_home(), name), name):
        if folder.is_dir():
            return prepared.read(folder)
    names = ", ".join(sorted(folder.name for folder in known)) or "none yet"
    raise DataError(f"{name}: no such prepared set", hint=f"known: {names}")


def prepared_folders() -> list[Path]:
    """The prepared sets at home, the newest last."""
    found = paths.prepared_home().glob(f"[!.]*/{prepared.INDEX}")
    return [i.parent for i in sorted(found, key=lambda index: index.stat().st_mtime)]


def preprocess(
    source: Source,
    origin: Provenance,
    config: PreprocessConfig,
    *,
    target: Path,
    overwrite: bool = False,
    reporter: Reporter = SILENT,
) -> PreprocessResult:
    """Read, resize and store every pair of a source; list whatever is left out.

    Args:
        source: The pairs found.
        origin: Where they come from.
        config: Size and splits.
        target: The folder to make; it appears whole or not at all.
        overwrite: Whether an older one may be replaced.
        reporter: Told of the progress, and of every file left out.

    Raises:
        DataError: No pair can be used, or the folder cannot be written.
    """
    ledger = Ledger(dict(source.left_out))
    with files.new_folder(target, is_ours=prepared.is_prepared, overwrite=overwrite) as part:
        pairs = tuple(_store(part, source.pairs, config, ledger, reporter))
        if not pairs:
            hint = "a sketch and its photo share a name, as anna_sketch.png and anna.jpg do"
            raise DataError(_nothing_left(ledger.left_out), hint=hint)
        description = Description(
            name=target.resolve().name,
            size=config.size,
            licence=origin.licence,
            citation=origin.citation,
            command=config.command,
            pairing=source.rule,
            pairs=pairs,
            left_out=ledger.left_out,
            repeated=ledger.repeated,
        )
        prepared.write_index(part, description)
        _write_contact_sheet(part, description)
    _tell(ledger, reporter)
    _tell_empty_splits(description, source, config, reporter)
    return _result(target, description)


def _result(target: Path, description: Description) -> PreprocessResult:
    return PreprocessResult(
        description.name,
        target,
        description.size,
        description.counts,
        description.pairing,
        description.left_out,
        description.repeated,
        target / CONTACT_SHEET,
    )


def _store(
    folder: Path,
    pairs: Iterable[SourcePair],
    config: PreprocessConfig,
    ledger: Ledger,
    reporter: Reporter,
) -> Iterator[Pair]:
    """Write the pairs' arrays, test pairs first: of a picture in both, the training one goes."""
    jobs = [(_split(pair, config), pair) for pair in pairs]
    jobs.sort(key=lambda job: (-splits.SPLITS.index(job[0]), job[1].id))
    with contextlib.ExitStack() as stack:
        writers: dict[str, ArrayWriter] = {}
        for done, (split, job) in enumerate(jobs, start=1):
            reporter(Advanced("pairs", done, len(jobs)))
            try:
                sketch, photo = (images.resize(p, config.size) for p in _read(job))
            except DataError as error:
                ledger.leave_out(f"unreadable pair: {error.message}", job.sketch, job.photo)
                continue
            if not ledger.takes((job.sketch, sketch), (job.photo, photo), split):
                continue
            for kind, pixels in (("sketches", sketch), ("photos", photo)):
                name = f"{split}-{kind}.npy"
                if name not in writers:
                    writers[name] = stack.enter_context(ArrayWriter(folder / name))
                writers[name].append(pixels)
            content = prepared.content_hash(sketch, photo)
            yield Pair(job.id, split, content, str(job.sketch), str(job.photo))


def _split(pair: SourcePair, config: PreprocessConfig) -> str:
    if pair.split is not None:
        return pair.split
    return splits.split_from_hash(
        canonical(pair.id), val=config.val, test=config.test, seed=config.seed
    )


def _read(pair: SourcePair) -> tuple[Pixels, Pixels]:
    """Sketch (H, W) and photo (H, W, 3), of any sizes."""
    if pair.direction is None:
        return images.read_luma(pair.sketch), images.read_rgb(pair.photo)
    both = images.read_rgb(pair.photo)
    half = both.shape[1] // 2
    if not half:
        raise DataError(f"{pair.photo}: too narrow to hold two pictures")
    left, right = both[:, :half], both[:, -half:]
    photo, sketch = (left, right) if pair.direction is Direction.PHOTO_LEFT else (right, left)
    return images.luma(sketch), photo


def _write_contact_sheet(folder: Path, description: Description) -> None:
    dataset = PreparedSet(folder, description)
    shares = len(description.counts)
    pairs: list[tuple[Pixels, Pixels]] = []
    for name in description.counts:
        split = dataset.split(name)
        few = split.take(range(min(len(split), CONTACT_PAIRS // shares)))
        pairs += zip(few.sketches, few.photos, strict=True)
    pictures.write_contact_sheet(folder / CONTACT_SHEET, pairs)


def _tell(ledger: Ledger, reporter: Reporter) -> None:
    for file, reason in ledger.left_out.items():
        reporter(Note(f"left out {file}: {reason}", is_warning=True))
    for file, reason in ledger.repeated.items():
        reporter(Note(f"kept {file}: {reason}", is_warning=True))


def _tell_empty_splits(
    description: Description, source: Source, config: PreprocessConfig, reporter: Reporter
) -> None:
    is_asked = {splits.TRAIN: True, splits.VAL: config.val > 0, splits.TEST: config.test > 0}
    for split, is_wanted in is_asked.items():
        drawn = any(pair.split is None for pair in source.pairs)
        if drawn and is_wanted and split not in description.counts:
            message = f"no pair fell to '{split}': choose other shares (--val, --test) or --seed"
            reporter(Note(message, is_warning=True))


def _nothing_left(left_out: dict[str, str]) -> str:
    reasons = [f"{file}: {reason}" for file, reason in left_out.items()]
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f"no pair can be used; {reasons[0]}{more}" if reasons else "no pairs found"
