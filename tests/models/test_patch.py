import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from sketchcli.config import ModelConfig
from sketchcli.errors import UsageError
from sketchcli.models.building import build_discriminator

NARROW = ModelConfig(discriminator="patch", discriminator_options={"width": 4})


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    return build_discriminator(NARROW, (128, 128))


def test_a_logit_sees_70_pixels(discriminator):
    pixels = torch.rand(1, 4, 128, 128, requires_grad=True)
    logits = discriminator.eval()(pixels[:, :1], pixels[:, 1:]).logits
    logits[0, 0, 7, 7].backward()
    for channel in pixels.grad[0]:
        assert channel.any(dim=1).sum() == 70
        assert channel.any(dim=0).sum() == 70


@torch.no_grad()
def test_the_sketch_matters(discriminator):
    sketch, photo = torch.rand(1, 1, 128, 128), torch.rand(1, 3, 128, 128)
    discriminator.eval()
    assert not torch.equal(
        discriminator(sketch, photo).logits, discriminator(-sketch, photo).logits
    )


@torch.no_grad()
def test_features_of_every_inner_layer_are_given_for_matching(discriminator):
    verdict = discriminator(torch.zeros(2, 1, 128, 128), torch.zeros(2, 3, 128, 128))
    assert [tuple(f.shape[1:]) for f in verdict.features] == [
        (4, 64, 64),
        (8, 32, 32),
        (16, 16, 16),
        (32, 15, 15),
    ]
    assert verdict.logits.shape == (2, 1, 14, 14)


@torch.no_grad()
def test_no_inner_convolution_stretches_more_than_spectral_norm_allows(discriminator):
    layers = [m for m in discriminator.layers.modules() if isinstance(m, nn.Conv2d)]
    assert len(layers) == 4
    for layer in layers:
        layer.parametrizations.weight.original.mul_(30)
    for _ in range(20):  # each pass in training is a power iteration
        discriminator(torch.zeros(1, 1, 32, 32), torch.zeros(1, 3, 32, 32))
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).item() < 1.1


def test_the_last_convolution_is_free_of_spectral_norm(discriminator):
    assert not parametrize.is_parametrized(discriminator.output)
    assert all(parametrize.is_parametrized(layer) for layer in discriminator.layers)


@torch.no_grad()
def test_a_gain_makes_up_for_what_spectral_norm_takes(discriminator):
    sketch, photo = torch.rand(1, 1, 64, 64), torch.rand(1, 3, 64, 64)
    discriminator.eval()
    seen = torch.cat([sketch, photo], dim=1)
    for layer, feature in zip(
        discriminator.layers, discriminator(sketch, photo).features, strict=True
    ):
        expected = 2 * functional.leaky_relu(layer(seen), 0.2)
        torch.testing.assert_close(feature, expected)
        seen = feature


@torch.no_grad()
def test_the_smallest_picture_leaves_one_logit():
    discriminator = build_discriminator(NARROW, (24, 24)).eval()
    assert discriminator(torch.zeros(1, 1, 24, 24), torch.zeros(1, 3, 24, 24)).logits.numel() == 1


@pytest.mark.parametrize("size", [(23, 128), (128, 23), (8, 8)])
def test_too_small_pictures_are_an_error_that_says_how_large(size):
    with pytest.raises(UsageError, match="24 pixels"):
        build_discriminator(NARROW, size)
