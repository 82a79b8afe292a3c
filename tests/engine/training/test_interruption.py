import signal

import pytest

from sketchcli.engine.training.loop import SIGNALS, interruption


@pytest.fixture(autouse=True)
def by_default():
    """Ctrl-C as Python has it; in a job of a script's background it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_first_signal_is_a_question_and_what_was_before_comes_back(number):
    before = [signal.getsignal(each) for each in SIGNALS]
    with interruption() as is_interrupted:
        assert not is_interrupted()
        signal.raise_signal(number)
        assert is_interrupted()
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_second_ctrl_c_ends_at_once():
    with interruption() as is_interrupted:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert is_interrupted()


def test_a_signal_that_is_passed_on_soon_is_the_same_wish_and_a_late_one_is_not():
    with interruption(echo=60.0) as is_interrupted:
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        assert is_interrupted()
    with interruption(echo=1e-9):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
