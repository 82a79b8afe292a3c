"""What every generator promises; a new file in the room is tested at once."""

import dataclasses

import pytest
import torch

from sketchcli import registry
from sketchcli.config import Domain, Domains, ModelConfig
from sketchcli.device import channels_last
from sketchcli.errors import UsageError
from sketchcli.models.building import build_generator


@pytest.fixture(params=registry.names(registry.GENERATORS))
def name(request):
    return request.param


@pytest.fixture
def generator(name):
    torch.manual_seed(0)
    return build_generator(ModelConfig(generator=name, generator_options={"width": 8})).eval()


def sketches(count=2, height=48, width=40):
    random = torch.Generator().manual_seed(1)
    return torch.rand(count, 1, height, width, generator=random) * 2 - 1


@pytest.mark.parametrize("size", [(32, 32), (50, 46), (33, 40), (47, 31)])
@torch.no_grad()
def test_the_photo_has_the_sketchs_size_and_the_range_of_photos(generator, size):
    for parameter in generator.parameters():
        parameter.mul_(4)  # far beyond what a tanh lets through
    photo = generator(sketches(2, *size))
    assert photo.shape == (2, 3, *size)
    assert photo.dtype == torch.float32
    assert photo.abs().max() <= 1


@pytest.mark.parametrize("channels", [(3, 3), (3, 1), (1, 1)])
@torch.no_grad()
def test_inputs_and_targets_have_one_channel_or_three(name, channels):
    domains = Domains(Domain("input", channels[0]), Domain("target", channels[1]))
    network = build_generator(ModelConfig(generator=name, generator_options={"width": 8}), domains)
    photo = network.eval()(torch.zeros(2, channels[0], 33, 40))
    assert photo.shape == (2, channels[1], 33, 40)


@torch.no_grad()
def test_photos_are_float32_in_bf16_too(generator):
    with torch.autocast("cpu", torch.bfloat16):
        assert generator(sketches()).dtype == torch.float32


@torch.no_grad()
def test_the_sketch_decides_the_photo(generator):
    first, second = generator(sketches(2))
    assert (first - second).abs().mean() > 0.01 * first.abs().mean()


def test_one_backward_pass_reaches_every_parameter(generator):
    # In eval, since a bias just before a batch norm has no gradient in training.
    generator(sketches()).square().sum().backward()
    assert all(p.grad is not None for p in generator.parameters())
    # An input that a layer does not use leaves whole channels without a gradient.
    idle = {
        name: (p.grad.flatten(2).abs().sum(2) if p.ndim == 4 else p.grad)
        .eq(0)
        .float()
        .mean()
        .item()
        for name, p in generator.named_parameters()
    }
    assert max(idle.values()) < 0.45, idle  # half of them would be a skip that is not used
    assert all(p.grad.isfinite().all() for p in generator.parameters())


def test_its_gradients_are_finite_in_bf16_and_in_the_format_that_it_is_trained_in(generator):
    # PyTorch 2.13 on a CPU gives NaN for dilated convolutions there.
    placed = channels_last(generator.train())
    with torch.autocast("cpu", torch.bfloat16):
        placed(sketches(8, 32, 32)).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in placed.parameters())


@torch.no_grad()
def test_in_eval_it_is_deterministic_and_changes_nothing(generator):
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    assert torch.equal(generator(sketches()), generator(sketches()))
    assert all(torch.equal(before[n], value) for n, value in generator.state_dict().items())


@torch.no_grad()
def test_in_eval_a_photo_does_not_depend_on_its_neighbours(generator):
    together = generator(sketches(3))
    alone = torch.cat([generator(sketch[None]) for sketch in sketches(3)])
    # Untrained photos are faint: compare with their own strength.
    assert (together - alone).abs().max() < 1e-3 * together.abs().max()


@torch.no_grad()
def test_it_loads_its_own_weights(name, generator):
    torch.manual_seed(1)
    other = build_generator(ModelConfig(generator=name, generator_options={"width": 8})).eval()
    assert not torch.equal(other(sketches()), generator(sketches()))
    other.load_state_dict(generator.state_dict())
    assert torch.equal(other(sketches()), generator(sketches()))


def unevenness(name, **options):
    """How far neighbouring pixels differ where the sketch is white all around, of their size."""
    torch.manual_seed(0)
    network = build_generator(ModelConfig(generator=name, generator_options={"width": 8} | options))
    with torch.no_grad():
        photo = network.eval()(torch.ones(1, 1, 192, 192))[..., 88:104, 88:104]
    return float(photo.diff(dim=-1).abs().mean() / photo.abs().mean())


def test_the_default_draws_no_checkerboard_where_transposed_convolutions_do():
    """Odena et al. 2016: enlarging before a convolution treats every pixel alike."""
    assert unevenness(ModelConfig().generator, blocks=1) < 1e-4
    assert unevenness("resnet", blocks=1) > 0.01  # the paper's, layer for layer
    assert unevenness("unet", depth=4) > 0.01  # pix2pix's


@torch.no_grad()
def test_the_default_draws_the_same_in_training_where_batch_norm_does_not():
    found = {}
    for name in (ModelConfig().generator, "resnet"):
        torch.manual_seed(0)
        options = {"width": 8, "blocks": 1}
        network = build_generator(ModelConfig(generator=name, generator_options=options))
        found[name] = [network.train(mode)(sketches()) for mode in (True, False)]
    assert torch.equal(*found[ModelConfig().generator])
    assert not torch.allclose(*found["resnet"], rtol=0.1)


def test_wrong_options_are_all_listed_in_one_error(name):
    room = registry.load(registry.GENERATORS, name)
    first = dataclasses.fields(room.Config)[0].name
    options = {"no_such": 1, "nor_this": 2, first: None}
    with pytest.raises(UsageError) as caught:
        build_generator(ModelConfig(generator=name, generator_options=options))
    assert all(f"'{key}'" in caught.value.message for key in options)
    assert caught.value.message.startswith(f"{name}: ")
    assert first in caught.value.hint


def test_an_unknown_generator_lists_the_known_ones():
    with pytest.raises(UsageError, match="unknown generator 'vae'") as caught:
        build_generator(ModelConfig(generator="vae"))
    assert "resunet" in caught.value.hint
