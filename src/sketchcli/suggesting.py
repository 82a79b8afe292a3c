"""A hint at what a mistyped name may mean."""

import difflib
from collections.abc import Iterable

SIMILAR = 0.6  # share of letters in common, from which on a name may be meant
MOST = 3


def hint(wrong: str, known: Iterable[str], *, label: str = "known") -> str:
    """What may be meant, then what there is.

    Args:
        wrong: What was typed.
        known: The names that there are.
        label: What to call them.

    >>> hint("cukh", ["cuhk", "demo"])
    "did you mean 'cuhk'? known: cuhk, demo"
    >>> hint("mine", [], label="runs")
    'runs: none yet'
    """
    names = list(known)
    meant = similar(wrong, names)
    question = f"did you mean {' or '.join(repr(name) for name in meant)}? " if meant else ""
    return f"{question}{label}: {', '.join(names) or 'none yet'}"


def similar(wrong: str, known: Iterable[str]) -> list[str]:
    """Names that a wrong one may mean, the likeliest first, whatever the case of the letters.

    >>> similar("SSMI", ["ssim", "psnr", "ms-ssim"])
    ['ssim']
    """
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(wrong.lower(), by_lower, n=MOST, cutoff=SIMILAR)
    return [by_lower[name] for name in found]
