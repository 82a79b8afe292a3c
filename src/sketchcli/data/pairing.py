"""Pair sketches with photos by name, never by position, and record the files left out.

Sorting two folders pairs the wrong people as soon as the names of one have a prefix that the others
lack: the CUHK training sketches (`F2-005-01-sz1`) sort differently from their photos (`f-005-01`).
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

Rule = Callable[[str], str]
_WORDS = re.compile(r"(?<![a-z])(sketch|photo|image|drawing|fake|real|generated)(es|s)?(?![a-z])")


def exact(stem: str) -> str:
    """Return the name with its accents in Unicode's composed form."""
    return unicodedata.normalize("NFC", stem)


def words(stem: str) -> str:
    """Return the name without words for its kind, so that `anna_sketch` matches `Photo-Anna`.

    >>> words("anna_sketch"), words("Photo-Anna")
    ('anna', 'anna')
    """
    bare = _WORDS.sub("", exact(stem).casefold())
    return re.sub(r"[\s._-]+", "-", bare).strip("-") or exact(stem)


def cuhk(stem: str) -> str:
    """Return the photo's name for a sketch's name in the CUHK student dataset.

    >>> cuhk("F2-005-01-sz1")
    'f-005-01'
    """
    return re.sub(r"^([fm])2-", r"\1-", stem.casefold().removesuffix("-sz1"))


RULES: dict[str, Rule] = {"exact": exact, "words": words, "cuhk": cuhk}


def canonical(pair_id: str) -> str:
    """Return the form of a pair's name that is the same under every rule, to choose its split."""
    folder, slash, stem = pair_id.rpartition("/")
    return folder + slash + cuhk(words(stem))


class NamedPair(NamedTuple):
    """Two files that belong together, and their shared name."""

    id: str
    sketch: Path
    photo: Path


@dataclass(frozen=True)
class Pairing:
    """The result of applying a rule to two lists of files."""

    rule: str
    pairs: tuple[NamedPair, ...]
    unpaired: tuple[Path, ...]
    duplicates: tuple[Path, ...]  # files with the same shared name as another of their kind


def pair_by_name(sketches: Mapping[Path, str], photos: Mapping[Path, str]) -> Pairing:
    """Pair two lists of files by the rule that pairs the most of them.

    If rules pair equally many, the strictest wins: `exact`, then `words`, then `cuhk`. Every file
    comes with its folder (`""` for none), and is paired only with a file of the same folder.
    """
    tried: list[Pairing] = []
    for name, rule in RULES.items():
        sketch_of, duplicates = _by_id(rule, sketches)
        photo_of, duplicate_photos = _by_id(rule, photos)
        duplicates += duplicate_photos
        shared = sketch_of.keys() & photo_of.keys()
        found = [*sketch_of.items(), *photo_of.items()]
        alone = tuple(path for key, path in found if key not in shared)
        pairs = tuple(NamedPair(key, sketch_of[key], photo_of[key]) for key in sorted(shared))
        tried.append(Pairing(name, pairs, alone, tuple(duplicates)))
        if not alone and not duplicates:
            break  # no other rule can pair more
    return max(tried, key=lambda pairing: len(pairing.pairs))


def _by_id(rule: Rule, files: Mapping[Path, str]) -> tuple[dict[str, Path], list[Path]]:
    first: dict[str, Path] = {}
    duplicates = []
    for path in sorted(files):
        name = f"{files[path]}/{rule(path.stem)}".removeprefix("/")
        if first.setdefault(name, path) != path:
            duplicates.append(path)
    return first, duplicates


# This section records every file that is not used normally: nothing is dropped silently.


@dataclass
class Exclusions:
    """The skipped files, and the files kept although they repeat an image, with the reasons."""

    left_out: dict[str, str] = field(default_factory=dict)
    repeated: dict[str, str] = field(default_factory=dict)
    _seen: dict[str, tuple[str, Path]] = field(default_factory=dict)  # hash -> split, file

    def leave_out(self, reason: str, *paths: Path) -> None:
        """Record why files are skipped."""
        self.left_out |= {str(path): reason for path in paths}

    def takes(self, pictures: Mapping[str, Path], split: str) -> bool:
        """Return whether a pair may be kept, and record the reason if not.

        A pair is skipped if all its images were seen before, or one of them in another split, since
        training images must not be tested on. Two sketches of one photo in the same split are two
        pairs, and the repetition is only recorded.

        `pictures` maps the hash of each image, except for a drawn sketch, to its file.
        """
        before = {key: self._seen[key] for key in pictures if key in self._seen}
        is_elsewhere = any(where != split for where, _ in before.values())
        if before and (is_elsewhere or len(before) == len(pictures)):
            for key, path in pictures.items():
                where, first = before.get(key) or next(iter(before.values()))
                what = "duplicate" if key in before else "its partner is a duplicate"
                self.leave_out(f"{what}: identical to {first} ({where})", path)
            return False
        for key, path in pictures.items():
            if key in before:
                self.repeated[str(path)] = f"identical to {before[key][1]}"
            else:
                self._seen[key] = (split, path)
        return True
