"""How a run's discriminator judges real and generated photos, as the source's article has it."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sketchcli import checkpoint
from sketchcli import config as settings
from sketchcli.data.batches import photos_to_tensor, sketches_to_tensor
from sketchcli.data.prepared import StoredSplit
from sketchcli.device import Device, exactly
from sketchcli.engine.evaluating.measuring import Predictor, Read, batches
from sketchcli.engine.results import DiscriminatorScore
from sketchcli.engine.runs import Run
from sketchcli.errors import CheckpointError, UsageError
from sketchcli.models.building import build_discriminator

Probabilities = NDArray[np.float64]


def score_of_run(
    weights: Path, split: StoredSplit, predictor: Predictor, device: Device
) -> DiscriminatorScore | None:
    """The score of the discriminator beside a model's weights; None where there is none.

    Raises:
        CheckpointError: The training state cannot be used.
    """
    state = Run(weights.parent).state
    if not state.is_file():
        return None
    tensors, about = checkpoint.load(state, only=("discriminator.",))
    try:
        height, width = about["size"]
        config = settings.from_dict(about["config"])
        discriminator = build_discriminator(config.model, (height, width))
        discriminator.load_state_dict(checkpoint.without_prefix("discriminator", tensors))
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, UsageError) as error:
        raise CheckpointError(f"{state}: a discriminator of another version") from error
    judge = device.place(discriminator).eval()
    return score(
        _probabilities(judge, split, split.photos.take, device),
        _probabilities(judge, split, predictor.read, device),
    )


def score(real: Probabilities, fake: Probabilities) -> DiscriminatorScore:
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


@torch.inference_mode()
def _probabilities(
    judge: torch.nn.Module, split: StoredSplit, read: Read, device: Device
) -> Probabilities:
    found = []
    for rows in batches(len(split)):
        sketch = sketches_to_tensor(split.sketches.take(rows), device.torch)
        photo = photos_to_tensor(read(rows), device.torch)
        with exactly():
            found.append(judge(sketch, photo).probability.cpu().double().numpy())
    return np.concatenate(found)
