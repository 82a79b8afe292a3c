import pytest

from sketchcli.config import SCHEDULES, OptimizerConfig
from sketchcli.engine.training.networks import rate_factor


def test_inverse_epoch_is_the_sources_formula():
    config = OptimizerConfig(schedule="inverse-epoch")
    factors = [rate_factor(config, epoch=epoch, epochs=60) for epoch in (0, 0.9, 1, 50)]
    assert factors == [1, 1, 1 / 1.001, pytest.approx(1 / 1.05)]


@pytest.mark.parametrize(("epoch", "factor"), [(0, 1), (50, 1), (75, 0.5), (100, 0)])
def test_linear_holds_and_then_falls_to_zero(epoch, factor):
    assert rate_factor(OptimizerConfig(schedule="linear"), epoch=epoch, epochs=100) == factor


@pytest.mark.parametrize("kind", SCHEDULES)
def test_every_schedule_starts_at_one_and_never_rises(kind):
    config = OptimizerConfig(schedule=kind)
    factors = [rate_factor(config, epoch=epoch / 4, epochs=10) for epoch in range(41)]
    assert factors[0] == 1
    assert factors == sorted(factors, reverse=True)
