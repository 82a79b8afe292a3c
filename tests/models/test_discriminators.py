"""What every discriminator promises; a new file in the room is tested at once."""

import dataclasses

import pytest
import torch

from sketchcli import registry
from sketchcli.config import Domain, Domains, ModelConfig
from sketchcli.errors import UsageError
from sketchcli.models.blocks import DiscriminatorOutput
from sketchcli.models.building import build_discriminator

SIZE = (56, 50)


@pytest.fixture(params=registry.names(registry.DISCRIMINATORS))
def name(request):
    return request.param


@pytest.fixture
def discriminator(name):
    torch.manual_seed(0)
    return build_discriminator(ModelConfig(discriminator=name), SIZE).eval()


def pairs(count=2, seed=1):
    random = torch.Generator().manual_seed(seed)
    both = torch.rand(count, 4, *SIZE, generator=random) * 2 - 1
    return both[:, :1], both[:, 1:]


@torch.no_grad()
def test_the_verdict_has_a_probability_for_each_photo(discriminator):
    verdict = discriminator(*pairs(3))
    assert isinstance(verdict, DiscriminatorOutput)
    assert verdict.logits.shape[0] == 3
    assert verdict.probability.shape == (3,)
    assert ((verdict.probability >= 0) & (verdict.probability <= 1)).all()
    assert all(feature.shape[0] == 3 for feature in verdict.features)


@pytest.mark.parametrize("channels", [(3, 3), (3, 1), (1, 1)])
@torch.no_grad()
def test_sketches_and_photos_have_one_channel_or_three(name, channels):
    domains = Domains(Domain("input", channels[0]), Domain("target", channels[1]))
    judge = build_discriminator(ModelConfig(discriminator=name), SIZE, domains).eval()
    assert judge(*(torch.zeros(2, each, *SIZE) for each in channels)).probability.shape == (2,)


@torch.no_grad()
def test_the_photo_decides_the_verdict(discriminator):
    sketch, photo = pairs()
    assert not torch.equal(
        discriminator(sketch, photo).logits, discriminator(sketch, -photo).logits
    )


def test_one_backward_pass_reaches_every_parameter(discriminator):
    discriminator(*pairs()).logits.square().sum().backward()
    assert all(p.grad is not None for p in discriminator.parameters())
    # An input that a layer does not use leaves a part of its weights without a gradient.
    idle = {n: (p.grad == 0).float().mean().item() for n, p in discriminator.named_parameters()}
    assert max(idle.values()) < 0.2, idle
    assert all(p.grad.isfinite().all() for p in discriminator.parameters())


def test_a_gradient_reaches_the_photo(discriminator):
    sketch, photo = pairs()
    photo.requires_grad_()
    discriminator(sketch, photo).logits.sum().backward()
    assert (photo.grad != 0).float().mean() > 0.5


@torch.no_grad()
def test_in_eval_it_is_deterministic_and_changes_nothing(discriminator):
    before = {name: value.clone() for name, value in discriminator.state_dict().items()}
    assert torch.equal(discriminator(*pairs()).logits, discriminator(*pairs()).logits)
    assert all(torch.equal(before[n], value) for n, value in discriminator.state_dict().items())


@torch.no_grad()
def test_in_eval_a_verdict_does_not_depend_on_its_neighbours(discriminator):
    sketch, photo = pairs(3)
    together = discriminator(sketch, photo).logits
    alone = [discriminator(s[None], p[None]).logits for s, p in zip(sketch, photo, strict=True)]
    assert (together - torch.cat(alone)).abs().max() < 1e-3 * together.abs().max()


@torch.no_grad()
def test_it_loads_its_own_weights(name, discriminator):
    torch.manual_seed(1)
    other = build_discriminator(ModelConfig(discriminator=name), SIZE).eval()
    expected = discriminator(*pairs()).logits
    assert not torch.equal(other(*pairs()).logits, expected)
    other.load_state_dict(discriminator.state_dict())
    assert torch.equal(other(*pairs()).logits, expected)


def test_wrong_options_are_all_listed_in_one_error(name):
    room = registry.load(registry.DISCRIMINATORS, name)
    first = dataclasses.fields(room.Config)[0].name
    options = {"no_such": 1, "nor_this": 2, first: None}
    with pytest.raises(UsageError) as caught:
        build_discriminator(ModelConfig(discriminator=name, discriminator_options=options), SIZE)
    assert all(f"'{key}'" in caught.value.message for key in options)
    assert caught.value.message.startswith(f"{name}: ")


def test_an_unknown_discriminator_lists_the_known_ones():
    with pytest.raises(UsageError, match="unknown discriminator 'pixel'") as caught:
        build_discriminator(ModelConfig(discriminator="pixel"), SIZE)
    assert caught.value.hint == "choose from: dense, patch"
