import pytest
import torch

from sketchcli.config import ModelConfig
from sketchcli.models.combined import CombinedModel, build_discriminator, build_generator


@pytest.fixture(params=["dense", "patch"])
def combined(request):
    torch.manual_seed(0)
    config = ModelConfig(
        generator_options={"width": 4, "blocks": 1},
        discriminator=request.param,
        discriminator_options={"width": 4},
    )
    return CombinedModel(build_generator(config), build_discriminator(config, (48, 48)))


@pytest.fixture
def sketch():
    return torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(1)) * 2 - 1


def state_of(discriminator):
    return {name: value.clone() for name, value in discriminator.state_dict().items()}


def is_free(discriminator):
    return all(parameter.requires_grad for parameter in discriminator.parameters())


def test_it_gives_the_photo_and_the_probability_that_it_is_real(combined, sketch):
    photo, probability = combined(sketch)
    assert photo.shape == (2, 3, 48, 48)
    assert photo.abs().max() <= 1
    assert probability.shape == (2,)
    assert ((probability >= 0) & (probability <= 1)).all()
    torch.testing.assert_close(photo, combined.generator(sketch))


def test_the_gradient_passes_the_discriminator_and_stays_in_the_generator(combined, sketch):
    _, probability = combined(sketch)
    probability.sum().backward()
    assert all(p.grad.any() for p in combined.generator.parameters())
    assert all(p.grad is None for p in combined.discriminator.parameters())


@pytest.mark.parametrize("is_training", [True, False])
def test_the_discriminator_is_left_as_it_was(combined, sketch, is_training):
    combined.discriminator.train(is_training)
    before = state_of(combined.discriminator)
    combined(sketch)
    after = combined.discriminator.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {m.training for m in combined.discriminator.modules()} == {is_training}
    assert is_free(combined.discriminator)


@pytest.mark.parametrize("is_training", [True, False])
def test_the_discriminator_is_free_again_after_an_error(combined, is_training):
    combined.discriminator.train(is_training)
    with pytest.raises(ZeroDivisionError), combined.frozen_discriminator():
        raise ZeroDivisionError
    assert is_free(combined.discriminator)
    assert {m.training for m in combined.discriminator.modules()} == {is_training}
