"""A step elsewhere than on the CPU: on `meta`, which computes nothing, but refuses to be mixed.

In-place operations are not refused there; of those, the results' device is looked at.
"""

import contextlib
from types import SimpleNamespace

import pytest
import torch

from sketchcli import config as settings
from sketchcli.data.batches import DiscriminatorAugmentation, augment_pairs
from sketchcli.device import Device
from sketchcli.engine.training.trainer import Part, Trainer
from sketchcli.losses import PerceptualLoss, r1_penalty
from sketchcli.metrics import lpips

META = torch.device("meta")
ALL = {
    "loss": {"feature_matching_weight": 1.0, "gradient_weight": 1.0, "r1_weight": 1.0},
    "augmentation": {"jitter": 0.1},
    "model": {"generator_options": {"width": 4}, "discriminator_options": {"width": 4}},
}


class Elsewhere(Device):
    """`meta`, which has no autocast and no scaler of its own."""

    def autocast(self):
        return contextlib.nullcontext()

    def scaler(self):
        return SimpleNamespace()


@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("kind", ["hinge", "relativistic"])
def test_everything_of_a_step_is_where_the_device_is(kind, strength):
    config = settings.merge(settings.preset("modern"), ALL | {"seed": 1})
    config = settings.merge(config, {"loss": {"adversarial": kind}})
    perceptual = PerceptualLoss(lpips.build_alex(), (48, 48))
    device = Elsewhere("meta", "fp32", 1)
    trainer = Trainer(config, image_size=(48, 48), device=device, perceptual=perceptual)
    random = torch.Generator().manual_seed(0)
    sketch, photo = torch.zeros(3, 1, 48, 48, device=META), torch.zeros(3, 3, 48, 48, device=META)
    sketch, photo = augment_pairs(sketch, photo, config.augmentation, random)
    part = Part(sketch, photo, DiscriminatorAugmentation(photo.shape, random, strength=strength))

    losses = trainer.generator_losses(part, trainer.generate(sketch, photo))
    seen = photo.detach().requires_grad_()
    losses["r1"] = r1_penalty(trainer.discriminator(*part.seen(seen)).logits, seen)
    assert {loss.device for loss in losses.values()} == {META}
    assert len(losses) == 7
    torch.stack(list(losses.values())).sum().backward()
    assert {p.grad.device for p in trainer.generator.parameters()} == {META}
    trainer.average.update(trainer.generator, batch_size=3, images_seen=3)
