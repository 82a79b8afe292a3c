"""Which pairs train, which choose, which judge."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

TRAIN, VAL, TEST = "train", "val", "test"
SPLITS = (TRAIN, VAL, TEST)
_WORDS = {
    **dict.fromkeys(("train", "training", "trainset"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VAL),
    **dict.fromkeys(("test", "testing", "testset", "eval", "evaluation"), TEST),
}


class SplitBy(StrEnum):
    """Who decides which pair falls to which split."""

    GIVEN = "given"  # the source, where it says so; elsewhere the shares
    SHARES = "shares"  # `val` and `test`, whatever the source says
    CUHK = "cuhk"  # the official lists of the CUHK student set: 88 to train, 100 to test


@dataclass(frozen=True)
class SplitRule:
    """How the pairs are divided, always by a hash of their names: adding a file moves no other."""

    by: SplitBy = SplitBy.GIVEN
    val: float = 0.0  # share of the pairs, in [0, 1]
    test: float = 0.1
    seed: int = 0
    group: re.Pattern[str] | None = None  # what it finds in a name is drawn as one

    def split_of(
        self, pair_id: str, *, name: str, given: str | None, official: Mapping[str, str]
    ) -> str | None:
        """The split of a pair; None where the official lists do not know it.

        Args:
            pair_id: The pair's name in full; the pattern for groups is looked for here.
            name: The same for a pair under whichever rule it was found.
            given: The split that the source gives.
            official: The official split of each name, by its last part.
        """
        if self.by is SplitBy.CUHK:
            return official.get(name.rpartition("/")[2])
        if self.by is SplitBy.GIVEN and given:
            return given
        unit = self.group_of(pair_id) or name
        return split_from_hash(unit, val=self.val, test=self.test, seed=self.seed)

    def group_of(self, pair_id: str) -> str | None:
        r"""What the pattern finds in a name: its first group, or the whole match.

        >>> SplitRule(group=re.compile(r"^[A-Z]\d+")).group_of("A000055_2")
        'A000055'
        """
        found = self.group.search(pair_id) if self.group else None
        return found and (found[1] if found.re.groups else found[0])


@cache
def split_from_name(folder: str) -> str | None:
    """The split that a folder's name speaks of, if any.

    >>> split_from_name("Training photo"), split_from_name("testing-sketches")
    ('train', 'test')
    >>> split_from_name("portraits") is None
    True
    """
    return next((_WORDS[word] for word in words_of(folder) if word in _WORDS), None)


def words_of(name: str) -> list[str]:
    """The words of a file's or folder's name, in lower case.

    >>> words_of("Training_photo-2")
    ['training', 'photo', '2']
    """
    return name.casefold().replace("_", " ").replace("-", " ").split()


def split_from_hash(pair_id: str, *, val: float, test: float, seed: int = 0) -> str:
    """A split drawn from the pair's own name: adding a file moves no other.

    Args:
        pair_id: The name that sketch and photo share.
        val: Share of the pairs for validation, in [0, 1].
        test: Share of the pairs for testing, in [0, 1].
        seed: Another seed gives another draw.
    """
    position = uniform_hash(pair_id, seed)
    if position < test:
        return TEST
    return VAL if position < test + val else TRAIN


def uniform_hash(text: str, seed: int) -> float:
    """A number in [0, 1) that depends on the text and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{text}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
