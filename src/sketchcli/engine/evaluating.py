"""`eval`: generated against real photos, pair by pair, with the trivial baselines beside them."""

from pathlib import Path

import numpy as np
import torch

from sketchcli import checkpoint, images, registry
from sketchcli import config as settings
from sketchcli.data import splits
from sketchcli.data.batches import photos_to_tensor, sketches_to_tensor
from sketchcli.data.pairing import pair_by_name
from sketchcli.data.prepared import PreparedSet, Split
from sketchcli.data.sources import pictures
from sketchcli.device import Device
from sketchcli.engine import baselines
from sketchcli.engine.events import SILENT, Advanced, Note, Reporter
from sketchcli.engine.generating import LoadedModel, generate_batch, load_model
from sketchcli.engine.results import DiscriminatorScore, EvalResult, Score
from sketchcli.engine.runs import Run
from sketchcli.errors import CheckpointError, DataError
from sketchcli.images import Pixels
from sketchcli.models.building import build_discriminator

BATCH = 16
PROTOCOL = {
    "aggregation": "mean over pictures of each picture's score",
    "data range": "255 (uint8 RGB)",
    "resize": "INTER_AREA to reduce, INTER_CUBIC to enlarge",
}


def evaluate_model(
    weights: Path,
    dataset: PreparedSet,
    *,
    split: str = splits.TEST,
    device: Device,
    reporter: Reporter = SILENT,
) -> EvalResult:
    """Score a model, and the trivial baselines, on a split of a prepared set.

    Args:
        weights: The model.
        dataset: The pairs; the baselines use its `train` split.
        split: What to score on.
        device: Where to compute; use fp32 for figures that others can compare.
        reporter: Told of the progress.

    Raises:
        DataError: The set has no such split, or another size than the model.
        CheckpointError: The weights cannot be used.
    """
    model = load_model(weights, device)
    if model.size != dataset.description.size:
        raise DataError(
            f"{dataset.folder} has pictures of {_text(dataset.description.size)}, "
            f"the model draws {_text(model.size)}",
            hint="name another set with --data, or another model with --model",
        )
    if model.fingerprint != dataset.description.fingerprint:
        reporter(
            Note(
                f"the model was trained on another set ({model.dataset}): where that has pictures "
                "of this split, the figures flatter it",
                is_warning=True,
            )
        )
    test = dataset.split(split).whole()
    generated = _generate(model, test, reporter)
    predictions = {"model": generated} | _baselines(dataset, test, reporter)
    return EvalResult(
        real=f"{dataset.description.name} ({split})",
        generated=str(weights),
        count=len(test),
        size=model.size,
        directions=_directions(),
        scores=tuple(_score(name, p, test.photos) for name, p in predictions.items()),
        discriminator=_score_discriminator(weights, test, generated, device, reporter),
        protocol=_protocol(),
    )


def evaluate_folders(real: Path, generated: Path, *, size: tuple[int, int]) -> EvalResult:
    """Score a folder of generated photos against a folder of real ones, paired by name.

    Args:
        real: Real photos.
        generated: Generated photos.
        size: Height and width that both are resized to.

    Raises:
        DataError: A file has no partner, or cannot be read.
    """
    pairing = pair_by_name(
        {path: path.relative_to(generated).parent.as_posix() for path in pictures(generated)},
        {path: path.relative_to(real).parent.as_posix() for path in pictures(real)},
    )
    hint = "a figure over some of the pictures compares with nothing; give both all of them"
    for files, fault in (
        (pairing.unpaired, "no file of that name in the other folder"),
        (pairing.duplicates, "another file has the same name"),
    ):
        if files:
            more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
            raise DataError(f"{files[0]}: {fault}{more}", hint=hint)
    ours, theirs = (
        np.stack([images.resize(images.read_rgb(path), size) for path in paths])
        for paths in zip(*((p.sketch, p.photo) for p in pairing.pairs), strict=True)
    )
    return EvalResult(
        real=str(real),
        generated=str(generated),
        count=len(pairing.pairs),
        size=size,
        directions=_directions(),
        scores=(_score(generated.resolve().name, ours, theirs),),
        discriminator=None,
        protocol=_protocol(),
    )


