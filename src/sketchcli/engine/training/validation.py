"""What is measured on the held-out pairs while a model is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from sketchcli import images
from sketchcli.config import TrainConfig
from sketchcli.data.batches import photos_to_tensor, sketches_to_tensor
from sketchcli.data.prepared import Division, Split
from sketchcli.device import Device
from sketchcli.engine.evaluating import features
from sketchcli.engine.generating.sample import generate_batch
from sketchcli.errors import UsageError
from sketchcli.images import Pixels
from sketchcli.metrics import lpips, pixel, structural

BATCH = 8
LPIPS = "lpips-alex"
# Blurred pictures agree better, pixel for pixel, than sharp ones; this keeps them from winning.
SHARPNESS_WEIGHT = 0.1
SMALLEST_MARGIN = 0.005  # of agreement with the own sketch; less tells nothing


@dataclass(frozen=True)
class Validation:
    """How good a model is, and signs of what is wrong with it.

    Args:
        scores: Metric -> its mean on the looked-at pairs.
        score: What the best model is chosen by; higher is better.
        training_scores: The same metrics on as many pairs that it is trained on.
        colour_shift: CIEDE2000 of the mean colours.
        diversity: How far generated photos are from each other, relative to the real ones.
        sketch_use: About 1 where the photos follow their own sketches, 0 where they do not.
        real_sign_held_out: Mean sign of the discriminator's logits on the real photos.
        generated: The photos `(N, H, W, 3)`.
    """

    scores: dict[str, float]
    score: float
    training_scores: dict[str, float]
    colour_shift: float
    diversity: float | None
    sketch_use: float | None
    real_sign_held_out: float
    generated: Pixels = field(repr=False)


class Validator:
    """Measures a model on pairs that it is not trained on.

    Args:
        config: Which score is the one.
        pairs: The looked-at pairs, and those that are trained on.
        trained: As many pairs of the latter, to compare with.
        device: Where to compute.

    Raises:
        UsageError: The score needs a network that is not here, or larger pictures.
    """

    def __init__(
        self, config: TrainConfig, pairs: Division, trained: Split, device: Device
    ) -> None:
        self.config, self.device = config.validation, device
        self.pairs, self.is_held_out, self.trained = pairs.looked_at, pairs.is_held_out, trained
        height, width = self.pairs.photos.shape[1:3]
        self.lpips = _lpips((height, width), is_needed=config.validation.score == LPIPS)

    def measure(self, generator: nn.Module, discriminator: nn.Module) -> Validation:
        """Draw the looked-at pairs and compare them with the truth."""
        generated = self.draw(generator, self.pairs.sketches)
        scores = self.scores(generated, self.pairs.photos)
        learnt = self.scores(self.draw(generator, self.trained.sketches), self.trained.photos)
        spread = _mean_distance(generated)
        real_spread = _mean_distance(self.pairs.photos)
        return Validation(
            scores=scores,
            score=chosen_score(self.config.score, scores),
            training_scores=learnt,
            colour_shift=float(pixel.colour_shift(generated, self.pairs.photos).mean()),
            diversity=spread / real_spread if spread is not None and real_spread else None,
            sketch_use=sketch_use(generated, self.pairs),
            real_sign_held_out=self.sign_of(discriminator),
            generated=generated,
        )

    def scores(self, generated: Pixels, real: Pixels) -> dict[str, float]:
        """The mean of every metric."""
        values = {
            "ssim": structural.ssim(generated, real),
            "mae": pixel.mae(generated, real),
            "gradient": structural.gradient(generated, real),
            "sharpness": pixel.sharpness_ratio(generated, real),
        }
        if self.lpips is not None:
            values[LPIPS] = self.lpips(generated, real)
        return {name: float(value.mean()) for name, value in values.items()}

    def draw(self, generator: nn.Module, sketches: Pixels) -> Pixels:
        """Photos of sketches, a few at a time."""
        starts = range(0, len(sketches), BATCH)
        parts = [generate_batch(generator, sketches[i : i + BATCH], self.device) for i in starts]
        return np.concatenate(parts)

    @torch.inference_mode()
    def sign_of(self, discriminator: nn.Module) -> float:
        """The mean sign of its logits on the looked-at real photos, in evaluation mode."""
        was_training = discriminator.training
        discriminator.eval()
        signs = []
        for start in range(0, len(self.pairs), BATCH):
            rows = slice(start, start + BATCH)
            with self.device.autocast():
                logits = discriminator(
                    sketches_to_tensor(self.pairs.sketches[rows], self.device.torch),
                    photos_to_tensor(self.pairs.photos[rows], self.device.torch),
                ).logits
            signs += logits.float().sign().flatten(1).mean(dim=1).tolist()
        discriminator.train(was_training)
        return float(np.mean(signs))


def chosen_score(kind: str, scores: Mapping[str, float]) -> float:
    """The figure that the best model is chosen by; higher is better.

    Args:
        kind: `ssim`, `mae` or `lpips-alex`; or `combined`: SSIM plus gradient agreement, less a
            tenth of the sharpness ratio.
        scores: Means of all metrics.

    >>> round(chosen_score("combined", {"ssim": 0.7, "gradient": 0.9, "sharpness": 1.0}), 3)
    1.5
    """
    if kind == "combined":
        return scores["ssim"] + scores["gradient"] - SHARPNESS_WEIGHT * scores["sharpness"]
    return scores[kind] if kind == "ssim" else -scores[kind]


def sketch_use(generated: Pixels, pairs: Split) -> float | None:
    """How much better photos agree with their own sketches than with others', as real ones do.

    The agreement is that of the gradients. 1 is as much as with the real photos, 0 is not at all;
    None where the real photos do not agree with their sketches either, or there is one pair.
    """
    sketches = np.stack([images.to_rgb(sketch) for sketch in pairs.sketches])
    others = np.roll(sketches, 1, axis=0)

    def margin(photos: Pixels) -> float:
        own, foreign = structural.gradient(photos, sketches), structural.gradient(photos, others)
        return float(own.mean() - foreign.mean())

    expected = margin(pairs.photos)
    return margin(generated) / expected if expected > SMALLEST_MARGIN else None


def _mean_distance(photos: Pixels) -> float | None:
    """Mean absolute difference of neighbours in a ring of photos, 0-255; None of one photo."""
    if len(photos) < 2:
        return None
    values = photos.astype(np.float64)
    return float(np.abs(values - np.roll(values, 1, axis=0)).mean())


def _lpips(
    size: tuple[int, int], *, is_needed: bool
) -> Callable[[Pixels, Pixels], np.ndarray] | None:
    is_seen = min(size) >= lpips.LPIPS_ALEX_SMALLEST_SIDE
    if is_needed and not is_seen:
        raise UsageError(
            f"the score {LPIPS} needs pictures of {lpips.LPIPS_ALEX_SMALLEST_SIDE} pixels or more",
            hint="choose another validation.score, or prepare a larger size",
        )
    file = features.file_of(LPIPS) if is_seen else None
    if file is not None:
        network = lpips.load_lpips_alex(file)
        return lambda generated, real: lpips.lpips_alex(generated, real, network)
    if is_needed:
        raise UsageError(
            f"the score {LPIPS} needs a network that is not here",
            hint=f"type: sketch2img fetch-data {LPIPS}",
        )
    return None
