import pytest
import torch
from torch import nn

from sketchcli.models.blocks import DiscriminatorOutput, initialise_like_keras, pad_to_multiple


@pytest.mark.parametrize(
    ("size", "padded"), [((16, 24), (16, 24)), ((17, 23), (24, 24)), ((1, 8), (8, 8))]
)
def test_padding_repeats_the_edge_at_the_bottom_and_right(size, padded):
    pixels = torch.rand(1, 2, *size)
    result = pad_to_multiple(pixels, 8)
    height, width = size
    assert result.shape == (1, 2, *padded)
    assert torch.equal(result[..., :height, :width], pixels)
    assert (result[..., height:, :width] == pixels[..., -1:, :]).all()
    assert (result[..., :height, width:] == pixels[..., -1:]).all()


def test_a_probability_is_the_mean_over_the_patches():
    logits = torch.tensor([[[[0.0, 100.0]]], [[[-100.0, -100.0]]]])
    assert DiscriminatorOutput(logits).probability.tolist() == [0.75, 0.0]


def test_a_layer_without_bias_can_be_initialised():
    layer = nn.Conv2d(2, 2, 3, bias=False)
    before = layer.weight.clone()
    initialise_like_keras(layer)
    assert not torch.equal(layer.weight, before)
