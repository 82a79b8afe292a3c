"""What a run says of itself while it trains: the log, the listener, measurements, diagnoses."""

import dataclasses
import math
from typing import Any

from sketchcli.engine.events import Event, Found, Note, Reporter, Validated
from sketchcli.engine.reporting import sample_sheets
from sketchcli.engine.runs import Run
from sketchcli.engine.training import doctor
from sketchcli.engine.training.keeping import Keeper
from sketchcli.engine.training.progress import Progress
from sketchcli.engine.training.ranks import Ranks
from sketchcli.engine.training.trainer import Trainer
from sketchcli.engine.training.validating import Validation, Validator


@dataclasses.dataclass(frozen=True)
class Watch:
    """Logs, reports and measures a run; in the first of several processes alone."""

    run: Run
    ranks: Ranks
    report: Reporter
    validator: Validator
    keeper: Keeper

    def note(self, message: str, *, is_warning: bool = False) -> None:
        """Report a sentence."""
        self.ranks.first_report(self.report)(Note(message, is_warning))

    def tell(self, progress: Progress, kind: str, event: Event) -> None:
        """Log and report an event."""
        if self.ranks.is_first:
            values = finite(dataclasses.asdict(event))
            self.run.append_log(kind=kind, images_seen=progress.images_seen, **values)
            self.report(event)

    def take_in(self, epoch: int, found: Validation, trainer: Trainer, progress: Progress) -> None:
        """Write a measurement down, keep the best weights, act on what the doctor finds."""
        sample = self.run.samples / f"epoch-{epoch + 1:04d}.png"
        sample_sheets.write_samples(sample, self.validator.pairs, found.generated)
        is_best = self.count(epoch, found, progress)
        if is_best:
            self.keeper.save_best(trainer, progress)
        event = Validated(
            epoch + 1,
            progress.epochs,
            self.validator.is_held_out,
            found.scores,
            found.score,
            is_best,
            found.training_scores,
            found.colour_shift,
            found.diversity,
            found.sketch_use,
            found.real_sign_held_out,
            f"samples/{sample.name}",
        )
        self.tell(progress, "validation", event)
        for finding in doctor.diagnose(self.run.read_log()):
            self.treat(epoch, finding, progress)

    def count(self, epoch: int, found: Validation, progress: Progress) -> bool:
        """Take a measurement into the run's progress; return whether it is the best so far.

        One on pairs that are trained on tells nothing, and is never the best.
        """
        if not self.validator.is_held_out:
            return False
        progress.scores = found.scores
        is_best = progress.best_score is None or found.score > progress.best_score
        if is_best:
            progress.best_score, progress.best_epoch = found.score, epoch + 1
        progress.waited = 0 if is_best else progress.waited + 1
        return is_best

    def treat(self, epoch: int, finding: doctor.Finding, progress: Progress) -> None:
        """Report what is wrong; unless the settings forbid it, lower the learning rates."""
        acts = self.keeper.config.validation.doctor == "act"
        treatment = finding.treatment if acts else ""
        if treatment == doctor.WEAKEN_DISCRIMINATOR:
            progress.discriminator_scale /= 2
        elif treatment == doctor.LOWER_RATE:
            progress.rate_scale /= 2
        message = finding.message + finding.done if treatment else finding.message
        self.tell(progress, "finding", Found(epoch + 1, finding.name, message, treatment))


def finite(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Values with None in the place of every number that JSON has no word for.

    >>> finite({"loss": float("nan"), "parts": [1.0, float("inf")]})
    {'loss': None, 'parts': [1.0, None]}
    """
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
