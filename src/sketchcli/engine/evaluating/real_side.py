"""What the real photos look like to the extractors: found once, kept for the next evaluation."""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sketchcli import __version__, files, paths, registry
from sketchcli.data.prepared import picture_hash
from sketchcli.engine.evaluating import memorisation
from sketchcli.engine.evaluating.measuring import Truth
from sketchcli.engine.evaluating.piling import Pile
from sketchcli.engine.evaluating.tools import Extractor, Places, Tools
from sketchcli.engine.events import Advanced, Reporter
from sketchcli.images import Floats, Pixels


@dataclass(frozen=True, eq=False)
class RealSide:
    """The real photos' features, and where the extractors look on them."""

    features: dict[str, Floats]  # extractor -> (N, D), mapped from a file
    places: dict[str, Places]  # extractor -> (N, ...)
    thumbnails: Pixels  # (N, 16, 16, 3)


def look(truth: Truth, tools: Tools, reporter: Reporter) -> RealSide:
    """Look at all real photos, or read what an earlier look found."""
    digest, thumbnails = hashlib.sha256(), []
    for rows in truth.batches():
        photos = truth.read(rows)
        for photo in photos:
            digest.update(picture_hash(photo).encode())
        thumbnails.append(memorisation.thumbnails(photos))
    features, places = {}, {}
    for name in tools.extractors:
        features[name], places[name] = _cached(name, digest.hexdigest(), truth, tools, reporter)
    return RealSide(features, places, np.concatenate(thumbnails))


def _cached(
    name: str, digest: str, truth: Truth, tools: Tools, reporter: Reporter
) -> tuple[Floats, Places]:
    """Features and places of the real photos, computed unless they were before."""
    protocol = registry.extractor(name).PROTOCOL
    key = hashlib.sha256(f"{__version__} {protocol} {truth.size} {digest}".encode()).hexdigest()
    stem = paths.cache_home() / "features" / f"{name}-{key[:32]}"
    kept = [stem.with_name(f"{stem.name}-{what}.npy") for what in ("places", "features")]
    try:
        places, features = (np.load(path, mmap_mode="r", allow_pickle=False) for path in kept)
    except (OSError, ValueError, EOFError):  # not there, or damaged
        places, features = _look_through(tools.extractors[name], name, truth, reporter)
        files.write_whole(kept[0], partial(_save, rows=places))
        files.write_whole(kept[1], partial(_save, rows=features))
    return np.asarray(features), np.asarray(places)


def _look_through(
    extractor: Extractor, name: str, truth: Truth, reporter: Reporter
) -> tuple[Places, Floats]:
    features, places = Pile(), []
    for rows in truth.batches():
        photos = truth.read(rows)
        places.append(extractor.look(photos))
        features.add(extractor.describe(photos, places[-1]))
        reporter(Advanced(f"real photos, {name}", rows.stop, len(truth)))
    return np.concatenate(places), features.whole()


def _save(path: Path, *, rows: NDArray[np.floating]) -> None:
    with path.open("wb") as file:  # np.save would add a suffix to a name
        np.save(file, rows)
