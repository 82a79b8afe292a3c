"""`preprocess`: folders of pictures in, a prepared set out."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sketchcli import files, images, paths
from sketchcli.config import Direction
from sketchcli.data import prepared, splits
from sketchcli.data.prepared import ArrayWriter, Description, Pair, PreparedSet
from sketchcli.data.sources import Source, SourcePair
from sketchcli.engine import pictures
from sketchcli.engine.events import SILENT, Advanced, Note, Reporter
from sketchcli.engine.provenance import Provenance
from sketchcli.engine.results import PreprocessResult
from sketchcli.errors import DataError
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
    for folder in (name, paths.prepared_home() / name):
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
    provenance: Provenance,
    config: PreprocessConfig,
    *,
    target: Path,
    overwrite: bool = False,
    reporter: Reporter = SILENT,
) -> PreprocessResult:
    """Read, resize and store every pair of a source; list whatever is left out.

    Args:
        source: The pairs found.
        provenance: Where they come from.
        config: Size and splits.
        target: The folder to make; it appears whole or not at all.
        overwrite: Whether an older one may be replaced.
        reporter: Told of the progress, and of every file left out.

    Raises:
        DataError: No pair can be used, or the folder cannot be written.
    """
    left_out = dict(source.left_out)
    with files.new_folder(target, overwrite=overwrite) as part:
        pairs = tuple(_store(part, source.pairs, config, left_out, reporter))
        if not pairs:
            raise DataError(_nothing_left(left_out), hint="pairs share a name; see docs/how-to")
        description = Description(
            provenance.name,
            config.size,
            provenance.licence,
            provenance.citation,
            config.command,
            source.rule,
            pairs,
            left_out,
        )
        prepared.write_index(part, description)
        _write_contact_sheet(part, description)
    for file, reason in left_out.items():
        reporter(Note(f"left out {file}: {reason}", is_warning=True))
    return PreprocessResult(
        provenance.name,
        target,
        config.size,
        description.counts,
        source.rule,
        left_out,
        target / CONTACT_SHEET,
    )


def _store(
    folder: Path,
    pairs: Iterable[SourcePair],
    config: PreprocessConfig,
    left_out: dict[str, str],
    reporter: Reporter,
) -> Iterator[Pair]:
    """Write the pairs' arrays, test pairs first, so that a copy in training is what is left out."""
    jobs = sorted(
        ((_split(pair, config), pair) for pair in pairs), key=lambda job: (job[0], job[1].id)
    )
    jobs.sort(key=lambda job: splits.SPLITS.index(job[0]), reverse=True)
    seen: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        writers: dict[str, ArrayWriter] = {}
        for done, (split, job) in enumerate(jobs, start=1):
            reporter(Advanced("pairs", done, len(jobs)))
            try:
                sketch, photo = (images.resize(p, config.size) for p in _read(job))
            except DataError as error:
                left_out[str(job.sketch)] = f"unreadable pair: {error.message}"
                continue
            content = prepared.content_hash(sketch, photo)
            if content in seen:
                left_out[str(job.sketch)] = f"duplicate: the same pictures as {seen[content]}"
                continue
            seen[content] = str(job.sketch)
            for kind, pixels in (("sketches", sketch), ("photos", photo)):
                name = f"{split}-{kind}.npy"
                if name not in writers:
                    writers[name] = stack.enter_context(ArrayWriter(folder / name))
                writers[name].append(pixels)
            yield Pair(job.id, split, content, str(job.sketch), str(job.photo))


def _split(pair: SourcePair, config: PreprocessConfig) -> str:
    if pair.split is not None:
        return pair.split
    return splits.split_from_hash(pair.id, val=config.val, test=config.test, seed=config.seed)


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


def _nothing_left(left_out: dict[str, str]) -> str:
    reasons = [f"{file}: {reason}" for file, reason in left_out.items()]
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f"no pair can be used; {reasons[0]}{more}" if reasons else "no pairs found"
