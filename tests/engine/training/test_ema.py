import pytest
import torch
from torch import nn

from sketchcli.engine.training.networks import WeightAverage


def network(value):
    layer = nn.BatchNorm2d(1)
    nn.init.constant_(layer.weight, value)
    return layer


def test_after_a_half_life_the_average_is_half_way():
    average = WeightAverage(network(0.0), half_life=1000)
    for _ in range(100):
        average.update(network(1.0), batch_size=10, images_seen=10**6)
    assert average.network.weight.item() == pytest.approx(0.5)


def test_early_on_the_half_life_is_a_tenth_of_the_images_seen():
    average = WeightAverage(network(0.0), half_life=1000)
    average.update(network(1.0), batch_size=10, images_seen=100)
    assert average.network.weight.item() == pytest.approx(0.5)


def test_without_a_half_life_the_average_is_the_network():
    average = WeightAverage(network(0.0), half_life=0)
    average.update(network(1.0), batch_size=1, images_seen=1)
    assert average.network.weight.item() == 1


def test_statistics_and_counters_are_copied():
    trained = network(0.0)
    trained(torch.ones(2, 1, 3, 3))
    average = WeightAverage(network(0.0), half_life=1000)
    average.update(trained, batch_size=1, images_seen=10**6)
    assert torch.equal(average.network.running_mean, trained.running_mean)
    assert average.network.num_batches_tracked == 1


def test_the_average_takes_no_gradients_and_is_not_the_network_itself():
    trained = network(0.0)
    average = WeightAverage(trained, half_life=1000)
    assert not any(p.requires_grad for p in average.network.parameters())
    assert trained.weight.requires_grad
