"""Assign pairs to the training, validation and test splits."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

TRAIN, VAL, TEST = "train", "val", "test"
SPLITS = (TRAIN, VAL, TEST)
FEWEST = 3  # pairs from which on no split that is asked for stays empty
_WORDS = {
    **dict.fromkeys(("train", "training", "trainset"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VAL),
    **dict.fromkeys(("test", "testing", "testset", "eval", "evaluation"), TEST),
}


class SplitBy(StrEnum):
    """How the split of a pair is decided."""

    GIVEN = "given"  # as the source says; by the fractions if it does not say
    SHARES = "shares"  # by the fractions `val` and `test`, whatever the source says
    CUHK = "cuhk"  # by the official CUHK lists: 88 pairs for training, 100 for testing


@dataclass(frozen=True)
class SplitRule:
    """A rule for splitting pairs by a hash of their names, so that a new file moves no other."""

    by: SplitBy = SplitBy.GIVEN
    val: float = 0.0  # fraction of the pairs, in [0, 1]
    test: float = 0.1
    seed: int = 0
    group: re.Pattern[str] | None = None  # pairs with the same match stay in one split

    def split_of(
        self, pair_id: str, *, name: str, given: str | None, official: Mapping[str, str]
    ) -> str | None:
        """Return the split of a pair; None if the official lists do not contain it.

        The group pattern applies to `pair_id`, everything else to the canonical `name`. `given` is
        the split according to the source; `official` maps the last part of a name to its split.
        """
        if self.by is SplitBy.CUHK:
            return official.get(name.rpartition("/")[2])
        if self.by is SplitBy.GIVEN and given:
            return given
        unit = self.group_of(pair_id) or name
        return split_from_hash(unit, val=self.val, test=self.test, seed=self.seed)

    def fill_empty(
        self, units: Sequence[str], found: Sequence[str | None], is_drawn: Sequence[bool]
    ) -> list[str | None]:
        """Return the splits of all pairs, such that none with a fraction above 0 is empty.

        An empty split takes the unit, a group or else a name, whose hash is nearest, from a split
        that has another. Where no split is empty, and below FEWEST pairs, no pair moves.
        """
        homes = dict(zip(units, found, strict=True))
        fixed = {unit for unit, moves in zip(units, is_drawn, strict=True) if not moves}
        ends = {TRAIN: (self.test + self.val, 1.0), TEST: (0.0, self.test)}
        ends[VAL] = (self.test, self.test + self.val)
        moved: dict[str, str] = {}
        for split, (start, end) in ends.items():
            held = Counter(homes.values())
            spare = [unit for unit in homes.keys() - fixed if held[homes[unit]] > 1]
            if end > start and spare and split not in held and len(units) >= FEWEST:
                place = {abs(uniform_hash(unit, self.seed) - start): unit for unit in spare}
                nearest = place[min(place)]
                homes[nearest] = moved[nearest] = split
        return [moved.get(unit, split) for unit, split in zip(units, found, strict=True)]

    def group_of(self, pair_id: str) -> str | None:
        r"""Return the group pattern's match in a name: its first capture group, or all of it.

        >>> SplitRule(group=re.compile(r"^[A-Z]\d+")).group_of("A000055_2")
        'A000055'
        """
        found = self.group.search(pair_id) if self.group else None
        return found and (found[1] if found.re.groups else found[0])


@cache
def split_from_name(folder: str) -> str | None:
    """Return the split that a folder's name contains, if any.

    >>> split_from_name("Training photo"), split_from_name("testing-sketches")
    ('train', 'test')
    >>> split_from_name("portraits") is None
    True
    """
    return next((_WORDS[word] for word in words_of(folder) if word in _WORDS), None)


def words_of(name: str) -> list[str]:
    """Return the words of a file's or folder's name, in lower case.

    >>> words_of("Training_photo-2")
    ['training', 'photo', '2']
    """
    return name.casefold().replace("_", " ").replace("-", " ").split()


def split_from_hash(pair_id: str, *, val: float, test: float, seed: int = 0) -> str:
    """Return a split that depends only on the pair's name, the fractions in [0, 1] and the seed."""
    position = uniform_hash(pair_id, seed)
    if position < test:
        return TEST
    return VAL if position < test + val else TRAIN


def uniform_hash(text: str, seed: int) -> float:
    """Return a number in [0, 1) that depends only on the text and the seed."""
    digest = hashlib.sha256(f"{seed}:{text}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
