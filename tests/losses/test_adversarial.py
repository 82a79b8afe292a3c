import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from sketchcli.errors import UsageError
from sketchcli.losses import ADVERSARIAL_LOSSES, discriminator_loss, generator_loss

REAL = torch.tensor([[2.0, 0.5], [-1.0, 3.0]])
FAKE = torch.tensor([[-2.0, 0.0], [1.5, -0.5]])
SURE = torch.full((2, 1, 3, 3), 4.0)


def test_vanilla_is_torchs_cross_entropy_of_the_probabilities():
    real = binary_cross_entropy(REAL.sigmoid(), torch.ones(2, 2))
    fake = binary_cross_entropy(FAKE.sigmoid(), torch.zeros(2, 2))
    torch.testing.assert_close(discriminator_loss("vanilla", REAL, FAKE), (real + fake) / 2)
    passed = binary_cross_entropy(FAKE.sigmoid(), torch.ones(2, 2))
    torch.testing.assert_close(generator_loss("vanilla", FAKE, REAL), passed)


def test_hinge_by_hand():
    # real: 0, .5, 2, 0; fake: 0, 1, 2.5, .5
    assert discriminator_loss("hinge", REAL, FAKE).item() == pytest.approx(2.5 / 4 + 4 / 4)
    assert generator_loss("hinge", FAKE, REAL).item() == pytest.approx(0.25)


def test_lsgan_by_hand():
    # real - 1: 1, -.5, -2, 2; fake: -2, 0, 1.5, -.5
    expected = ((1 + 0.25 + 4 + 4) / 4 + (4 + 0 + 2.25 + 0.25) / 4) / 2
    assert discriminator_loss("lsgan", REAL, FAKE).item() == pytest.approx(expected)
    assert generator_loss("lsgan", FAKE, REAL).item() == pytest.approx((9 + 1 + 0.25 + 2.25) / 4)


def test_relativistic_is_the_cross_entropy_against_the_other_kinds_mean():
    above = binary_cross_entropy((REAL - FAKE.mean()).sigmoid(), torch.ones(2, 2))
    below = binary_cross_entropy((FAKE - REAL.mean()).sigmoid(), torch.zeros(2, 2))
    torch.testing.assert_close(discriminator_loss("relativistic", REAL, FAKE), (above + below) / 2)
    swapped = discriminator_loss("relativistic", FAKE, REAL)
    torch.testing.assert_close(generator_loss("relativistic", FAKE, REAL), swapped)


@pytest.mark.parametrize("kind", ADVERSARIAL_LOSSES)
def test_the_discriminator_wants_to_tell_them_apart(kind):
    sure = SURE / 8  # a square also counts what is too sure
    assert discriminator_loss(kind, sure, -sure) < discriminator_loss(kind, 0 * sure, 0 * sure)
    assert discriminator_loss(kind, 0 * sure, 0 * sure) < discriminator_loss(kind, -sure, sure)


@pytest.mark.parametrize("kind", ADVERSARIAL_LOSSES)
def test_the_generator_wants_its_photos_to_pass(kind):
    assert generator_loss(kind, SURE, SURE) < generator_loss(kind, -SURE, SURE)


@pytest.mark.parametrize("kind", ADVERSARIAL_LOSSES)
def test_a_hopeless_generator_still_has_a_gradient(kind):
    logits = torch.full((3, 1), -50.0, requires_grad=True)
    generator_loss(kind, logits, -logits.detach()).backward()
    assert (logits.grad <= -1 / 3 + 1e-6).all()


@pytest.mark.parametrize("kind", ADVERSARIAL_LOSSES)
def test_large_logits_and_bf16_give_a_finite_float32_scalar(kind):
    extreme = torch.tensor([-1e4, 1e4], dtype=torch.bfloat16)
    for loss in (
        discriminator_loss(kind, extreme, extreme),
        generator_loss(kind, extreme, extreme),
    ):
        assert loss.shape == ()
        assert loss.dtype == torch.float32
        assert loss.isfinite()


def test_an_unknown_kind_lists_the_known_ones():
    with pytest.raises(UsageError, match="'wgan'") as caught:
        discriminator_loss("wgan", REAL, FAKE)
    assert caught.value.hint == "choose from: vanilla, lsgan, hinge, relativistic"
    with pytest.raises(UsageError, match="'wgan'"):
        generator_loss("wgan", FAKE, REAL)
