"""Validation: scores on the held-out pairs during training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from sketchcli.config import TrainConfig
from sketchcli.data.prepared import Division, Split
from sketchcli.device import Device, to_tensor
from sketchcli.engine.evaluating import features
from sketchcli.engine.generating.sample import generate_batch
from sketchcli.errors import UsageError
from sketchcli.images import Pixels, all_rgb
from sketchcli.metrics import lpips, pixel, structural

BATCH = 8
LPIPS = "lpips-alex"
# Blurred images agree better, pixel for pixel, than sharp ones; this weight compensates for that.
SHARPNESS_WEIGHT = 0.1
SMALLEST_MARGIN = 0.005  # smallest informative margin of real photos' agreement with their sketches


@dataclass(frozen=True)
class Validation:
    """Scores of a model on the held-out pairs, and signs of what is wrong with it."""

    scores: dict[str, float]  # metric -> its mean
    score: float  # the validation score, which picks the best weights; higher is better
    training_scores: dict[str, float]  # the same metrics on as many training pairs
    colour_shift: float  # CIEDE2000 of the mean colours
    diversity: float | None  # distance between generated photos, relative to real photos
    sketch_use: float | None  # about 1 if the photos follow their own sketches, 0 if they do not
    real_sign_held_out: float  # mean sign of the discriminator's logits on the real photos
    generated: Pixels = field(repr=False)  # `(N, H, W)` or `(N, H, W, 3)`


class Validator:
    """Scores a model on held-out pairs.

    If no pairs are held out, training pairs are used instead (`is_held_out` is then False). The
    pairs in `trained` are as many training pairs, to compare with.
    """

    def __init__(
        self, config: TrainConfig, pairs: Division, trained: Split, device: Device
    ) -> None:
        self.config, self.device = config.validation, device
        self.pairs, self.is_held_out, self.trained = pairs.looked_at, pairs.is_held_out, trained
        smaller = min(self.pairs.photos.shape[1:3])
        self.lpips = _lpips(smaller, is_needed=config.validation.score == LPIPS)

    def measure(self, generator: nn.Module, discriminator: nn.Module) -> Validation:
        """Generate the photos of the held-out pairs and compare them with the real photos."""
        generated = self.draw(generator, self.pairs.sketches)
        scores = self.scores(generated, self.pairs.photos)
        learnt = self.scores(self.draw(generator, self.trained.sketches), self.trained.photos)
        spread = _mean_distance(generated)
        real_spread = _mean_distance(self.pairs.photos)
        return Validation(
            scores=scores,
            score=chosen_score(self.config.score, scores),
            training_scores=learnt,
            colour_shift=float(
                pixel.colour_shift(*map(all_rgb, (generated, self.pairs.photos))).mean()
            ),
            diversity=spread / real_spread if spread is not None and real_spread else None,
            sketch_use=sketch_use(generated, self.pairs),
            real_sign_held_out=self.sign_of(discriminator),
            generated=generated,
        )

    def scores(self, generated: Pixels, real: Pixels) -> dict[str, float]:
        """Return the mean of every metric of grey or RGB photos."""
        generated, real = all_rgb(generated), all_rgb(real)
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
        """Generate photos from sketches in small batches."""
        starts = range(0, len(sketches), BATCH)
        parts = [generate_batch(generator, sketches[i : i + BATCH], self.device) for i in starts]
        return np.concatenate(parts)

    @torch.inference_mode()
    def sign_of(self, discriminator: nn.Module) -> float:
        """Return the mean sign of the logits on the held-out real photos, in evaluation mode."""
        was_training = discriminator.training
        discriminator.eval()
        signs = []
        for start in range(0, len(self.pairs), BATCH):
            rows = slice(start, start + BATCH)
            with self.device.autocast():
                logits = discriminator(
                    to_tensor(self.pairs.sketches[rows], self.device.torch),
                    to_tensor(self.pairs.photos[rows], self.device.torch),
                ).logits
            signs += logits.float().sign().flatten(1).mean(dim=1).tolist()
        discriminator.train(was_training)
        return float(np.mean(signs))


def chosen_score(kind: str, scores: Mapping[str, float]) -> float:
    """Return the validation score, which picks the best weights; higher is better.

    `kind` is `ssim`, `mae`, `lpips-alex` or `combined`: SSIM plus gradient agreement, minus a tenth
    of the sharpness ratio. `scores` holds the means of all metrics.

    >>> round(chosen_score("combined", {"ssim": 0.7, "gradient": 0.9, "sharpness": 1.0}), 3)
    1.5
    """
    if kind == "combined":
        return scores["ssim"] + scores["gradient"] - SHARPNESS_WEIGHT * scores["sharpness"]
    return scores[kind] if kind == "ssim" else -scores[kind]


def sketch_use(generated: Pixels, pairs: Split) -> float | None:
    """Return how much better photos agree with their own sketches than with other sketches.

    The agreement is that of the gradients, relative to real photos: 1 means as much better as real
    photos, 0 not at all. None if real photos do not agree with their sketches either, or there is
    only one pair.
    """
    sketches = all_rgb(pairs.sketches)
    others = np.roll(sketches, 1, axis=0)

    def margin(photos: Pixels) -> float:
        photos = all_rgb(photos)
        own, foreign = structural.gradient(photos, sketches), structural.gradient(photos, others)
        return float(own.mean() - foreign.mean())

    expected = margin(pairs.photos)
    return margin(generated) / expected if expected > SMALLEST_MARGIN else None


def _mean_distance(photos: Pixels) -> float | None:
    """Return the mean absolute difference, 0-255, of neighbours in a ring; None for one photo."""
    if len(photos) < 2:
        return None
    values = photos.astype(np.float64)
    return float(np.abs(values - np.roll(values, 1, axis=0)).mean())


def _lpips(side: int, *, is_needed: bool) -> Callable[[Pixels, Pixels], np.ndarray] | None:
    is_seen = side >= lpips.LPIPS_ALEX_SMALLEST_SIDE
    if is_needed and not is_seen:
        raise UsageError(
            f"the score {LPIPS} needs images of at least {lpips.LPIPS_ALEX_SMALLEST_SIDE} pixels",
            hint="choose another validation.score, or prepare larger images",
        )
    file = features.file_of(LPIPS) if is_seen else None
    if file is not None:
        network = lpips.ENTRIES[LPIPS].load(file)
        return lambda generated, real: lpips.distances(generated, real, network)
    if is_needed:
        raise UsageError(
            f"the score {LPIPS} needs its network, which was not found",
            hint=f"run: sketch2img fetch-data {LPIPS}",
        )
    return None
