import pytest
import torch

from sketchcli.losses import r1_penalty


def photos(size=4):
    random = torch.Generator().manual_seed(0)
    return torch.rand(5, 3, size, size, generator=random).requires_grad_()


def test_the_slope_of_a_linear_discriminator_is_its_weights():
    photo = photos()
    weights = torch.linspace(-1, 1, 48).view(3, 4, 4)
    logits = (photo * weights).sum(dim=(1, 2, 3)) + 7
    expected = weights.square().sum().item() / 2
    assert r1_penalty(logits, photo).item() == pytest.approx(expected, rel=1e-5)


def test_a_map_of_logits_counts_as_its_mean():
    photo = photos()
    one = photo.square().sum(dim=(1, 2, 3))
    many = one.view(-1, 1, 1, 1).expand(-1, 1, 6, 6)
    torch.testing.assert_close(r1_penalty(many, photo), r1_penalty(one, photo))


def test_the_penalty_has_a_gradient_of_its_own():
    photo, scale = photos(), torch.tensor(3.0, requires_grad=True)
    penalty = r1_penalty(scale * photo.sum(dim=(1, 2, 3)), photo)
    penalty.backward()
    assert scale.grad.item() == pytest.approx(3 * 48)  # of scale² * 48 / 2
