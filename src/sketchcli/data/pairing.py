"""Pair sketches with photos by name, never by position, and record the files left out.

Sorting two folders pairs the wrong people as soon as the names of one have a prefix that the others
lack: the CUHK training sketches (`F2-005-01-sz1`) sort differently from their photos (`f-005-01`).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
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


# This section guesses pairs whose names no rule matches, as a draft that a person checks.


def draft(sketches: Mapping[Path, str], photos: Mapping[Path, str]) -> Pairing:
    """Pair files by what remains of their names, each given without ending, beside its labels.

    A label is a part that more than half of the names of one kind have and none of the other:
    `edges` and `photo` in `cat_edges` and `cat_photo`, or `copy` in `cat` and `cat - Copy`.
    """
    keys = []
    for names, others in ((sketches, photos), (photos, sketches)):
        parts = {path: _parts(name) for path, name in names.items()}
        counts = Counter(part for found in parts.values() for part in set(found))
        foreign = {part for name in others.values() for part in _parts(name)}
        labels = {p for p, count in counts.items() if 2 * count > len(names)} - foreign
        keys.append({path: [p for p in found if p not in labels] for path, found in parts.items()})
    unique = []
    for found in keys:
        counts = Counter("-".join(key) for key in found.values())
        unique.append({k: p for p, key in found.items() if counts[k := "-".join(key)] == 1 and key})
    shared = sorted(unique[0].keys() & unique[1].keys())
    pairs = tuple(NamedPair(key, unique[0][key], unique[1][key]) for key in shared)
    alone = {*sketches, *photos} - {path for pair in pairs for path in (pair.sketch, pair.photo)}
    return Pairing("draft", pairs, tuple(sorted(alone)), ())


def draft_in_one_folder(names: Mapping[Path, str], sketch_words: Collection[str]) -> Pairing:
    """Pair files of one folder: those with some label are sketches, all others are photos."""
    counts = Counter(part for name in names.values() for part in set(_parts(name)))
    best = Pairing("draft", (), tuple(sorted(names)), ())
    for label in sorted(counts, key=lambda part: (part not in sketch_words, part)):
        if len(names) <= 4 * counts[label] <= 3 * len(names):
            drawn = {path: name for path, name in names.items() if label in _parts(name)}
            rest = {path: name for path, name in names.items() if path not in drawn}
            best = max(best, draft(drawn, rest), key=lambda pairing: len(pairing.pairs))
    return best


@cache
def _parts(name: str) -> tuple[str, ...]:
    """Return the words and numbers of a name.

    >>> _parts("Monday/IMG_0012 - Copy")
    ('monday', 'img', '12', 'copy')
    """
    found = re.findall(r"[^\W\d_]+|\d+", exact(name).casefold())
    return tuple(part.lstrip("0") or part for part in found)


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
