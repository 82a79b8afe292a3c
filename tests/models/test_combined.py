import pytest
import torch

from sketchcli.config import ModelConfig
from sketchcli.models.building import CombinedModel, build_discriminator, build_generator


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
def test_the_discriminator_is_free_again_after_an_error(combined, sketch, is_training):
    combined.discriminator.train(is_training)
    with pytest.raises(RuntimeError):
        combined.judge(sketch, sketch)  # a photo has three channels
    assert is_free(combined.discriminator)
    assert {m.training for m in combined.discriminator.modules()} == {is_training}


def test_what_was_frozen_before_stays_frozen(combined, sketch):
    combined.discriminator.requires_grad_(requires_grad=False)
    combined(sketch)
    assert not any(p.requires_grad for p in combined.discriminator.parameters())


def test_the_verdict_is_the_discriminators_own_in_eval(combined, sketch):
    photo = combined.generator(sketch).detach()
    verdict = combined.judge(sketch, photo)
    combined.discriminator.eval()
    with torch.no_grad():
        expected = combined.discriminator(sketch, photo)
    assert torch.equal(verdict.logits, expected.logits)
    assert all(map(torch.equal, verdict.features, expected.features))


def test_gradients_reach_the_photo_by_logits_and_features(combined, sketch):
    photo = combined.generator(sketch).detach().requires_grad_()
    verdict = combined.judge(sketch, photo)
    for output in (verdict.logits, *verdict.features):
        [gradient] = torch.autograd.grad(output.square().sum(), photo, retain_graph=True)
        assert gradient.any()
    (verdict.logits.sum() + sum(feature.sum() for feature in verdict.features)).backward()
    assert all(p.grad is None for p in combined.discriminator.parameters())