def score_discriminator(
    real: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    fake: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> DiscriminatorScore:
    """Accuracy, precision, recall and F1; a real photo judged real is a true positive.

    Args:
        real: Probabilities `(N,)` that it gives to real photos.
        fake: Probabilities `(N,)` that it gives to generated ones.
    """
    hits, false_alarms = int((real > 0.5).sum()), int((fake > 0.5).sum())
    correct = hits + len(fake) - false_alarms
    precision = hits / (hits + false_alarms) if hits + false_alarms else 0.0
    recall = hits / len(real)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return DiscriminatorScore(correct / (len(real) + len(fake)), precision, recall, f1)


def _baselines(dataset: PreparedSet, test: Split, reporter: Reporter) -> dict[str, Pixels]:
    untrained = {"the sketch itself": baselines.sketch_itself(test)}
    if splits.TRAIN not in dataset.description.counts:
        reporter(Note("no training split: two of the baselines cannot be drawn"))
        return untrained
    training = dataset.split(splits.TRAIN)
    return {
        "mean training photo": baselines.mean_training_photo(training, test),
        "nearest training sketch's photo": baselines.nearest_training_photo(training, test),
    } | untrained


def _generate(model: LoadedModel, test: Split, reporter: Reporter) -> Pixels:
    generated = np.empty_like(test.photos)
    for start in range(0, len(test), BATCH):
        part = slice(start, start + BATCH)
        generated[part] = generate_batch(model.generator, test.sketches[part], model.device)
        reporter(Advanced("photos", min(start + BATCH, len(test)), len(test)))
    return generated


def _score(name: str, generated: Pixels, real: Pixels) -> Score:
    values = {}
    for metric in registry.names(registry.METRICS):
        score = registry.load(registry.METRICS, metric).score
        batches = [slice(start, start + BATCH) for start in range(0, len(real), BATCH)]
        each = np.concatenate([score(generated[b], real[b]) for b in batches])
        values[metric] = float(each.mean())  # the mean of all, not the last one's
    return Score(name, values)


def _protocol() -> dict[str, str]:
    """How every picture is treated, then how each metric is measured."""
    return PROTOCOL | {
        name: registry.load(registry.METRICS, name).PROTOCOL
        for name in registry.names(registry.METRICS)
    }


def _directions() -> dict[str, str]:
    return {
        name: registry.load(registry.METRICS, name).DIRECTION
        for name in registry.names(registry.METRICS)
    }


def _score_discriminator(
    weights: Path, test: Split, generated: Pixels, device: Device, reporter: Reporter
) -> DiscriminatorScore | None:
    state = Run(weights.parent).state
    if not state.is_file():
        reporter(Note(f"no discriminator to score: {state.name} is not beside the weights"))
        return None
    tensors, about = checkpoint.load(state, only=("discriminator.",))
    config = settings.from_dict(about["config"])
    size = (about["size"][0], about["size"][1])
    discriminator = build_discriminator(config.model, size)
    try:
        discriminator.load_state_dict(checkpoint.without_prefix("discriminator", tensors))
    except RuntimeError as error:
        raise CheckpointError(f"{state}: a discriminator of another version") from error
    judge = device.place(discriminator).eval()
    return score_discriminator(
        _probabilities(judge, test.sketches, test.photos, device),
        _probabilities(judge, test.sketches, generated, device),
    )


@torch.inference_mode()
def _probabilities(
    judge: torch.nn.Module, sketches: Pixels, photos: Pixels, device: Device
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    found = []
    for start in range(0, len(sketches), BATCH):
        part = slice(start, start + BATCH)
        sketch = sketches_to_tensor(sketches[part], device.torch)
        photo = photos_to_tensor(photos[part], device.torch)
        found.append(judge(sketch, photo).probability.cpu().double().numpy())
    return np.concatenate(found)


def _text(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
