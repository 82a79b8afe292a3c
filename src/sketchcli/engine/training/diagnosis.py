"""The training doctor: what is wrong with a run, in words, and what can be done about it.

The thresholds and their reasons are listed in docs/reference/training-doctor.md. A finding is
reported once, and again only if its sign has disappeared in the meantime and come back.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

WEAKEN_DISCRIMINATOR = "weaken-discriminator"  # halves the discriminator's learning rate
LOWER_RATE = "lower-rate"  # halves both networks' learning rates
DONE = {  # appended to the message once the treatment has been applied
    WEAKEN_DISCRIMINATOR: "; the discriminator's learning rate has been halved",
    LOWER_RATE: "; both learning rates have been halved",
}

WINDOW = 5  # latest epochs in which a sign is looked for
WON = 0.98  # accuracy, on real and on generated photos, of a discriminator that cannot be fooled
MEMORISED = 0.5  # excess of the logits' mean sign on training photos over held-out photos
IGNORED = 0.2  # agreement with the photo's own sketch, relative to that of real photos
COLLAPSED = 0.3  # distance between generated photos, relative to that between real photos
RISEN = 2.0  # generator loss of the last epoch, relative to the smallest one of the window
DRIFTED = 15.0  # CIEDE2000 of the mean colours; about 7 for another photo of the dataset
OVERFITTED = 0.05  # fraction by which scores are below the best score
OVERFITTED_FOR = 3  # consecutive validations
PATIENT_UNTIL = 0.1  # fraction of the run in which only divergence is a sign

Lines = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Finding:
    """A problem of a run."""

    name: str
    message: str
    treatment: str = ""  # the run's own reaction, if its settings let the doctor act


@dataclass(frozen=True)
class Record:
    """The part of a run's log that a diagnosis needs."""

    epochs: Lines  # the last few lines of kind `epoch`
    measured: Lines  # all lines of kind `validation`

    def judging(self, name: str) -> float | None:
        """Return the mean of one of the discriminator's values; None if it was not logged."""
        values = [line.get("judging", {}).get(name) for line in self.epochs]
        known = [value for value in values if value is not None]
        return fmean(known) if known else None

    def last(self, name: str) -> float | None:
        """Return a value of the last validation."""
        value = self.measured[-1].get(name) if self.measured else None
        return None if value is None else float(value)


def diagnose(log: Lines) -> tuple[Finding, ...]:
    """Return the new findings at the end of a run's log, the gravest first.

    The newest line of the log must be the last validation.
    """
    validated = [index for index, line in enumerate(log) if line["kind"] == "validation"]
    until_previous = log[: validated[-2] + 1] if len(validated) > 1 else []
    before = {finding.name for finding in _present(until_previous)}
    return tuple(finding for finding in _present(log) if finding.name not in before)


def _present(log: Lines) -> Iterator[Finding]:
    epochs = [line for line in log if line["kind"] == "epoch"]
    if not epochs:
        return
    record = Record(epochs[-WINDOW:], [line for line in log if line["kind"] == "validation"])
    is_early = epochs[-1]["epoch"] < PATIENT_UNTIL * epochs[-1]["epochs"]
    yield from filter(None, (sign(record) for sign in (SIGNS[:1] if is_early else SIGNS)))


def _is_rate_too_high(record: Record) -> Finding | None:
    losses = [line["generator_loss"] for line in record.epochs if line["generator_loss"]]
    if len(losses) < WINDOW or losses[-1] <= RISEN * min(losses):
        return None
    return Finding(
        "learning-rate-too-high",
        "the generator's loss is rising; use a lower --lr",
        LOWER_RATE,
    )


def _has_discriminator_won(record: Record) -> Finding | None:
    real, fake = record.judging("real_accuracy"), record.judging("fake_accuracy")
    if real is None or fake is None or min(real, fake) < WON:
        return None
    return Finding(
        "discriminator-has-won",
        "the discriminator classifies almost every photo correctly (at least "
        f"{min(real, fake):.0%}), so the generator learns nothing from it",
        WEAKEN_DISCRIMINATOR,
    )


def _has_discriminator_memorised(record: Record) -> Finding | None:
    seen, unseen = record.judging("real_sign"), record.last("real_sign_held_out")
    if seen is None or unseen is None or seen - unseen < MEMORISED:
        return None
    return Finding(
        "discriminator-has-memorised",
        "the discriminator has memorised the training photos and classifies held-out real photos "
        "as generated; train with more pairs or for fewer epochs",
    )


def _does_generator_ignore_the_sketch(record: Record) -> Finding | None:
    use = record.last("sketch_use")
    if use is None or use >= IGNORED:
        return None
    return Finding(
        "generator-ignores-the-sketch",
        "the generated photos do not follow their sketches; check the pairs in the audit of "
        "preprocess, or raise loss.reconstruction_weight",
    )


def _is_collapsed(record: Record) -> Finding | None:
    diversity = record.last("diversity")
    if diversity is None or diversity >= COLLAPSED:
        return None
    return Finding(
        "collapse",
        "all generated photos look alike; raise loss.reconstruction_weight or lower "
        "loss.adversarial_weight",
    )


def _has_colour_drifted(record: Record) -> Finding | None:
    now = record.last("colour_shift")
    before = record.measured[-2].get("colour_shift") if len(record.measured) > 1 else None
    if now is None or before is None or now < DRIFTED or now < before:
        return None
    return Finding(
        "colour-drift",
        f"the mean colour of the generated photos is off by {now:.0f} CIEDE2000 (1 is just "
        "visible) and getting worse; raise loss.reconstruction_weight",
    )


def _is_overfitted(record: Record) -> Finding | None:
    held_out = [line for line in record.measured if line.get("is_held_out")]
    scores = [line["score"] for line in held_out]
    if len(scores) <= OVERFITTED_FOR:
        return None
    best = max(scores)
    if max(scores[-OVERFITTED_FOR:]) > best - OVERFITTED * abs(best):
        return None
    epoch = held_out[scores.index(best)]["epoch"]
    return Finding(
        "overfitting",
        f"held-out pairs have scored worse since epoch {epoch}, whose weights are in "
        "best.safetensors; train with more pairs or for fewer epochs, or set --patience",
    )


# The first sign is checked from the beginning, the others once a run has had time to learn.
SIGNS: tuple[Callable[[Record], Finding | None], ...] = (
    _is_rate_too_high,
    _has_discriminator_won,
    _has_discriminator_memorised,
    _does_generator_ignore_the_sketch,
    _is_collapsed,
    _has_colour_drifted,
    _is_overfitted,
)
