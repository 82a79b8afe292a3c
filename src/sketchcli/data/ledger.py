"""What becomes of every file that is not simply taken: nothing is dropped silently."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Ledger:
    """Files left out, and files kept although they repeat a picture, with the reasons."""

    left_out: dict[str, str] = field(default_factory=dict)
    repeated: dict[str, str] = field(default_factory=dict)
    _seen: dict[str, tuple[str, Path]] = field(default_factory=dict)  # hash -> split, file

    def leave_out(self, reason: str, *paths: Path) -> None:
        """Write down why files are left out."""
        self.left_out |= {str(path): reason for path in paths}

    def takes(self, pictures: Mapping[str, Path], split: str) -> bool:
        """Whether a pair may be kept; if not, it is written down why.

        It goes when all its pictures were seen before, or one of them in another split: what is
        trained on must not be tested on. Two sketches of one photo in the same split are two
        pairs; that is only mentioned.

        Args:
            pictures: The hash of each of its pictures, with the file that holds it. A sketch drawn
                from its photo is none of them.
            split: The split that the pair falls to.
        """
        before = {key: self._seen[key] for key in pictures if key in self._seen}
        is_elsewhere = any(where != split for where, _ in before.values())
        if before and (is_elsewhere or len(before) == len(pictures)):
            for key, path in pictures.items():
                self.leave_out(_reason(before.get(key), before), path)
            return False
        self._remember(pictures, split)
        return True

    def _remember(self, pictures: Mapping[str, Path], split: str) -> None:
        for key, path in pictures.items():
            if key in self._seen:
                self.repeated[str(path)] = f"the same picture as {self._seen[key][1]}"
            self._seen.setdefault(key, (split, path))


def _reason(own: tuple[str, Path] | None, before: Mapping[str, tuple[str, Path]]) -> str:
    if own is not None:
        return f"duplicate: the same picture as {own[1]} ({own[0]})"
    where, first = next(iter(before.values()))
    return f"its partner is a duplicate: the same picture as {first} ({where})"
