"""What a training step was like, in numbers."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Figures:
    """What one network's step was like: its loss, parts of it and signs, all means of the batch."""

    loss: float
    parts: dict[str, float] = field(default_factory=dict)
    is_skipped: bool = False  # the loss or its gradient was not finite: nothing was learnt


class Sums:
    """Figures added up over the parts of a batch."""

    def __init__(self) -> None:
        self.values: dict[str, Tensor] = {}

    @property
    def loss(self) -> Tensor:
        """The sum of the losses so far."""
        return self.values["loss"]

    def add(self, share: float, **values: Tensor) -> None:
        """Take in one part's figures, which is `share` of the batch."""
        for name, value in values.items():
            self.values[name] = self.values.get(name, 0.0) + share * value.detach().float()

    def result(self, *, is_skipped: bool) -> Figures:
        """The batch's figures."""
        numbers = torch.stack(list(self.values.values())).tolist()  # waits for the device once
        parts = dict(zip(self.values, numbers, strict=True))
        return Figures(parts.pop("loss"), parts, is_skipped)


def signs(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Shares of logits with the right sign, and the mean sign of the real ones."""
    return {
        "real_accuracy": (real > 0).float().mean(),
        "fake_accuracy": (fake < 0).float().mean(),
        "real_sign": real.float().sign().mean(),
    }
