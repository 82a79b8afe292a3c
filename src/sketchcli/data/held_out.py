"""Which pairs are trained on, and which are only looked at."""

from dataclasses import dataclass

from sketchcli.data.prepared import PreparedSet, Split
from sketchcli.data.splits import TRAIN, VAL, uniform_hash

MOST = 32  # pairs that are looked at
FEWEST = 4  # where none can be held out


@dataclass(frozen=True)
class Division:
    """The pairs of `train` to train on, and a few to look at."""

    trained: list[int]  # positions in the `train` split
    looked_at: Split
    is_held_out: bool  # whether those are never trained on


def hold_out(dataset: PreparedSet, count: int, *, seed: int) -> Division:
    """Divide a prepared set for a training run.

    A set's own `val` split is looked at. One without it lends pairs of its `train` split: the first
    by seeded hash, at most a quarter of it. With none to spare, training pairs are looked at.

    Args:
        dataset: The prepared set.
        count: Pairs to hold out where there is no `val` split.
        seed: Another seed holds out others.

    Raises:
        DataError: The set has no `train` split.
    """
    training = dataset.split(TRAIN)
    everything = list(range(len(training)))
    if VAL in dataset.description.counts:
        validation = dataset.split(VAL)
        few = validation.take(range(min(len(validation), MOST)))
        return Division(everything, few, is_held_out=True)
    count = min(count, len(training) // 4)
    order = sorted(everything, key=lambda index: uniform_hash(training.ids[index], seed))
    looked_at = training.take(order[: min(count, MOST) or FEWEST])
    return Division(sorted(order[count:]), looked_at, is_held_out=count > 0)
