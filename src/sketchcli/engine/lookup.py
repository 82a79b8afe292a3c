"""Which pictures, and which prepared set, a user means."""

from dataclasses import dataclass, replace
from pathlib import Path

from sketchcli import errors, paths, registry
from sketchcli.assets import Asset, cuhk, evaluators
from sketchcli.config import Align, Direction
from sketchcli.data import prepared, sources
from sketchcli.data.pairing import cuhk as cuhk_name
from sketchcli.data.prepared import PreparedSet
from sketchcli.data.sources import Source
from sketchcli.data.splits import split_from_name
from sketchcli.engine import runs
from sketchcli.engine.fetching import arrange
from sketchcli.engine.runs import Provenance
from sketchcli.errors import DataError, UsageError


@dataclass(frozen=True)
class Inputs:
    """Where a user says that the pictures are, in one way of several."""

    named: Path | None = None  # a fetched set's name, or a folder whose subfolders tell
    sketches: Path | None = None  # a folder; needs `photos`
    photos: Path | None = None  # a folder; alone, its sketches are to be drawn
    paired: Path | None = None  # a folder of side-by-side pictures
    manifest: Path | None = None  # a CSV that lists the pairs
    direction: Direction | None = None  # side by side: where the photo is
    is_drawn: bool = False  # whether sketches are to be drawn although there may be some


def find_source(inputs: Inputs) -> tuple[Source, Provenance]:
    """The pairs that a user means, and where they come from.

    Raises:
        UsageError: Not said in just one way.
        DataError: No such folder, or no pairs in it.
    """
    named, sketches, photos = inputs.named, inputs.sketches, inputs.photos
    ways = [named, inputs.paired, inputs.manifest, sketches or photos]
    if sum(way is not None for way in ways) != 1:
        raise UsageError(
            "say where the pictures are, in one way",
            hint="a set's name, --photos DIR with --sketches DIR or alone, --paired DIR or "
            "--manifest CSV",
        )
    if sketches is not None and (photos is None or inputs.is_drawn):
        fault = "--style draws sketches" if photos else "--sketches and --photos go together"
        raise UsageError(fault, hint="give both folders" + (", without --style" if photos else ""))
    if inputs.manifest is not None:
        listed = sources.read(inputs.manifest)
        if inputs.is_drawn and all(pair.sketch for pair in listed.pairs):
            raise UsageError("--style: every line has a sketch", hint="leave --style out")
        return listed, Provenance(inputs.manifest.resolve().stem)
    if sketches is not None and photos is not None:
        return sources.two_folders(sketches, photos), Provenance(sketches.resolve().parent.name)
    if photos is not None:
        folder = _at_home(photos)
        return sources.photographs(folder), runs.read(folder)
    return _find_in_one_folder(inputs)


def _find_in_one_folder(inputs: Inputs) -> tuple[Source, Provenance]:
    folder = _at_home(inputs.paired or inputs.named or Path())
    if not folder.is_dir() and inputs.paired is None:
        here = sorted(f.parent.name for f in paths.raw_home().glob(f"[!.]*/{runs.FILE}"))
        listed = "sketch2img fetch-data --list shows the others"
        raise DataError(
            f"{inputs.named}: neither a fetched set nor a folder",
            hint=f"{errors.did_you_mean(str(inputs.named), here, label='fetched')}; {listed}",
        )
    origin = runs.read(folder)
    if inputs.direction and origin.asset and not _direction_of(origin) and not inputs.paired:
        raise UsageError(
            f"--direction: {folder.name} does not hold side-by-side pictures",
            hint="leave it out, or name the folder with --paired",
        )
    direction = inputs.direction or _direction_of(origin)
    if inputs.paired is not None or direction is not None:
        found = sources.side_by_side(folder, direction=direction or Direction.PHOTO_LEFT)
        if inputs.is_drawn:  # from the photo's half
            found = replace(found, pairs=tuple(replace(p, sketch=None) for p in found.pairs))
        return found, origin
    return (sources.photographs if inputs.is_drawn else sources.tree)(folder), origin


def find_detector(align: Align) -> Path | None:
    """The network that finds what pictures are aligned by, if they are to be.

    Raises:
        DataError: It is not there.
    """
    if align is Align.NONE:
        return None
    detector = paths.assets_home() / "yunet" / evaluators.YUNET.downloads[0].name
    if not detector.is_file():
        raise DataError("no face detector here", hint="get it: sketch2img fetch-data yunet")
    return detector


def official_splits() -> dict[str, str]:
    """The split of each pair of the CUHK student set, by the name that its files share."""
    files = map(Path, arrange.known_hashes(cuhk.ASSET))
    found = ((cuhk_name(file.stem), split_from_name(file.parent.name)) for file in files)
    return {name: split for name, split in found if split}


def _direction_of(origin: Provenance) -> Direction | None:
    """Where the photo is in a fetched set of side-by-side pictures."""
    if origin.asset not in registry.names(registry.ASSETS):
        return None
    asset: Asset = registry.load(registry.ASSETS, origin.asset).ASSET
    return asset.direction


def _at_home(folder: Path) -> Path:
    """A fetched set of that name, else the folder itself."""
    at_home = paths.in_room(paths.raw_home(), folder)
    return at_home if at_home.is_dir() else folder


def find_prepared(name: Path | None) -> PreparedSet:
    """The prepared set that a user means: a folder, a name, or the newest.

    Raises:
        DataError: There is none.
    """
    known = prepared_folders()
    if name is None:
        if not known:
            raise DataError("no prepared set yet", hint="make one: sketch2img preprocess")
        return prepared.read(known[-1])
    for folder in (paths.in_room(paths.prepared_home(), name), name):
        if folder.is_dir():
            return prepared.read(folder)
    names = sorted(folder.name for folder in known)
    raise DataError(f"{name}: no such prepared set", hint=errors.did_you_mean(str(name), names))


def prepared_folders() -> list[Path]:
    """The prepared sets at home, the newest last."""
    found = paths.prepared_home().glob(f"[!.]*/{prepared.INDEX}")
    return [i.parent for i in sorted(found, key=lambda index: index.stat().st_mtime)]
