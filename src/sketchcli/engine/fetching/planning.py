"""What `fetch-data` is asked for: whether it makes sense, and what it would do."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from sketchcli import files, paths, registry
from sketchcli.assets import Asset, Kind
from sketchcli.engine import runs
from sketchcli.engine.fetching import obtaining
from sketchcli.engine.results import FetchPlan
from sketchcli.errors import DataError, UsageError


@dataclass(frozen=True)
class FetchConfig:
    """What to fetch."""

    asset: str
    name: str = ""  # of the raw set; the asset's own by default
    count: int | None = None  # pairs to draw; PAIRS by default
    size: int | None = None  # pixels a side, of drawn pairs; SIDE by default
    seed: int | None = None  # of drawn pairs; SEED by default
    source: str = ""  # --from: a file, a folder or an address
    licence: str = ""  # of the user's own pictures
    sha256: str = ""  # of the file, in the place of a known or recorded one
    is_accepted: bool = False  # the asset's notice


def plan(config: FetchConfig) -> FetchPlan:
    """What `fetch` would do; nothing is changed.

    Raises:
        UsageError: No such set, or options that make no sense together.
        DataError: The source is not there.
    """
    asset: Asset = registry.load(registry.ASSETS, config.asset).ASSET
    name, target = checked(config, asset)
    is_there = runs.is_fetched(target)
    urls = tuple(url for file in asset.downloads for url in file.urls)
    return FetchPlan(
        name=name,
        folder=target,
        state="ready" if is_there else ("taken" if target.exists() else "absent"),
        sources=(obtaining.shown_source(config.source),) if config.source else urls,
        download_megabytes=None if config.source else asset.download_megabytes,
        free_megabytes=round(_free_bytes(target) / 1e6, 1),
        licence=config.licence or asset.licence,
        notice=asset.notice,
        steps=() if config.source else asset.steps,
        next=asset.next_command(name),
    )


def checked(config: FetchConfig, asset: Asset) -> tuple[str, Path]:
    """What the set will be called, and where it goes, where the options make sense together.

    Raises:
        UsageError: They do not.
        DataError: The source is not there.
    """
    _check_drawing(config, asset)
    _check_source(config, asset)
    _check_hash(config, asset)
    return _target(config, asset)


def _check_drawing(config: FetchConfig, asset: Asset) -> None:
    drawing = {"--count": config.count, "--size": config.size, "--seed": config.seed}
    given = [option for option, value in drawing.items() if value is not None]
    if given and asset.kind is not Kind.DRAWN:
        raise UsageError(f"{given[0]}: '{config.asset}' is not drawn", hint="leave it out")


def _check_source(config: FetchConfig, asset: Asset) -> None:
    if config.source and asset.kind is Kind.DRAWN:
        raise UsageError(f"--from: '{config.asset}' is drawn, not copied", hint="leave it out")
    if not config.source and asset.kind is Kind.LOCAL:
        hint = "--from FOLDER, --from ARCHIVE or --from URL"
        raise UsageError(f"'{config.asset}' needs to know where your pictures are", hint=hint)
    if config.licence and asset.kind is not Kind.LOCAL:
        hint = "leave it out; it is for pictures of your own"
        raise UsageError(f"--licence: '{config.asset}' has its own", hint=hint)
    if config.source:
        obtaining.check(config.source)


def _check_hash(config: FetchConfig, asset: Asset) -> None:
    if not re.fullmatch(r"([0-9a-f]{64})?", config.sha256):
        raise UsageError(
            f"--sha256 {config.sha256}: not a hash", hint="64 hexadecimal digits, as sha256sum says"
        )
    if config.sha256 and not config.source and len(asset.downloads) != 1:
        raise UsageError(f"--sha256: '{config.asset}' is not one file", hint="leave it out")


def _target(config: FetchConfig, asset: Asset) -> tuple[str, Path]:
    """What the set is called, and where it goes; an asset's name belongs to that asset."""
    if asset.kind is Kind.NETWORK:
        if config.name:
            raise UsageError(f"--name: '{config.asset}' keeps its own", hint="leave it out")
        return config.asset, paths.assets_home() / config.asset
    name = config.name or ("" if asset.kind is Kind.LOCAL else config.asset)
    if not name or (name != config.asset and name in registry.names(registry.ASSETS)):
        raise UsageError(f"'{config.asset}' needs another name", hint="give it one with --name")
    return name, paths.raw_home() / paths.checked_name(name)


def check_place(target: Path, *, overwrite: bool) -> None:
    """Refuse what is there already, before anything is asked of the user or of a server.

    Raises:
        DataError: A folder that may not be replaced.
    """
    if runs.is_fetched(target) and not overwrite:
        hint = "--verify checks it, --overwrite fetches it again"
        raise DataError(f"{target} exists", hint=hint)
    files.check_new(target, is_ours=runs.is_fetched, overwrite=True)


def _free_bytes(target: Path) -> int:
    existing = next(folder for folder in target.parents if folder.exists())
    return shutil.disk_usage(existing).free
