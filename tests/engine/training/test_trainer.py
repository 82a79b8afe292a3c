import copy
import functools

import pytest
import torch
from torch.nn import functional

from sketchcli import config as settings
from sketchcli.data.batches import DiscriminatorAugmentation
from sketchcli.engine.training.trainer import Part, Trainer
from sketchcli.errors import UsageError


@pytest.fixture(params=["modern", "paper"])
def trainer(request, cpu):
    narrow = {"generator_options": {"width": 4}, "discriminator_options": {"width": 4}}
    config = settings.merge(settings.preset(request.param), {"model": narrow})
    return Trainer(config, image_size=(48, 48), device=cpu)


@pytest.fixture
def pairs():
    random = torch.Generator().manual_seed(1)
    sketch = torch.rand(4, 1, 48, 48, generator=random) * 2 - 1
    return sketch, sketch.expand(-1, 3, -1, -1) * torch.tensor([1.0, 0.5, -0.5]).view(1, 3, 1, 1)


@pytest.fixture
def view():
    return DiscriminatorAugmentation(torch.Size([4, 3, 48, 48]), torch.Generator().manual_seed(2))


def values(network):
    return copy.deepcopy(network.state_dict())


def are_equal(before, after):
    return all(torch.equal(before[name], after[name]) for name in before)


def test_the_discriminators_step_changes_it_and_nothing_of_the_generator(trainer, pairs, view):
    sketch, real = pairs
    fake = trainer.generate(sketch, real)
    generator, discriminator = values(trainer.generator), values(trainer.discriminator)
    trainer.discriminator_step([Part(sketch, real, view)], [fake], 0)
    assert are_equal(generator, trainer.generator.state_dict())
    assert not are_equal(discriminator, trainer.discriminator.state_dict())
    assert all(p.grad is None for p in trainer.generator.parameters())


def test_the_generators_step_changes_it_and_nothing_of_the_discriminator(trainer, pairs, view):
    sketch, real = pairs
    fake = trainer.generate(sketch, real)
    generator, discriminator = values(trainer.generator), values(trainer.discriminator)
    trainer.generator_step([Part(sketch, real, view)], [fake])
    assert are_equal(discriminator, trainer.discriminator.state_dict())
    assert not are_equal(generator, trainer.generator.state_dict())
    assert all(p.grad is None for p in trainer.discriminator.parameters())
    assert trainer.discriminator.training


def test_every_parameter_of_both_networks_receives_a_gradient(trainer, pairs, view):
    sketch, real = pairs
    fake = trainer.generate(sketch, real)
    part = Part(sketch, real, view)
    trainer.discriminator_step([part], [fake], 0)
    trainer.generator_step([part], [fake])
    for network in (trainer.generator, trainer.discriminator):
        unreached = [n for n, p in network.named_parameters() if p.grad is None]
        assert not unreached


def test_the_adversarial_loss_reaches_the_generator_through_the_discriminator(cpu, pairs):
    only = {"loss": {"reconstruction_weight": 0.0, "feature_matching_weight": 0.0}}
    trainer = Trainer(
        settings.merge(settings.preset("modern"), only), image_size=(48, 48), device=cpu
    )
    before = values(trainer.generator)
    sketch, real = pairs
    trainer.generator_step([Part(sketch, real)])
    assert not are_equal(before, trainer.generator.state_dict())


@pytest.fixture
def double(monkeypatch):
    """Compute in float64, where the code says float() too.

    A bias before a batch norm has no gradient but rounding noise, of which Adam's first step makes
    a whole step. In float64 the noise is far below Adam's epsilon.
    """
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_one_step_of_paper_is_the_described_step_written_out(cpu, double):
    """One batch of real and generated photos, one call, both losses, both optimisers."""
    random = torch.Generator().manual_seed(1)
    sketch = torch.rand(6, 1, 64, 64, generator=random) * 2 - 1
    real = torch.rand(6, 3, 64, 64, generator=random) * 2 - 1
    trainer = Trainer(settings.preset("paper"), image_size=(64, 64), device=cpu)
    trainer.set_rates(0, epochs=60)
    generator, discriminator = copy.deepcopy((trainer.generator, trainer.discriminator))
    judged, drawn = trainer.step([Part(sketch, real)], 0)

    def probability(photo):
        return discriminator.dense(discriminator.convolutions(photo).flatten(1)).sigmoid()

    adam = functools.partial(torch.optim.Adam, lr=2e-4, betas=(0.9, 0.999), eps=1e-8)
    generator_adam, discriminator_adam = map(
        adam, [generator.parameters(), discriminator.parameters()]
    )
    fake = generator(sketch)
    labels = torch.cat([torch.ones(6, 1), torch.zeros(6, 1)])
    photos = torch.cat([real, fake.detach()])
    discriminator_loss = functional.binary_cross_entropy(probability(photos), labels)
    discriminator_loss.backward()
    discriminator_adam.step()
    discriminator.eval()  # Keras: a frozen network's batch norm uses its running statistics
    adversarial = functional.binary_cross_entropy(probability(fake), labels[:6])
    generator_loss = 10 * functional.mse_loss(fake, real) + adversarial
    generator_loss.backward()
    generator_adam.step()

    assert judged.loss == pytest.approx(discriminator_loss.item(), abs=1e-5)
    assert drawn.loss == pytest.approx(generator_loss.item(), abs=1e-5)
    for ours, plain in ((trainer.generator, generator), (trainer.discriminator, discriminator)):
        torch.testing.assert_close(ours.state_dict(), plain.state_dict(), atol=1e-5, rtol=1e-5)


