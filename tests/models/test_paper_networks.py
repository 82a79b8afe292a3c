"""The published student system's networks, layer by layer: `docs/explanation/source-system.md`."""

import math

import pytest
import torch
from torch import nn

from sketchcli import config as settings
from sketchcli.config import ModelConfig
from sketchcli.errors import UsageError
from sketchcli.models.building import build_discriminator, build_generator, count_parameters
from sketchcli.models.discriminators import dense
from sketchcli.models.generators.resnet import ResidualBlock

PAPER = settings.preset("paper").model
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return build_generator(PAPER).eval()


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    return build_discriminator(PAPER, (128, 128)).eval()


@pytest.fixture(params=["generator", "discriminator"])
def network(request):
    return request.getfixturevalue(request.param)


def count_values(network):
    """As Keras counts: the parameters, and the running statistics."""
    values = [*network.parameters(), *network.buffers()]
    return sum(value.numel() for value in values if value.is_floating_point())


def modules_of(network, kinds):
    return [module for module in network.modules() if isinstance(module, kinds)]


def test_the_generator_has_as_many_parameters_as_the_source(generator):
    assert count_parameters(generator) == 1_964_931
    assert count_values(generator) == 1_968_643


def test_the_discriminator_has_as_many_parameters_as_the_source(discriminator):
    assert count_parameters(discriminator) == 1_718_209
    assert count_values(discriminator) == 1_719_489


@pytest.mark.parametrize(
    ("size", "inputs"), [((128, 128), 9_216), ((64, 96), 256 * 2 * 4), ((46, 46), 256)]
)
def test_the_dense_layer_follows_the_pictures_size(size, inputs):
    network = build_discriminator(PAPER, size)
    assert network.dense.in_features == inputs
    photo = torch.zeros(1, 3, *size)
    assert network.eval()(photo[:, :1], photo).logits.shape == (1, 1)


@pytest.mark.parametrize("size", [(45, 128), (128, 45), (8, 8)])
def test_too_small_pictures_are_an_error_that_says_how_large(size):
    with pytest.raises(UsageError, match="46"):
        build_discriminator(PAPER, size)


@torch.no_grad()
def test_the_dense_discriminator_looks_at_the_photo_alone():
    network = build_discriminator(PAPER, (64, 64)).eval()
    photo = torch.rand(1, 3, 64, 64)
    verdicts = [network(sketch, photo).logits for sketch in (photo[:, :1], -photo[:, :1])]
    assert torch.equal(*verdicts)
    assert dense.side_after_convolutions(64) == 2


def test_batch_norm_is_kerass(network):
    norms = modules_of(network, nn.BatchNorm2d)
    assert norms
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


def test_the_discriminators_batch_norm_comes_before_the_activation(discriminator):
    convolution, normed = ["Conv2d", "LeakyReLU"], ["Conv2d", "BatchNorm2d", "LeakyReLU"]
    layers = [type(layer).__name__ for layer in discriminator.convolutions]
    assert layers == [*convolution, *normed, *normed, *normed]


def test_weights_are_glorot_uniform_and_biases_zero(network):
    for layer in modules_of(network, CONVOLUTIONS):
        outputs, inputs, *kernel = layer.weight.shape
        bound = math.sqrt(6 / ((inputs + outputs) * math.prod(kernel)))
        largest = layer.weight.abs().max().item()
        assert 0.95 * bound < largest <= bound
        assert abs(layer.weight.std().item() - bound / math.sqrt(3)) < 0.05 * bound
        assert not layer.bias.any()


@torch.no_grad()
def test_the_block_adds_its_first_convolutions_output_to_its_seconds():
    torch.manual_seed(0)
    block, plain = (
        ResidualBlock(4, dropout=0.0, is_additive=is_additive).eval()
        for is_additive in (True, False)
    )
    plain.load_state_dict(block.state_dict())
    features = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(block(features) - plain(features), block.first(features))


@torch.no_grad()
def test_cnn_is_resnet_without_the_additions(generator):
    cnn = build_generator(ModelConfig(generator="cnn")).eval()
    assert count_parameters(cnn) == count_parameters(generator)
    cnn.load_state_dict(generator.state_dict())
    sketch = torch.rand(1, 1, 32, 32)
    assert not torch.allclose(cnn(sketch), generator(sketch), atol=1e-3)
