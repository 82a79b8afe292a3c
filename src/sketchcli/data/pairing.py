"""Pair sketches with photos by name, never by position.

A plain sort of two folders pairs the wrong people as soon as one has a prefix that the other
lacks: the CUHK training sketches (`F2-005-01-sz1`) sort otherwise than their photos (`f-005-01`).
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Rule = Callable[[str], str]
_WORDS = re.compile(r"(?<![a-z])(sketch|photo|image|drawing|fake|real|generated)(es|s)?(?![a-z])")
_SEPARATORS = re.compile(r"[\s._-]+")
_CUHK_PREFIX = re.compile(r"^([fm])2-")


def exact(stem: str) -> str:
    """The name as it is, but for Unicode's two ways of writing an accent."""
    return unicodedata.normalize("NFC", stem)


def words(stem: str) -> str:
    """The name without the words for what it shows: `anna_sketch` and `Photo-Anna` agree.

    >>> words("anna_sketch"), words("Photo-Anna")
    ('anna', 'anna')
    """
    bare = _WORDS.sub("", exact(stem).casefold())
    return _SEPARATORS.sub("-", bare).strip("-") or exact(stem)


def cuhk(stem: str) -> str:
    """The CUHK student set's rule: `F2-005-01-sz1` is the sketch of `f-005-01`.

    >>> cuhk("F2-005-01-sz1")
    'f-005-01'
    """
    return _CUHK_PREFIX.sub(r"\1-", stem.casefold().removesuffix("-sz1"))


RULES: dict[str, Rule] = {"exact": exact, "words": words, "cuhk": cuhk}


def canonical(pair_id: str) -> str:
    """The same for a pair under whichever rule it was found; what its split is drawn from."""
    folder, slash, stem = pair_id.rpartition("/")
    return folder + slash + cuhk(words(stem))


@dataclass(frozen=True)
class NamedPair:
    """Two files that belong together, and the name that they share."""

    id: str
    sketch: Path
    photo: Path


@dataclass(frozen=True)
class Pairing:
    """What a rule made of two lists of files."""

    rule: str
    pairs: tuple[NamedPair, ...]
    unpaired: tuple[Path, ...]
    duplicates: tuple[Path, ...]  # files whose shared name another file of their kind has


def pair_by_name(sketches: Mapping[Path, str], photos: Mapping[Path, str]) -> Pairing:
    """Pair two lists of files by the rule that pairs the most of them.

    Among rules that pair as many, the strictest wins: `exact`, then `words`, then `cuhk`.

    Args:
        sketches: Each file with the folder that is part of its name (`""` for none): a file is
            paired only with one from the same folder.
        photos: The same for the photos.
    """
    tried: list[Pairing] = []
    for rule in RULES:
        tried.append(_pair(rule, sketches, photos))
        if not tried[-1].unpaired and not tried[-1].duplicates:
            break  # no rule pairs more
    return max(tried, key=lambda pairing: len(pairing.pairs))


def _pair(rule: str, sketches: Mapping[Path, str], photos: Mapping[Path, str]) -> Pairing:
    sketch_of, sketch_duplicates = _by_id(RULES[rule], sketches)
    photo_of, photo_duplicates = _by_id(RULES[rule], photos)
    shared = sorted(sketch_of.keys() & photo_of.keys())
    alone = [path for key, path in sketch_of.items() if key not in photo_of]
    alone += [path for key, path in photo_of.items() if key not in sketch_of]
    return Pairing(
        rule,
        tuple(NamedPair(key, sketch_of[key], photo_of[key]) for key in shared),
        tuple(alone),
        tuple(sketch_duplicates + photo_duplicates),
    )


def _by_id(rule: Rule, files: Mapping[Path, str]) -> tuple[dict[str, Path], list[Path]]:
    first: dict[str, Path] = {}
    duplicates = []
    for path in sorted(files):
        name = f"{files[path]}/{rule(path.stem)}".removeprefix("/")
        if first.setdefault(name, path) != path:
            duplicates.append(path)
    return first, duplicates


# What becomes of every file that is not simply taken: nothing is dropped silently.


@dataclass
class Exclusions:
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