def test_a_joint_batch_shows_both_kinds_of_photos_to_one_batch_norm(trainer, pairs):
    is_joint = trainer.config.preset == "paper"
    seen = []
    trainer.discriminator.register_forward_hook(lambda _, photos, __: seen.append(len(photos[1])))
    sketch, real = pairs
    trainer.discriminator_step([Part(sketch, real)], [trainer.generate(sketch, real)], 0)
    assert seen == ([8] if is_joint else [4, 4])


def test_photos_of_another_size_are_brought_to_the_real_ones(trainer, pairs):
    sketch, real = pairs
    larger = torch.nn.functional.interpolate(real, (60, 52))
    assert trainer.generate(sketch, larger).shape == larger.shape


def test_the_total_is_the_weighted_sum_of_the_parts(trainer, pairs, view):
    sketch, real = pairs
    figures = trainer.generator_step([Part(sketch, real, view)])
    loss = trainer.config.loss
    norm = figures.parts.pop("gradient_norm")
    expected = sum(getattr(loss, f"{n}_weight") * value for n, value in figures.parts.items())
    assert figures.loss == pytest.approx(expected, rel=1e-5)
    assert norm > 0


def test_both_rates_follow_the_schedule(trainer):
    optimizer = trainer.config.optimizer
    trainer.set_rates(0, epochs=10)
    assert trainer.generator_optimizer.param_groups[0]["lr"] == optimizer.lr
    expected = optimizer.lr * optimizer.discriminator_lr_factor
    assert trainer.discriminator_optimizer.param_groups[0]["lr"] == expected
    trainer.set_rates(10, epochs=10)
    assert trainer.generator_optimizer.param_groups[0]["lr"] < optimizer.lr


@pytest.mark.parametrize(("kind", "looks"), [("hinge", 1), ("relativistic", 2)])
def test_the_generators_step_judges_real_photos_only_where_its_loss_looks_at_them(
    cpu, pairs, kind, looks
):
    config = settings.merge(settings.preset("modern"), {"loss": {"adversarial": kind}})
    trainer = Trainer(config, image_size=(48, 48), device=cpu)
    seen = []
    trainer.discriminator.register_forward_hook(lambda *_: seen.append(1))
    trainer.generator_step([Part(*pairs)])
    assert len(seen) == looks


def test_settings_that_leave_nothing_to_train_are_refused_before_anything_is(cpu):
    nothing = {"loss": {"reconstruction_weight": 0.0, "adversarial_weight": 0.0}}
    config = settings.merge(settings.preset("paper"), nothing)
    with pytest.raises(UsageError, match="nothing to train"):
        Trainer(config, image_size=(48, 48), device=cpu)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "loss"),
    # The dense discriminator trades pixels for its verdict: without it, the pair must be learnt.
    [("modern", {}), ("paper", {"adversarial_weight": 0.0})],
)
def test_one_pair_can_be_learnt_by_heart(cpu, preset, loss):
    from sketchcli.assets.demo import draw_pair
    from sketchcli.device import to_tensor

    narrow = {
        "generator_options": {"width": 16, "blocks": 2},
        "discriminator_options": {"width": 8},
    }
    changes = {"model": narrow, "loss": loss, "optimizer": {"lr": 2e-3}}
    config = settings.merge(settings.preset(preset), changes)
    trainer = Trainer(config, image_size=(64, 64), device=cpu)
    drawn = [draw_pair(index, size=64) for index in (0, 1)]
    sketch = to_tensor(drawn[0][0][None], cpu.torch)
    real, other = (to_tensor(photo[None], cpu.torch) for _, photo in drawn)
    for _ in range(120):
        trainer.step([Part(sketch, real)], 1)
    learnt = trainer.generate(sketch, real)
    assert (learnt - real).abs().mean() < 0.12
    assert (learnt - other).abs().mean() > 0.25
