"""Which steps are taken, in reduced precisions too, and in which precision losses are computed."""

import dataclasses

import pytest
import torch

from sketchcli import config as settings
from sketchcli.device import Device
from sketchcli.engine.events import BatchTrained
from sketchcli.engine.training import loop
from sketchcli.engine.training.train import train
from sketchcli.engine.training.trainer import SMALLEST_SCALE, Part, Trainer

pytestmark = pytest.mark.usefixtures("plain_curves")

FP16 = Device("cpu", "fp16", 1)
SIDE = 32


@pytest.fixture
def part():
    random = torch.Generator().manual_seed(1)
    sketch = torch.rand(4, 1, SIDE, SIDE, generator=random) * 2 - 1
    return Part(sketch, torch.rand(4, 3, SIDE, SIDE, generator=random) * 2 - 1)


def trainer_with_scale(tiny, scale):
    trainer = Trainer(tiny, image_size=(SIDE, SIDE), device=FP16)
    trainer.scaler.load_state_dict(trainer.scaler.state_dict() | {"scale": scale})
    return trainer


def copies(network):
    return [p.detach().clone() for p in network.parameters()]


def test_a_scale_that_is_too_high_is_halved_and_no_sign_of_divergence(tiny, part):
    trainer = trainer_with_scale(tiny, 2.0**34)
    before = copies(trainer.generator)
    judged, drawn = trainer.step([part], 0)
    assert (judged.is_skipped, drawn.is_skipped) == (False, False)
    assert trainer.scaler.get_scale() == 2.0**33
    assert all(map(torch.equal, before, trainer.generator.parameters()))
    steps = 0
    while all(map(torch.equal, before, trainer.generator.parameters())):
        steps += 1
        trainer.step([part], steps)
        assert steps < 40
    assert trainer.scaler.get_scale() < 2.0**33
    assert all(torch.isfinite(p).all() for p in trainer.generator.parameters())


def spoil(monkeypatch, factor):
    original = Trainer.generator_losses
    monkeypatch.setattr(
        Trainer,
        "generator_losses",
        lambda self, part, fake: {n: factor * v for n, v in original(self, part, fake).items()},
    )


def test_a_loss_that_is_not_finite_is_one_in_fp16_too(tiny, part, monkeypatch):
    trainer = trainer_with_scale(tiny, 2.0**10)
    spoil(monkeypatch, float("nan"))
    _, drawn = trainer.step([part], 0)
    assert drawn.is_skipped


def test_gradients_that_no_scale_makes_finite_are_a_sign_of_divergence(tiny, part, monkeypatch):
    trainer = trainer_with_scale(tiny, SMALLEST_SCALE)
    spoil(monkeypatch, 1e30)  # the loss is finite, its gradient in fp16 is not
    _, drawn = trainer.step([part], 0)
    assert drawn.is_skipped


def test_a_run_whose_scale_has_to_fall_is_neither_skipped_nor_rolled_back(
    tiny, dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "SKIPPED_AT_MOST", 1)
    monkeypatch.setattr(Device, "scaler", lambda _: torch.amp.GradScaler("cpu", init_scale=2.0**26))
    config, events = dataclasses.replace(tiny, epochs=4), []
    result = train(config, dataset, run_dir=tmp_path / "run", device=FP16, reporter=events.append)
    assert (result.skipped, result.epochs) == (0, 4)
    assert not any(e.skipped for e in events if isinstance(e, BatchTrained))
    assert result.generator_loss is not None


def test_the_scale_is_part_of_the_state(tiny, part):
    trainer = trainer_with_scale(tiny, 2.0**60)
    trainer.step([part], 0)
    trainer.scaler.load_state_dict(trainer.scaler.state_dict() | {"_growth_tracker": 7})
    other = Trainer(tiny, image_size=(SIDE, SIDE), device=FP16)
    other.restore(trainer.state())
    assert other.scaler.state_dict() == trainer.scaler.state_dict()
    assert other.scaler.state_dict()["_growth_tracker"] == 7


def test_a_state_without_a_scale_is_gone_on_with(tiny, cpu):
    in_fp32 = Trainer(tiny, image_size=(SIDE, SIDE), device=cpu)
    assert not [name for name in in_fp32.state() if name.startswith("scaler")]
    trainer_with_scale(tiny, 4.0).restore(in_fp32.state())


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_losses_and_their_sum_are_fp32_whatever_the_networks_compute_in(tiny, part, precision):
    weights = {"feature_matching_weight": 1.0, "structure_weight": 1.0, "gradient_weight": 1.0}
    trainer = Trainer(
        settings.merge(tiny, {"loss": weights}),
        image_size=(SIDE, SIDE),
        device=Device("cpu", precision, 1),
    )
    fake = trainer.generate(part.sketch, part.photo)
    losses = trainer.generator_losses(part, fake)
    kinds = {"adversarial", "reconstruction", "feature_matching", "structure", "gradient"}
    assert losses.keys() == kinds
    assert {loss.dtype for loss in losses.values()} == {torch.float32}


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_the_gradient_penalty_is_computed_in_fp32(tiny, part, precision, monkeypatch):
    config = settings.merge(tiny, {"loss": {"r1_weight": 1.0, "r1_every": 1}})
    trainer = Trainer(config, image_size=(SIDE, SIDE), device=Device("cpu", precision, 1))
    seen = []
    trainer.discriminator.register_forward_hook(lambda *call: seen.append(call[-1].logits.dtype))
    fake = trainer.generate(part.sketch, part.photo)
    trainer.discriminator_step([part], [fake], 0)
    reduced = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert seen == [reduced, reduced, torch.float32]  # real, generated, penalty
