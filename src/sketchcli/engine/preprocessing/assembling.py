"""Put the made pairs together: what is kept, in which order, and the arrays that hold it."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sketchcli.data.audit.records import FEATURES
from sketchcli.data.pairing import Ledger
from sketchcli.data.prepared import Pair, ShardedWriter
from sketchcli.engine.events import Advanced, Reporter
from sketchcli.engine.preprocessing.pair_maker import Job
from sketchcli.engine.preprocessing.workshop import Outcome, Workshop

FEATURES_FILE = "features"


@dataclass
class Assembly:
    """What was kept of the made pairs, and what the audit needs to know of each."""

    ledger: Ledger
    pairs: list[Pair] = field(default_factory=list)
    features: NDArray[np.void] = field(default_factory=lambda: np.empty(0, FEATURES))  # (N,)
    unaligned: dict[str, str] = field(default_factory=dict)  # file -> why
    sitting: str = ""  # the pair kept last that is the first, or the only one, of its photo


def assemble(
    workshop: Workshop,
    chunks: Iterable[int],
    folder: Path,
    ledger: Ledger,
    reporter: Reporter,
) -> Assembly:
    """Write the arrays of all pairs that may be kept.

    Args:
        workshop: The made pairs, those to test on first: of a picture in both, the training one
            goes.
        chunks: The numbers of all its chunks, each when it is made.
        folder: Where the arrays go.
        ledger: Decides, and remembers what was left out.
        reporter: Told of the progress.

    Raises:
        DataError: A chunk is damaged.
    """
    count, path = len(workshop.jobs), workshop.folder / FEATURES_FILE
    assembly = Assembly(ledger)
    with contextlib.ExitStack() as stack:
        features = stack.enter_context(path.open("wb"))
        writers: dict[str, ShardedWriter] = {}
        for done, (job, outcome, made) in enumerate(workshop.outcomes(chunks), 1):
            if done % 1000 == 0 or done == count:
                reporter(Advanced("stored", done, count))
            if made is None:
                ledger.leave_out(f"unreadable pair: {outcome.error}", *job.files)
                continue
            if not _is_taken(assembly, job, outcome):
                continue
            for kind, pixels in (("sketches", made.sketch), ("photos", made.photo)):
                stem = f"{job.split}-{kind}"
                if stem not in writers:
                    writers[stem] = stack.enter_context(ShardedWriter(folder, stem))
                writers[stem].append(pixels)
            features.write(made.features.tobytes())
            _keep(assembly, job, outcome)
    if assembly.pairs:  # mapped only now: writing to a map of a full disk kills the process
        assembly.features = np.memmap(path, FEATURES, "r")
    return assembly


def _is_taken(assembly: Assembly, job: Job, outcome: Outcome) -> bool:
    """Whether a pair is kept; a further sketch of a photo is, if the first was."""
    if job.draw:
        return assembly.sitting == job.first
    return assembly.ledger.takes(_pictures(job, outcome), job.split)


def _pictures(job: Job, outcome: Outcome) -> dict[str, Path]:
    photo = {outcome.photo_hash: job.photo}
    return photo if job.sketch is None else {outcome.sketch_hash: job.sketch} | photo


def _keep(assembly: Assembly, job: Job, outcome: Outcome) -> None:
    sketch = "" if job.sketch is None else str(job.sketch)
    pair = Pair(job.id, job.split, outcome.pair_hash, sketch, str(job.photo), job.style)
    assembly.pairs.append(pair)
    assembly.sitting = job.first
    assembly.unaligned |= outcome.unaligned
