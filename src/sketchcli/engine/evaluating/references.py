"""What an evaluation compares: the real photos, and those of models, folders and baselines.

It also scores a model's discriminator, by how well it tells the real photos from the model's.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from sketchcli import checkpoint, images
from sketchcli import config as settings
from sketchcli.config import Domains, Fit, domains_from_dict
from sketchcli.data.pairing import pair_by_name
from sketchcli.data.prepared import PreparedSet, Split
from sketchcli.data.sources import pictures
from sketchcli.device import exactly, to_tensor
from sketchcli.engine.evaluating.features import BATCH, Candidate, Read, Reference, Values, batches
from sketchcli.engine.events import Note, Reporter
from sketchcli.engine.generating.prepare import LoadedModel
from sketchcli.engine.generating.sample import generate_in_parts
from sketchcli.engine.results import DiscriminatorScore
from sketchcli.engine.runs import Run
from sketchcli.errors import CheckpointError, DataError, UsageError
from sketchcli.images import Pixels, all_rgb
from sketchcli.models.building import build_discriminator

KEPT_BYTES = 500_000_000  # bytes of generated photos that are kept in memory per model


def reference_of_split(dataset: PreparedSet, name: str) -> Reference:
    """Return the photos of a prepared dataset's split as a reference."""
    split = dataset.split(name)
    return Reference(
        f"{dataset.description.name} ({name})",
        split.ids,
        dataset.description.size,
        as_rgb(split.photos),
        sketch_itself(split),
        Fit(dataset.description.fit),
        dataset.description.domains,
    )


def reference_of_folder(folder: Path, size: tuple[int, int]) -> Reference:
    """Return the photos of a folder as a reference, resized to `size` (height, width)."""
    found = pictures(folder)
    ids = tuple(path.relative_to(folder).with_suffix("").as_posix() for path in found)
    if twice := [name for name, count in Counter(ids).items() if count > 1]:
        raise DataError(
            f"{folder} contains two images named '{twice[0]}'", hint="remove or rename one of them"
        )
    return Reference(str(folder), ids, size, _reader(found, size, Fit.STRETCH))


def model_candidate(name: str, model: LoadedModel, split: Split) -> Candidate:
    """Return a model as a method: its photos are generated at its size, then resized."""
    kept: dict[int, Pixels] = {}  # the table, the discriminator and the report use the same photos

    def read(rows: range) -> Pixels:
        new = [row for row in rows if row not in kept]
        if not new:
            return np.stack([kept[row] for row in rows])
        with exactly():
            sketches = in_channels(split.sketches[rows], model.domains.input.channels)
            sketches = _resized(sketches, model.size)
            most = model.at_once(model.size, len(rows))
            photos, _ = generate_in_parts(model.generator, sketches, model.device, most)
        photos = all_rgb(_resized(photos, split.size))
        if (len(kept) + len(rows)) * photos[0].nbytes <= KEPT_BYTES:
            kept.update(zip(rows, photos, strict=True))
        return photos

    return Candidate(name, "model", read, str(model.path))


def as_rgb(pictures: Pixels) -> Read:
    """Let images be read as RGB, whatever their channels."""
    return lambda rows: all_rgb(pictures[rows])


def in_channels(pictures: Pixels, channels: int) -> Pixels:
    """Convert images, grey `(B, H, W)` or RGB `(B, H, W, 3)`, to a number of channels."""
    return np.stack([images.in_channels(picture, channels) for picture in pictures])


def _resized(pictures: Pixels, size: tuple[int, int]) -> Pixels:
    if pictures.shape[1:3] == size:
        return pictures
    return np.stack([images.resize(picture, size) for picture in pictures])


def folder_candidate(folder: Path, reference: Reference, name: str) -> Candidate:
    """Return a folder as a method, paired by name and fitted to the size like the real photos."""
    ours = {path: path.relative_to(folder).parent.as_posix() for path in pictures(folder)}
    theirs = {Path(f"{name}.png"): Path(name).parent.as_posix() for name in reference.ids}
    pairing = pair_by_name(ours, theirs)
    photo = reference.domains.target
    extra = [file for file in pairing.unpaired if file in ours]
    missing = [file.with_suffix("") for file in pairing.unpaired if file not in ours]
    for wrong, fault in (
        (missing, "is missing"),
        (extra, f"has no matching real {photo.one}"),
        (pairing.duplicates, "has the same name as another image"),
    ):
        if wrong:
            more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise DataError(
                f"{folder}: {wrong[0].name} {fault}{more}",
                hint=f"provide exactly one generated {photo.one} for every real {photo.one}; "
                "partial scores are not comparable",
            )
    files = {pair.photo.with_suffix("").as_posix(): pair.sketch for pair in pairing.pairs}
    read = _reader([files[i] for i in reference.ids], reference.size, reference.fit)
    return Candidate(name, "folder", read, str(folder))


def baselines(training: Split | None, split: Split, domains: Domains) -> dict[str, Read]:
    """Return the baselines by their names; two of them need training pairs."""
    sketch, photo = domains.input.one, domains.target.one
    readers = {f"the {sketch} itself": sketch_itself(split)}
    if training is None:
        return readers
    return {
        f"mean training {photo}": mean_photo(training),
        f"nearest {sketch}'s {photo}": nearest_photo(training, split),
    } | readers


def _reader(files: Sequence[Path], size: tuple[int, int], how: Fit) -> Read:
    return lambda rows: np.stack([images.fit(images.read_rgb(files[r]), size, how) for r in rows])


