import pytest
import torch
from torch import nn

from sketchcli import checkpoint
from sketchcli.config import OPTIMIZERS, OptimizerConfig
from sketchcli.engine.training.networks import build_optimizer


def network(seed=0):
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4, affine=True))
    return layers.to(memory_format=torch.channels_last)


def learn(net, optimizer, steps=3):
    for step in range(steps):
        random = torch.Generator().manual_seed(step)
        optimizer.zero_grad()
        net(torch.rand(2, 1, 8, 8, generator=random)).sub(1).square().mean().backward()
        optimizer.step()
    return [p.detach().clone() for p in net.parameters()]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_it_learns_and_goes_on_bit_for_bit(name, decay):
    config = OptimizerConfig(name=name, lr=1e-2)
    first = network()
    before = [p.detach().clone() for p in first.parameters()]
    optimizer = build_optimizer(config, first, weight_decay=decay)
    middle = learn(first, optimizer)
    assert not any(torch.equal(a, b) for a, b in zip(before, middle, strict=True))
    saved = {k: t.clone() for k, t in checkpoint.optimizer_tensors(optimizer).items()}
    second = network(seed=1)
    second.load_state_dict(first.state_dict())
    other = build_optimizer(config, second, weight_decay=decay)
    checkpoint.restore_optimizer(other, saved)
    pairs = zip(learn(first, optimizer), learn(second, other), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_weights_decay_and_biases_and_scales_do_not(name):
    net = network()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0)
            parameter.grad = torch.zeros_like(parameter)
    config = OptimizerConfig(name=name, lr=1e-2)
    build_optimizer(config, net, weight_decay=0.5).step()
    moved = {n: bool((p != 1).any()) for n, p in net.named_parameters()}
    assert moved == {"0.weight": True, "0.bias": False, "1.weight": False, "1.bias": False}


def test_frozen_parameters_are_left_out():
    net = network()
    net[0].weight.requires_grad = False
    optimizer = build_optimizer(OptimizerConfig(), net, weight_decay=0.0)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 3
