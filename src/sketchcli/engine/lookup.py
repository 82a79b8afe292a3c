"""Lookup of the images and the prepared datasets that a user refers to."""

from dataclasses import dataclass, replace
from pathlib import Path

from sketchcli import errors, paths, registry
from sketchcli.assets import Asset, cuhk
from sketchcli.config import Align, Direction
from sketchcli.data import prepared, sources
from sketchcli.data.pairing import cuhk as cuhk_name
from sketchcli.data.prepared import PreparedSet
from sketchcli.data.sources import Source
from sketchcli.data.splits import split_from_name
from sketchcli.engine import runs
from sketchcli.engine.fetching import arrange
from sketchcli.engine.results import DraftResult
from sketchcli.engine.runs import Provenance
from sketchcli.errors import DataError, UsageError


@dataclass(frozen=True)
class Inputs:
    """The location of the images; exactly one of the ways may be used."""

    named: Path | None = None  # name of a raw dataset, or a folder whose subfolders are recognised
    sketches: Path | None = None  # a folder; needs `photos`
    photos: Path | None = None  # a folder; without `sketches`, the sketches are drawn
    paired: Path | None = None  # a folder of side-by-side images
    manifest: Path | None = None  # a CSV file that lists the pairs
    direction: Direction | None = None  # where the photo is in side-by-side images
    is_drawn: bool = False  # draw the sketches even if there are some


def find_source(inputs: Inputs) -> tuple[Source, Provenance]:
    """Return the pairs that a user refers to, and their provenance."""
    named, sketches, photos = inputs.named, inputs.sketches, inputs.photos
    ways = [named, inputs.paired, inputs.manifest, sketches or photos]
    if sum(way is not None for way in ways) != 1:
        raise UsageError(
            "specify the images in exactly one way",
            hint="give a dataset's name, --photos DIR with or without --sketches DIR, --paired DIR "
            "or --manifest CSV",
        )
    if sketches and not photos:
        raise UsageError("--sketches needs --photos", hint="give --sketches and --photos")
    if sketches and inputs.is_drawn:
        hint = "give --sketches and --photos without --style"
        raise UsageError("--style cannot be used with --sketches", hint=hint)
    if inputs.manifest is not None:
        listed = sources.read(inputs.manifest)
        if inputs.is_drawn and all(pair.sketch for pair in listed.pairs):
            fault = "every line of the manifest has a sketch, so --style has nothing to draw"
            raise UsageError(fault, hint="omit --style")
        return listed, Provenance(inputs.manifest.resolve().stem)
    if sketches and photos:
        return sources.two_folders(sketches, photos), Provenance(sketches.resolve().parent.name)
    if photos:
        folder = _at_home(photos)
        origin, asset = _origin(folder)
        domains = asset.domains if asset else None
        return replace(sources.photographs(folder), domains=domains), origin
    return _find_in_one_folder(inputs)


def _find_in_one_folder(inputs: Inputs) -> tuple[Source, Provenance]:
    folder = _at_home(inputs.paired or inputs.named or Path())
    if not folder.is_dir() and inputs.paired is None:
        here = sorted(f.parent.name for f in paths.raw_home().glob(f"[!.]*/{runs.FILE}"))
        meant = errors.did_you_mean(str(inputs.named), here, label="fetched")
        hint = f"{meant}; to list all datasets, run: sketch2img fetch-data --list"
        raise DataError(f"{inputs.named} is neither a raw dataset nor a folder", hint=hint)
    origin, asset = _origin(folder)
    own = asset.direction if asset else None
    if inputs.direction and origin.asset and not own and not inputs.paired:
        raise UsageError(
            f"--direction applies only to side-by-side images, which {folder.name} does not hold",
            hint="omit --direction, or give the folder with --paired",
        )
    direction = inputs.direction or own
    if inputs.paired is not None or direction is not None:
        found = sources.side_by_side(folder, direction=direction or Direction.PHOTO_LEFT)
        if inputs.is_drawn:  # the sketches are drawn from the photo's half
            found = replace(found, pairs=tuple(replace(p, sketch=None) for p in found.pairs))
    else:
        found = (sources.photographs if inputs.is_drawn else sources.tree)(folder)
    domains = asset.domains if asset else None
    if domains and own and direction is not own:  # the other half is asked for as the photo
        domains = domains.reversed
    return replace(found, domains=domains), origin


def _origin(folder: Path) -> tuple[Provenance, Asset | None]:
    """Return a raw dataset's provenance and, if it is known, its asset."""
    origin = runs.read(folder)
    known = origin.asset in registry.names(registry.ASSETS)
    return origin, registry.load(registry.ASSETS, origin.asset).ASSET if known else None


def draft_manifest(inputs: Inputs, path: Path) -> DraftResult:
    """Write a first draft of a manifest for images in one or two folders."""
    root, named = inputs.sketches or inputs.photos or inputs.named, inputs.paired or inputs.manifest
    if root is None or named or (inputs.named and inputs.photos):
        hint = "give a folder, or --sketches DIR and --photos DIR"
        raise UsageError("--draft-manifest needs images in one or two folders", hint=hint)
    if path.exists():
        raise DataError(f"{path} already exists", hint="choose another file name")
    found = sources.write_draft(path, _at_home(root), inputs.photos if inputs.sketches else None)
    return DraftResult(path, len(found.pairs), len(found.unpaired))


def find_detector(align: Align) -> Path | None:
    """Return the face detector's file, or None if faces are not to be aligned."""
    if align is Align.NONE:
        return None
    asset: Asset = registry.load(registry.ASSETS, "yunet").ASSET
    detector = paths.assets_home() / "yunet" / asset.downloads[0].name
    if not detector.is_file():
        fault = "face alignment needs the YuNet face detector, which has not been downloaded"
        raise DataError(fault, hint="run: sketch2img fetch-data yunet")
    return detector


def official_splits() -> dict[str, str]:
    """Return the split of each pair of the CUHK student dataset, by the files' common name."""
    files = map(Path, arrange.known_hashes(cuhk.ASSET))
    found = ((cuhk_name(file.stem), split_from_name(file.parent.name)) for file in files)
    return {name: split for name, split in found if split}


def _at_home(folder: Path) -> Path:
    """Return the raw dataset of that name if there is one, otherwise the folder itself."""
    at_home = paths.in_room(paths.raw_home(), folder)
    return at_home if at_home.is_dir() else folder


def find_prepared(name: Path | None) -> PreparedSet:
    """Return the prepared dataset that a user refers to: a folder, a name, or the newest."""
    known = prepared_folders()
    ways = known[-1:] if name is None else [paths.in_room(paths.prepared_home(), name), name]
    found = next(filter(Path.is_dir, ways), None)
    if found is not None:
        return prepared.read(found)
    hint = "run: sketch2img preprocess"
    if name is None:
        raise DataError("there is no prepared dataset yet", hint=hint)
    if known:
        hint = errors.did_you_mean(str(name), sorted(folder.name for folder in known))
    raise DataError(f"prepared dataset '{name}' was not found", hint=hint)


def prepared_folders() -> list[Path]:
    """Return the prepared datasets in the data folder, the newest last."""
    found = paths.prepared_home().glob(f"[!.]*/{prepared.INDEX}")
    return [i.parent for i in sorted(found, key=lambda index: index.stat().st_mtime)]
