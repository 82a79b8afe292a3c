"""The training doctor: what is wrong with a run, in words, and what can be done about it.

The thresholds and their reasons are listed in docs/reference/training-doctor.md. A finding is
reported once, and again only if its sign has disappeared in the meantime and come back.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import fmean

from sketchcli.config import Domains
from sketchcli.engine.runs import Line, logged

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


@dataclass(frozen=True)
class Finding:
    """A problem of a run."""

    name: str
    message: str
    treatment: str = ""  # the run's own reaction, if its settings let the doctor act


class Doctor:
    """Reads a run's log line by line, and remembers as much of it as its signs need."""

    def __init__(self, domains: Domains) -> None:
        self.sketches, self.photo = domains.input.many, domains.target
        self.epochs: deque[Line] = deque(maxlen=WINDOW)
        self.validations: deque[Line] = deque(maxlen=2)
        self.scores: list[float] = []  # on held-out pairs: the best one, then the latest ones
        self.best_epoch = 0
        self.present: set[str] = set()  # findings at the last validation

    def read(self, line: Line) -> tuple[Finding, ...]:
        """Return the findings that are new with the next line, a validation, the gravest first."""
        if line["kind"] == "epoch":
            self.epochs.append(line)
        if line["kind"] != "validation":
            return ()
        self.validations.append(line)
        score = logged(line, "score")
        if line.get("is_held_out") and not math.isnan(score):
            if not self.scores or score > self.scores[0]:
                self.best_epoch = line["epoch"]
            latest = self.scores[-OVERFITTED_FOR:]
            self.scores = [max([score, *self.scores]), *latest, score]
        found = tuple(self._present())
        before, self.present = self.present, {finding.name for finding in found}
        return tuple(finding for finding in found if finding.name not in before)

    def _present(self) -> Iterator[Finding]:
        if not self.epochs:
            return
        losses = [logged(line, "generator_loss") for line in self.epochs]
        losses = [loss for loss in losses if loss and not math.isnan(loss)]
        if len(losses) == WINDOW and losses[-1] > RISEN * min(losses):
            yield Finding(
                "learning-rate-too-high",
                "the generator's loss is rising; use a lower --lr",
                LOWER_RATE,
            )
        if self.epochs[-1]["epoch"] >= PATIENT_UNTIL * self.epochs[-1]["epochs"]:
            yield from self._of_the_discriminator()
            yield from self._of_the_photos()
            yield from self._of_the_scores()

    def _of_the_discriminator(self) -> Iterator[Finding]:
        real, fake, seen = (
            _mean(logged(line, "judging", name) for line in self.epochs)
            for name in ("real_accuracy", "fake_accuracy", "real_sign")
        )
        if real >= WON and fake >= WON:
            yield Finding(
                "discriminator-has-won",
                f"the discriminator classifies almost every {self.photo.one} correctly (at least "
                f"{min(real, fake):.0%}), so the generator learns nothing from it",
                WEAKEN_DISCRIMINATOR,
            )
        if seen - self._last("real_sign_held_out") >= MEMORISED:
            yield Finding(
                "discriminator-has-memorised",
                f"the discriminator has memorised the training {self.photo.many} and classifies "
                f"held-out real {self.photo.many} as generated; train with more pairs or for fewer "
                "epochs",
            )

    def _of_the_photos(self) -> Iterator[Finding]:
        if self._last("sketch_use") < IGNORED:
            yield Finding(
                "generator-ignores-the-sketch",
                f"the generated {self.photo.many} do not follow their {self.sketches}; check the "
                "pairs in the audit of preprocess, or raise loss.reconstruction_weight",
            )
        if self._last("diversity") < COLLAPSED:
            yield Finding(
                "collapse",
                f"all generated {self.photo.many} look alike; raise loss.reconstruction_weight or "
                "lower loss.adversarial_weight",
            )
        shift, before = self._last("colour_shift"), logged(self.validations[0], "colour_shift")
        if shift >= DRIFTED and len(self.validations) > 1 and shift >= before:
            yield Finding(
                "colour-drift",
                f"the mean colour of the generated {self.photo.many} is off by {shift:.0f} "
                "CIEDE2000 (1 is just visible) and getting worse; raise loss.reconstruction_weight",
            )

    def _of_the_scores(self) -> Iterator[Finding]:
        best, *latest = self.scores or [math.nan]
        limit = best - OVERFITTED * abs(best)
        if len(latest) > OVERFITTED_FOR and max(latest[-OVERFITTED_FOR:]) <= limit:
            yield Finding(
                "overfitting",
                f"held-out pairs have scored worse since epoch {self.best_epoch}, whose weights "
                "are in best.safetensors; train with more pairs or for fewer epochs, or set "
                "--patience",
            )

    def _last(self, name: str) -> float:
        return logged(self.validations[-1], name)


# A value that was not logged is NaN, for which every comparison is false.


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan
