import pytest

from sketchcli.config import Domains
from sketchcli.engine.training import diagnosis

HEALTHY = {"real_accuracy": 0.75, "fake_accuracy": 0.7, "real_sign": 0.5}
FINE = {
    "is_held_out": True,
    "score": 1.5,
    "colour_shift": 5.0,
    "diversity": 0.9,
    "sketch_use": 0.95,
    "real_sign_held_out": 0.3,
}


def epoch(number, loss=5.0, **judging):
    line = {"kind": "epoch", "epoch": number, "epochs": 20, "generator_loss": loss}
    return line | {"judging": HEALTHY | judging}


def measured(number, **figures):
    return {"kind": "validation", "epoch": number} | FINE | figures


def run(*, epochs=10, each=None, last=None, losses=None):
    """A log with a measurement after every epoch; `last` is what the last one found."""
    log = []
    for number in range(1, epochs + 1):
        loss = losses[number - 1] if losses else 10.0 / number
        log.append(epoch(number, loss, **(each or {})))
        log.append(measured(number, **(last or {} if number == epochs else {})))
    return log


def diagnose(log):
    doctor, found = diagnosis.Doctor(Domains()), ()
    for line in log:
        found = doctor.read(line)
    return found


def names(log):
    return [finding.name for finding in diagnose(log)]


def test_nothing_is_found_in_a_healthy_run():
    assert names(run()) == []


def test_nothing_is_found_before_anything_happened():
    assert names([]) == []


@pytest.mark.parametrize(
    ("log", "name", "treatment"),
    [
        (
            run(losses=[9, 8, 7, 6, 5, 4, 4, 4, 4, 9]),
            "learning-rate-too-high",
            diagnosis.LOWER_RATE,
        ),
        (run(last={"real_sign_held_out": -0.1}), "discriminator-has-memorised", ""),
        (run(last={"sketch_use": 0.05}), "generator-ignores-the-sketch", ""),
        (run(last={"diversity": 0.1}), "collapse", ""),
        (run(last={"colour_shift": 22.0}), "colour-drift", ""),
    ],
)
def test_each_sign_is_found_and_named(log, name, treatment):
    found = diagnose(log)
    assert [(f.name, f.treatment) for f in found] == [(name, treatment)]
    assert found[0].message


def test_a_discriminator_that_cannot_be_fooled_is_weakened():
    log = run(epochs=2, each={"real_accuracy": 0.999, "fake_accuracy": 1.0})
    (finding,) = diagnose(log)
    assert (finding.name, finding.treatment) == (
        "discriminator-has-won",
        diagnosis.WEAKEN_DISCRIMINATOR,
    )


def test_a_finding_is_told_once_and_again_when_it_comes_back():
    bad, good = {"sketch_use": 0.0}, {}
    log, told = [], []
    for number, figures in enumerate([good, bad, bad, good, bad], start=5):
        log += [epoch(number), measured(number, **figures)]
        told.append(names(log))
    ignored = ["generator-ignores-the-sketch"]
    assert told == [[], ignored, [], [], ignored]


def test_worse_scores_for_long_are_overfitting_and_the_best_epoch_is_named():
    log = []
    for number, score in enumerate([1.2, 1.6, 1.5, 1.5, 1.5], start=5):
        log += [epoch(number), measured(number, score=score)]
    (finding,) = diagnose(log)
    assert finding.name == "overfitting"
    assert "epoch 6" in finding.message
    assert names(log[:-2]) == []


def test_a_loss_that_falls_fast_is_no_sign():
    assert names(run(losses=[90, 40, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1])) == []


def test_early_in_a_run_only_divergence_is_a_sign():
    early = [epoch(1), measured(1, sketch_use=0.0, diversity=0.0)]
    assert names(early) == []


def test_figures_that_are_not_logged_are_no_sign():
    log = [{"kind": "epoch", "epoch": 9, "epochs": 10, "generator_loss": None}]
    log.append({"kind": "validation", "epoch": 9, "is_held_out": False, "score": 1.0})
    assert names(log) == []
