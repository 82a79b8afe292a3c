"""Where a run stands: all that is not in the networks and optimisers."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """Saved with every state, so that a run goes on as if it had never stopped."""

    epochs: int  # of the whole run, as planned now
    step: int = 0
    images_seen: int = 0
    seconds: float = 0.0  # in training steps
    sums: dict[str, float] = field(default_factory=dict)  # of the epoch's figures so far
    counts: dict[str, int] = field(default_factory=dict)  # of batches in each sum
    scores: dict[str, float] = field(default_factory=dict)  # last measured on the held-out pairs
    best_score: float | None = None
    best_epoch: int | None = None
    waited: int = 0  # measurements since the best one
    rate_scale: float = 1.0  # both learning rates are multiplied with it
    discriminator_scale: float = 1.0  # the discriminator's with this one too
    strength: dict[str, float] = field(default_factory=dict)  # of the adaptive augmentation
    skipped: int = 0  # steps whose loss or gradient was not finite
    skipped_in_a_row: int = 0
    rollbacks: int = 0

    @property
    def has_learnt(self) -> bool:
        """Whether any step so far has changed a network."""
        return self.skipped_in_a_row < self.step

    def add(self, figures: Mapping[str, float]) -> None:
        """Take in one batch's figures."""
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def take_means(self) -> dict[str, float]:
        """The means of the epoch's figures; the next epoch begins."""
        means = {name: total / self.counts[name] for name, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Progress":
        """What `to_dict` took; keys of other versions are left out."""
        known = {item.name for item in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})
