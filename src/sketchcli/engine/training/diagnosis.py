"""The training doctor: what is wrong with a run, in words, and what can be done about it.

The thresholds and their reasons are listed in docs/reference/training-doctor.md. A finding is
reported once, and again only if its sign has disappeared in the meantime and come back.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
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
    losses = [line["generator_loss"] for line in epochs[-WINDOW:] if line["generator_loss"]]
    if len(losses) == WINDOW and losses[-1] > RISEN * min(losses):
        yield Finding(
            "learning-rate-too-high",
            "the generator's loss is rising; use a lower --lr",
            LOWER_RATE,
        )
    if epochs[-1]["epoch"] >= PATIENT_UNTIL * epochs[-1]["epochs"]:
        validations = [line for line in log if line["kind"] == "validation"]
        yield from _of_the_discriminator(epochs[-WINDOW:], validations)
        yield from _of_the_photos(validations)


def _of_the_discriminator(epochs: Lines, validations: Lines) -> Iterator[Finding]:
    real, fake, seen = (
        _mean([line.get("judging", {}).get(name) for line in epochs])
        for name in ("real_accuracy", "fake_accuracy", "real_sign")
    )
    if real >= WON and fake >= WON:
        yield Finding(
            "discriminator-has-won",
            "the discriminator classifies almost every photo correctly (at least "
            f"{min(real, fake):.0%}), so the generator learns nothing from it",
            WEAKEN_DISCRIMINATOR,
        )
    if seen - _last(validations, "real_sign_held_out") >= MEMORISED:
        yield Finding(
            "discriminator-has-memorised",
            "the discriminator has memorised the training photos and classifies held-out real "
            "photos as generated; train with more pairs or for fewer epochs",
        )


def _of_the_photos(validations: Lines) -> Iterator[Finding]:
    if _last(validations, "sketch_use") < IGNORED:
        yield Finding(
            "generator-ignores-the-sketch",
            "the generated photos do not follow their sketches; check the pairs in the audit of "
            "preprocess, or raise loss.reconstruction_weight",
        )
    if _last(validations, "diversity") < COLLAPSED:
        yield Finding(
            "collapse",
            "all generated photos look alike; raise loss.reconstruction_weight or lower "
            "loss.adversarial_weight",
        )
    shift = _last(validations, "colour_shift")
    if shift >= DRIFTED and shift >= _last(validations[:-1], "colour_shift"):
        yield Finding(
            "colour-drift",
            f"the mean colour of the generated photos is off by {shift:.0f} CIEDE2000 (1 is just "
            "visible) and getting worse; raise loss.reconstruction_weight",
        )
    held_out = [line for line in validations if line.get("is_held_out")]
    scores = [line["score"] for line in held_out]
    if len(scores) <= OVERFITTED_FOR:
        return
    best = max(scores)
    if max(scores[-OVERFITTED_FOR:]) <= best - OVERFITTED * abs(best):
        epoch = held_out[scores.index(best)]["epoch"]
        yield Finding(
            "overfitting",
            f"held-out pairs have scored worse since epoch {epoch}, whose weights are in "
            "best.safetensors; train with more pairs or for fewer epochs, or set --patience",
        )


# A value that was not logged is NaN, for which every comparison is false.


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return fmean(known) if known else math.nan


def _last(validations: Lines, name: str) -> float:
    return _mean([line.get(name) for line in validations[-1:]])
