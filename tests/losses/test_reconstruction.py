import pytest
import torch

from sketchcli.errors import UsageError
from sketchcli.losses import RECONSTRUCTION_LOSSES, reconstruction_loss

REAL = torch.tensor([-1.0, 0.0, 0.5, 1.0]).view(1, 1, 2, 2)


@pytest.mark.parametrize(("kind", "expected"), [("l1", 0.5), ("mse", 0.375)])
def test_closed_forms(kind, expected):
    fake = REAL + torch.tensor([1.0, -0.5, 0.5, 0.0]).view(1, 1, 2, 2)
    assert reconstruction_loss(kind, fake, REAL).item() == pytest.approx(expected)


@pytest.mark.parametrize("kind", RECONSTRUCTION_LOSSES)
def test_equal_photos_cost_nothing_and_bf16_counts_as_float32(kind):
    loss = reconstruction_loss(kind, REAL.bfloat16(), REAL)
    assert loss == 0
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("kind", RECONSTRUCTION_LOSSES)
def test_a_step_along_the_gradient_comes_closer(kind):
    fake = torch.zeros(1, 1, 2, 2, requires_grad=True)
    loss = reconstruction_loss(kind, fake, REAL)
    loss.backward()
    assert reconstruction_loss(kind, fake - 0.1 * fake.grad, REAL) < loss


def test_an_unknown_kind_lists_the_known_ones():
    with pytest.raises(UsageError, match="'ssim'") as caught:
        reconstruction_loss("ssim", REAL, REAL)
    assert caught.value.hint == "choose from: l1, mse"