# The baselines learn nothing: a model that does not beat them has learned nothing useful.

BLOCK = 4_000_000  # pixels of sketches that are compared at a time, on either side


def sketch_itself(split: Split) -> Read:
    """Return the sketches as the photos."""
    return as_rgb(split.sketches)


def mean_photo(training: Split) -> Read:
    """Return the mean of all training photos, for every sketch."""
    total = np.zeros(training.photos.shape[1:], np.float64)
    for photo in training.photos:
        total += photo
    mean = images.to_rgb(np.rint(total / len(training)).astype(np.uint8))
    return lambda rows: np.broadcast_to(mean, (len(rows), *mean.shape))


def nearest_photo(training: Split, split: Split) -> Read:
    """Return the photo of the first training sketch with the least squared difference."""
    nearest: list[int] = []
    for ours in _flat(split):
        # This is the squared difference without |ours|²; integers make it exact.
        distances = [np.square(t).sum(axis=1) - 2 * ours @ t.T for t in _flat(training)]
        nearest += np.concatenate(distances, axis=1).argmin(axis=1).tolist()
    return lambda rows: all_rgb(training.photos[nearest[rows.start : rows.stop]])


def _flat(split: Split) -> Iterator[Values]:
    """Yield the sketches, some at a time, as rows of pixels."""
    height, width = split.sketches.shape[1:3]
    for rows in batches(len(split), max(1, BLOCK // (height * width))):
        yield split.sketches[rows].reshape(len(rows), -1).astype(np.float64)


def of_all(models: Sequence[Path], folders: Sequence[Path]) -> dict[Path, str]:
    """Name weights and folders by the last parts of their paths, as many as tell them apart.

    A model has the name of its run, or else of its file; a single model is named `model`.
    """
    parts: dict[Path, tuple[str, ...]] = {}
    for path in models:
        whole = path.resolve()
        run = Run(whole.parent)
        name = f"{run.folder.name}/{whole.stem}" if whole == run.best else whole.stem
        parts[path] = run.folder.parts if whole == run.weights else (*run.folder.parts, name)
    parts |= {path: path.resolve().parts for path in folders}
    names = {path: _shortest(path, parts) for path in parts}
    return names | dict.fromkeys(models, "model") if len(models) == 1 else names


def _shortest(path: Path, parts: dict[Path, tuple[str, ...]]) -> str:
    mine = parts[path]
    others = [found for other, found in parts.items() if other != path]
    for length in range(1, len(mine)):
        end = mine[-length:]
        if all(found[-length:] != end for found in others):
            return "/".join(end)
    return mine[-1]


# The discriminator of a run is scored as the article of the source system does.


def discriminator_score(
    model: LoadedModel, split: Split, candidate: Candidate, reporter: Reporter
) -> DiscriminatorScore | None:
    """Score the discriminator next to a model's weights; note why if it cannot be scored."""
    try:
        discriminator = _discriminator_of(model.path, split.size, model.domains)
    except CheckpointError as error:  # the model itself can still be scored
        reporter(Note(f"{error.message}; the discriminator is not scored", is_warning=True))
        return None
    if discriminator is None:
        message = "discriminator not scored; there is no training state for this image size"
        reporter(Note(f"{model.path}: {message} next to the weights"))
        return None
    judge = model.device.place(discriminator).eval()
    return rates(
        _probabilities(judge, split, split.photos.__getitem__, model),
        _probabilities(judge, split, candidate.read, model),
    )


def _discriminator_of(
    weights: Path, size: tuple[int, int], domains: Domains
) -> torch.nn.Module | None:
    """Return the discriminator next to a model's weights, or None if none has this size."""
    state = Run(weights.parent).state
    if not state.is_file():
        return None
    tensors, about = checkpoint.load(state, only=("discriminator.",))
    try:
        channels = domains_from_dict(about.get("domains")).channels
        if (tuple(about["size"]), channels) != (size, domains.channels):
            return None
        config = settings.from_dict(about["config"])
        with torch.device("meta"):
            discriminator = build_discriminator(config.model, size, domains)
        found = checkpoint.without_prefix("discriminator", tensors)
        kinds = {name: tensor.dtype for name, tensor in discriminator.state_dict().items()}
        cast = {name: found[name].to(kind) for name, kind in kinds.items()}
        discriminator.load_state_dict(cast, assign=True)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, UsageError) as error:
        raise CheckpointError(f"{state} holds the discriminator of another version") from error
    return discriminator


def rates(real: Values, fake: Values) -> DiscriminatorScore:
    """Return accuracy, precision, recall and F1 of probabilities `(N,)` of being real.

    A real photo that is classified as real (above 0.5) is a true positive.
    """
    hits, false_alarms = int((real > 0.5).sum()), int((fake > 0.5).sum())
    correct = hits + len(fake) - false_alarms
    precision = hits / (hits + false_alarms) if hits + false_alarms else 0.0
    recall = hits / len(real)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return DiscriminatorScore(correct / (len(real) + len(fake)), precision, recall, f1)


@torch.inference_mode()
def _probabilities(judge: torch.nn.Module, split: Split, read: Read, model: LoadedModel) -> Values:
    found = []
    for rows in batches(len(split), BATCH):
        sketch, photo = (
            to_tensor(in_channels(pictures, channels), model.device.torch)
            for pictures, channels in zip(
                (split.sketches[rows], read(rows)), model.domains.channels, strict=True
            )
        )
        with exactly():
            found.append(judge(sketch, photo).probability.cpu().double().numpy())
    return np.concatenate(found)
