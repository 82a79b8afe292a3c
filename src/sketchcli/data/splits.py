"""Which pairs train, which choose, which judge."""

import hashlib

TRAIN, VAL, TEST = "train", "val", "test"
SPLITS = (TRAIN, VAL, TEST)
_WORDS = {
    **dict.fromkeys(("train", "training", "trainset"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VAL),
    **dict.fromkeys(("test", "testing", "testset", "eval", "evaluation"), TEST),
}


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
    digest = hashlib.sha256(f"{seed}:{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
