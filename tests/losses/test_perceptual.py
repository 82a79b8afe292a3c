import pytest
import torch
from torch import nn

from sketchcli.errors import UsageError
from sketchcli.losses import PerceptualLoss


class Distance(nn.Module):
    """Mean difference of pictures in [0, 255], by a layer that must not learn."""

    smallest = 16

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 1, 1)
        nn.init.constant_(self.layer.weight, 1 / 3)

    def forward(self, first, second):
        return (self.layer(first) - self.layer(second)).abs().flatten(1).mean(dim=1)


def test_photos_are_shown_in_the_networks_range():
    loss = PerceptualLoss(Distance(), (16, 16))
    black, white = -torch.ones(2, 3, 16, 16), torch.ones(2, 3, 16, 16)
    assert loss(black, white).item() == pytest.approx(255, rel=1e-5)


def test_gradients_reach_the_photos_and_not_the_network():
    network = Distance()
    fake = torch.zeros(1, 3, 16, 16, requires_grad=True)
    PerceptualLoss(network, (16, 16))(fake, torch.ones(1, 3, 16, 16)).backward()
    assert fake.grad.abs().sum() > 0
    assert all(p.grad is None for p in network.parameters())


def test_pictures_too_small_to_be_seen_are_refused():
    with pytest.raises(UsageError, match="16 pixels"):
        PerceptualLoss(Distance(), (40, 12))
