import pytest
import torch

from sketchcli.errors import UsageError
from sketchcli.losses import feature_matching_loss


def features(value, **options):
    """Two layers of different sizes."""
    return [torch.full(shape, value, **options) for shape in [(2, 3, 8, 8), (2, 6, 4, 4)]]


def test_equal_features_cost_nothing():
    assert feature_matching_loss(features(0.5), features(0.5)) == 0


def test_layers_weigh_the_same_whatever_their_size():
    fake, real = features(0.0), features(0.0)
    real[1] += 1.0
    assert feature_matching_loss(fake, real).item() == pytest.approx(0.5)


def test_the_gradient_reaches_the_generated_features_alone():
    fake, real = features(0.0, requires_grad=True), features(1.0, requires_grad=True)
    feature_matching_loss(fake, real).backward()
    assert all((f.grad < 0).all() for f in fake)
    assert all(r.grad is None for r in real)


def test_bf16_features_give_a_float32_loss():
    loss = feature_matching_loss(features(0.0, dtype=torch.bfloat16), features(1.0))
    assert loss.dtype == torch.float32
    assert loss == 1


def test_a_discriminator_without_features_is_an_error_that_says_so():
    with pytest.raises(UsageError, match="no features"):
        feature_matching_loss((), ())


def test_layers_must_match():
    with pytest.raises(ValueError, match="zip"):
        feature_matching_loss(features(0.0), features(0.0)[:1])
