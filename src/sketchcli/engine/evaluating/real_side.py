"""What the real photos look like to the extractors: found once, kept for the next evaluation."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sketchcli import __version__, files, paths, registry
from sketchcli.data.prepared import picture_hash
from sketchcli.engine.evaluating import memorisation
from sketchcli.engine.evaluating.measuring import Truth
from sketchcli.engine.evaluating.tools import Places, Tools
from sketchcli.engine.events import Advanced, Reporter
from sketchcli.images import Floats, Pixels


@dataclass(frozen=True, eq=False)
class RealSide:
    """The real photos' features, and where the extractors look on them."""

    features: dict[str, Floats]  # extractor -> (N, D)
    places: dict[str, Places]  # extractor -> (N, ...)
    thumbnails: Pixels  # (N, 16, 16, 3)
    hashes: tuple[str, ...]  # of each photo, as prepared


def look(truth: Truth, tools: Tools, reporter: Reporter) -> RealSide:
    """Look at all real photos, or read what an earlier look found."""
    digest, hashes, thumbnails = hashlib.sha256(), [], []
    for rows in truth.batches():
        photos = truth.read(rows)
        for photo in photos:
            hashes.append(picture_hash(photo))
            digest.update(hashes[-1].encode())
        thumbnails.append(memorisation.thumbnails(photos))
    features, places = {}, {}
    for name in tools.extractors:
        features[name], places[name] = _cached(name, digest.hexdigest(), truth, tools, reporter)
    return RealSide(features, places, np.concatenate(thumbnails), tuple(hashes))


def _cached(
    name: str, digest: str, truth: Truth, tools: Tools, reporter: Reporter
) -> tuple[Floats, Places]:
    """Features and places of the real photos, computed unless they were before."""
    protocol = registry.load(registry.FEATURES, name).PROTOCOL
    key = hashlib.sha256(f"{__version__} {protocol} {truth.size} {digest}".encode()).hexdigest()
    path = paths.cache_home() / "features" / f"{name}-{key[:32]}.npz"
    try:
        with np.load(path, allow_pickle=False) as found:
            return found["features"], found["places"]
    except (OSError, ValueError, LookupError, zipfile.BadZipFile):
        pass  # not there, or damaged
    extractor = tools.extractors[name]
    features: list[Floats] = []
    places: list[Places] = []
    for rows in truth.batches():
        photos = truth.read(rows)
        places.append(extractor.look(photos))
        features.append(extractor.describe(photos, places[-1]))
        reporter(Advanced(f"real photos, {name}", rows.stop, len(truth)))
    whole = np.concatenate(features), np.concatenate(places)
    files.write_whole(path, lambda part: _save(part, *whole))
    return whole


def _save(path: Path, features: Floats, places: Places) -> None:
    with path.open("wb") as file:  # np.savez would add a suffix to a name
        np.savez(file, features=features, places=places)
