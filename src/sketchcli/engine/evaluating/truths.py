"""What is compared, and with what: splits, folders, models and baselines as rows of pictures."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from sketchcli import images
from sketchcli.config import Fit
from sketchcli.data.pairing import Pairing, pair_by_name
from sketchcli.data.prepared import PreparedSet, StoredSplit
from sketchcli.data.sources import pictures
from sketchcli.device import exactly
from sketchcli.engine.evaluating import baselines
from sketchcli.engine.evaluating.measuring import Predictor, Read, Truth
from sketchcli.engine.generating.drawing import generate_in_parts
from sketchcli.engine.generating.loading import LoadedModel
from sketchcli.errors import DataError
from sketchcli.images import Pixels

KEPT_BYTES = 500_000_000  # of a model's pictures
WHOLE = "a figure over some of the pictures compares with nothing; give all of them"


def truth_of_split(dataset: PreparedSet, name: str) -> Truth:
    """The photos of a prepared set's split."""
    split = dataset.split(name)
    return Truth(
        f"{dataset.description.name} ({name})",
        split.ids,
        dataset.description.size,
        split.photos.take,
        lambda rows: np.stack([images.to_rgb(split.sketches[row]) for row in rows]),
        Fit(dataset.description.fit),
    )


def truth_of_folder(folder: Path, size: tuple[int, int]) -> Truth:
    """The photos of a folder, resized.

    Raises:
        DataError: There is no such folder, no picture in it, or two of one name.
    """
    found = pictures(folder)
    ids = tuple(path.relative_to(folder).with_suffix("").as_posix() for path in found)
    if twice := [name for name, count in Counter(ids).items() if count > 1]:
        raise DataError(
            f"{folder}: two pictures are called '{twice[0]}'", hint="which is the real one?"
        )
    return Truth(str(folder), ids, size, _reader(found, size, Fit.STRETCH))


def model_predictor(name: str, model: LoadedModel, split: StoredSplit) -> Predictor:
    """What a model draws of a split's sketches."""
    kept: dict[int, Pixels] = {}  # drawn once: the table, the discriminator and the report look

    def read(rows: range) -> Pixels:
        new = [row for row in rows if row not in kept]
        if not new:
            return np.stack([kept[row] for row in rows])
        with exactly():
            sketches = split.sketches.take(rows)
            photos, _ = generate_in_parts(model.generator, sketches, model.device, len(rows))
        if (len(kept) + len(rows)) * photos[0].nbytes <= KEPT_BYTES:
            kept.update(zip(rows, photos, strict=True))
        return photos

    return Predictor(name, "model", read, str(model.path))


def folder_predictor(folder: Path, truth: Truth, name: str) -> Predictor:
    """The pictures of a folder, paired with the real photos by name, and fitted as they were.

    Raises:
        DataError: A file is missing, or has no partner; or one cannot be read, once it is.
    """
    ours = {path: path.relative_to(folder).parent.as_posix() for path in pictures(folder)}
    theirs = {Path(f"{name}.png"): Path(name).parent.as_posix() for name in truth.ids}
    pairing = pair_by_name(ours, theirs)
    _check_complete(pairing, folder, ours)
    files = {pair.photo.with_suffix("").as_posix(): pair.sketch for pair in pairing.pairs}
    read = _reader([files[i] for i in truth.ids], truth.size, truth.fit)
    return Predictor(name, "folder", read, str(folder))


def baseline_predictors(training: StoredSplit | None, split: StoredSplit) -> tuple[Predictor, ...]:
    """Predictors that learn nothing; two of them need training pairs."""
    itself = Predictor("the sketch itself", "baseline", baselines.sketch_itself(split))
    if training is None:
        return (itself,)
    return (
        Predictor("mean training photo", "baseline", baselines.mean_photo(training)),
        Predictor("nearest sketch's photo", "baseline", baselines.nearest_photo(training, split)),
        itself,
    )


def _check_complete(pairing: Pairing, folder: Path, ours: Collection[Path]) -> None:
    strangers = [file for file in pairing.unpaired if file in ours]
    missing = [file.with_suffix("") for file in pairing.unpaired if file not in ours]
    for files, fault in (
        (missing, "is missing"),
        (strangers, "belongs to no real photo"),
        (pairing.duplicates, "is there twice"),
    ):
        if files:
            more = f", and {len(files) - 1} more" if len(files) > 1 else ""
            raise DataError(f"{folder}: {files[0].name} {fault}{more}", hint=WHOLE)


def _reader(files: Sequence[Path], size: tuple[int, int], how: Fit) -> Read:
    return lambda rows: np.stack([images.fit(images.read_rgb(files[r]), size, how) for r in rows])
