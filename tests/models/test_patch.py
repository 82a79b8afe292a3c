import pytest
import torch
from torch import nn

from sketchcli.config import ModelConfig
from sketchcli.models.combined import build_discriminator


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    config = ModelConfig(discriminator="patch", discriminator_options={"width": 4})
    return build_discriminator(config, (128, 128))


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
def test_no_convolution_stretches_more_than_spectral_norm_allows(discriminator):
    layers = [m for m in discriminator.modules() if isinstance(m, nn.Conv2d)]
    assert len(layers) == 5
    for layer in layers:
        layer.parametrizations.weight.original.mul_(30)
    for _ in range(20):  # each pass in training is a power iteration
        discriminator(torch.zeros(1, 1, 32, 32), torch.zeros(1, 3, 32, 32))
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).item() < 1.1
