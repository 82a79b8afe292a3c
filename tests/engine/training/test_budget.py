import pytest

from sketchcli.engine.training.budget import Costs, epochs_that_fit, parse_duration, replanned
from sketchcli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("1h", 3600), ("1h30m", 5400), ("90s", 90), (" 2H5m1s ", 7501)],
)
def test_times_are_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "0m", "1.5h", "30m1h", "-5m", "soon"])
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="invalid duration") as caught:
        parse_duration(text)
    assert "30m" in caught.value.hint


def simulate(budget, speeds, costs):
    """Seconds used, epochs done: a machine whose steps take `costs.step` x the epoch's speed."""
    planned, done, used = epochs_that_fit(budget - costs.finish, costs), 0, 0.0
    while done < planned:
        step = costs.step * speeds(done)
        used += costs.batches * step
        done += 1
        if done % costs.measure_every == 0:
            used += costs.measurement
        now = Costs(step, costs.batches, costs.measurement, costs.measure_every, costs.finish)
        planned = replanned(planned, done, budget - used, now, is_free=done < planned / 2)
    return used + costs.measurement + costs.finish, done


COSTS = Costs(step=0.5, batches=10, measurement=3.0, measure_every=10, finish=6.0)


def test_a_steady_machine_uses_most_of_the_budget_and_not_more():
    used, epochs = simulate(1800, lambda _: 1.0, COSTS)
    assert 0.85 * 1800 < used <= 1800
    assert epochs > 250


@pytest.mark.parametrize("slower", [1.3, 3.0])
@pytest.mark.parametrize("since", [0, 20, 100])
def test_a_machine_that_gets_slower_ends_in_time_with_fewer_epochs(slower, since):
    used, epochs = simulate(1800, lambda done: slower if done >= since else 1.0, COSTS)
    assert used <= 1800
    assert epochs < simulate(1800, lambda _: 1.0, COSTS)[1]


def test_a_machine_that_is_quicker_trains_more_epochs_if_it_shows_early():
    steady = simulate(1800, lambda _: 1.0, COSTS)[1]
    used, epochs = simulate(1800, lambda _: 0.5, COSTS)
    assert 0.85 * 1800 < used <= 1800
    assert epochs > 1.7 * steady
    assert simulate(1800, lambda done: 0.5 if done > 200 else 1.0, COSTS)[1] <= steady


def test_one_epoch_is_trained_however_short_the_budget():
    assert epochs_that_fit(1, COSTS) == 1
    assert replanned(1, 0, 1, COSTS, is_free=True) == 1


def test_a_budget_that_is_spent_ends_the_run_where_it_is():
    assert replanned(100, 40, 2.0, COSTS, is_free=False) == 40
