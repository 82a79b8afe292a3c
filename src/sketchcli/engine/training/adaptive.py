"""How strongly the discriminator's view is augmented: as strongly as it overfits.

Karras et al. 2020, "Training generative adversarial networks with limited data", section 3: where
the discriminator calls more than a wanted share of the real photos real, it has begun to know
them, and they are changed more often.
"""

from collections.abc import Mapping

from sketchcli.config import AugmentationConfig

BATCHES = 4  # between two adjustments


class AdaptiveStrength:
    """The probability of each change of the discriminator's view; 1 where it does not adapt.

    Args:
        config: Whether it adapts, to what, and how fast.
    """

    def __init__(self, config: AugmentationConfig) -> None:
        self.config = config
        self.value = 0.0 if config.adaptive else 1.0
        self.signs, self.images, self.batches = 0.0, 0, 0

    def update(self, real_sign: float, images: int) -> None:
        """Take in a batch; adjust after every fourth.

        Args:
            real_sign: Mean sign of the discriminator's logits of real photos, in [-1, 1].
            images: Of the batch.
        """
        if not self.config.adaptive:
            return
        self.signs += real_sign
        self.images += images
        self.batches += 1
        if self.batches == BATCHES:
            is_overfitting = self.signs / BATCHES > self.config.adaptive_target
            change = self.images / self.config.adaptive_images
            moved = self.value + (change if is_overfitting else -change)
            self.value = min(1.0, max(0.0, moved))
            self.signs, self.images, self.batches = 0.0, 0, 0

    def state(self) -> dict[str, float]:
        """All that `restore` needs."""
        return {
            "value": self.value,
            "signs": self.signs,
            "images": self.images,
            "batches": self.batches,
        }

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from what `state` took; from the beginning where it is empty."""
        if state and self.config.adaptive:
            self.value, self.signs = state["value"], state["signs"]
            self.images, self.batches = int(state["images"]), int(state["batches"])
