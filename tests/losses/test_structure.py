import numpy as np
import pytest
import torch

from sketchcli.device import to_tensor
from sketchcli.losses import gradient_loss, structure_loss
from sketchcli.metrics import structural

CPU = torch.device("cpu")


def pictures(noise, seed):
    """Noise on a ramp, so that structures of all sizes are there."""
    ramp = np.linspace(0, 128, 32, dtype=np.uint8)[None, :, None]
    return noise(2, size=32, seed=seed) // 2 + ramp


def test_the_structure_loss_is_what_the_metric_lacks_to_one(noise):
    fake, real = pictures(noise, 1), pictures(noise, 2)
    loss = structure_loss(to_tensor(fake, CPU), to_tensor(real, CPU))
    assert loss.item() == pytest.approx(1 - structural.ssim(fake, real).mean(), abs=1e-4)


def test_the_gradient_loss_by_hand_on_one_step():
    real = torch.zeros(1, 3, 8, 8)
    fake = real.clone()
    fake[..., 4:] = 1  # an edge of height 1 across 8 rows: 1 of 7 differences, then 1 of 3, 1 of 1
    assert gradient_loss(fake, real).item() == pytest.approx((1 / 7 + 1 / 3 + 1) / 3)


@pytest.mark.parametrize("loss", [structure_loss, gradient_loss])
def test_equal_photos_cost_nothing_and_bf16_counts_as_float32(loss, noise):
    real = to_tensor(pictures(noise, 1), CPU)
    assert loss(real, real).item() == pytest.approx(0, abs=1e-6)
    assert loss(real.bfloat16(), real).dtype == torch.float32


@pytest.mark.parametrize("loss", [structure_loss, gradient_loss])
def test_a_step_along_the_gradient_comes_closer(loss, noise):
    fake = to_tensor(pictures(noise, 1), CPU).requires_grad_()
    real = to_tensor(pictures(noise, 2), CPU)
    before = loss(fake, real)
    before.backward()
    step = 0.1 * fake.grad / fake.grad.abs().max()
    assert loss(fake.detach() - step, real) < before


def test_a_brighter_copy_has_the_same_edges(noise):
    real = to_tensor(pictures(noise, 1), CPU)
    assert gradient_loss(real + 0.25, real).item() == pytest.approx(0, abs=1e-6)
    assert structure_loss(real + 0.25, real).item() > 0.001
