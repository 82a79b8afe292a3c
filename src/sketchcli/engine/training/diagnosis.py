"""What is wrong with a run, in words, and what can be done about it.

Each sign has a threshold, listed with its reason in docs/reference/training-doctor.md. A finding is
told once: again only when its sign has gone meanwhile and come back.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

WEAKEN_DISCRIMINATOR = "weaken-discriminator"  # half its learning rate
LOWER_RATE = "lower-rate"  # half of both networks' learning rates

WINDOW = 5  # epochs that a sign is looked for in
WON = 0.98  # accuracy, on real and on generated photos, of a discriminator that cannot be fooled
MEMORISED = 0.5  # mean sign of its logits: training photos above held-out ones
IGNORED = 0.2  # agreement with the own sketch, relative to that of real photos
COLLAPSED = 0.3  # distance between generated photos, relative to that between real ones
RISEN = 2.0  # generator loss of the last epoch over the smallest one of the window
DRIFTED = 15.0  # CIEDE2000 of the mean colours; a stranger's photo of the same set is at about 7
OVERFITTED = 0.05  # of the score below its best
OVERFITTED_FOR = 3  # measurements in a row
PATIENT_UNTIL = 0.1  # share of the run in which nothing but divergence is a sign

Lines = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong."""

    name: str
    message: str
    treatment: str = ""  # what the run does by itself, if its settings let the doctor act
    done: str = ""  # the same in words, added to the message once it is done


@dataclass(frozen=True)
class Record:
    """The part of a run's log that a diagnosis needs.

    Args:
        epochs: The last few lines of kind `epoch`.
        measured: All lines of kind `validation`.
    """

    epochs: Lines
    measured: Lines

    def judging(self, name: str) -> float | None:
        """The mean of one of the discriminator's figures; None where it is not logged."""
        values = [line.get("judging", {}).get(name) for line in self.epochs]
        known = [value for value in values if value is not None]
        return fmean(known) if known else None

    def last(self, name: str) -> float | None:
        """A figure of the last measurement."""
        value = self.measured[-1].get(name) if self.measured else None
        return None if value is None else float(value)


def diagnose(log: Lines) -> tuple[Finding, ...]:
    """What is newly wrong at the end of a log, the gravest first.

    Args:
        log: The lines of a run's `log.jsonl`; the last measurement is the newest line.
    """
    before = {finding.name for finding in _present(_until_last_measurement(log))}
    return tuple(finding for finding in _present(log) if finding.name not in before)


def _present(log: Lines) -> Iterator[Finding]:
    """All that is wrong at the end of a log."""
    epochs = [line for line in log if line["kind"] == "epoch"]
    if not epochs:
        return
    measured = [line for line in log if line["kind"] == "validation"]
    record = Record(epochs[-WINDOW:], measured)
    is_early = epochs[-1]["epoch"] < PATIENT_UNTIL * epochs[-1]["epochs"]
    signs = SIGNS[:1] if is_early else SIGNS
    for sign in signs:
        finding = sign(record)
        if finding:
            yield finding


def _until_last_measurement(log: Lines) -> Lines:
    """What the log was when it was last diagnosed, before this time."""
    places = [index for index, line in enumerate(log) if line["kind"] == "validation"]
    return log[: places[-2] + 1] if len(places) > 1 else []


def _is_rate_too_high(record: Record) -> Finding | None:
    losses = [line["generator_loss"] for line in record.epochs if line["generator_loss"]]
    if len(losses) < WINDOW or losses[-1] <= RISEN * min(losses):
        return None
    return Finding(
        "learning-rate-too-high",
        "the generator's loss rises; the cure is a lower --lr",
        LOWER_RATE,
        "; both learning rates have been halved",
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
        "; the discriminator's learning rate has been halved",
    )


def _has_discriminator_memorised(record: Record) -> Finding | None:
    seen, unseen = record.judging("real_sign"), record.last("real_sign_held_out")
    if seen is None or unseen is None or seen - unseen < MEMORISED:
        return None
    return Finding(
        "discriminator-has-memorised",
        "the discriminator knows the training photos by heart: it calls held-out real ones "
        "generated; train with more pairs, or for fewer epochs",
    )


def _does_generator_ignore_the_sketch(record: Record) -> Finding | None:
    use = record.last("sketch_use")
    if use is None or use >= IGNORED:
        return None
    return Finding(
        "generator-ignores-the-sketch",
        "the photos do not follow their sketches: are sketches and photos paired right? "
        "look at the audit of preprocess, or raise loss.reconstruction_weight",
    )


def _is_collapsed(record: Record) -> Finding | None:
    diversity = record.last("diversity")
    if diversity is None or diversity >= COLLAPSED:
        return None
    return Finding(
        "collapse",
        "all generated photos look alike: raise loss.reconstruction_weight, or lower "
        "loss.adversarial_weight",
    )


def _has_colour_drifted(record: Record) -> Finding | None:
    now = record.last("colour_shift")
    before = record.measured[-2].get("colour_shift") if len(record.measured) > 1 else None
    if now is None or before is None or now < DRIFTED or now < before:
        return None
    return Finding(
        "colour-drift",
        f"the photos' mean colour is off ({now:.0f}, where 1 can just be seen) and gets worse: "
        "raise loss.reconstruction_weight",
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
        "best.safetensors; train with more pairs or fewer epochs, or set --patience",
    )


# The first one is looked for from the beginning; the others where a run has had time to learn.
SIGNS: tuple[Callable[[Record], Finding | None], ...] = (
    _is_rate_too_high,
    _has_discriminator_won,
    _has_discriminator_memorised,
    _does_generator_ignore_the_sketch,
    _is_collapsed,
    _has_colour_drifted,
    _is_overfitted,
)
