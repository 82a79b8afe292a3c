"""What is on disk: the SHA-256 of every file, as `sha256sum -c` reads it, and all datasets."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sketchcli import files, paths, registry
from sketchcli.assets import Asset, Kind
from sketchcli.engine import runs
from sketchcli.engine.events import SILENT, Advanced, Reporter
from sketchcli.engine.results import AssetListing
from sketchcli.errors import DataError

FILE = "manifest.sha256"
NAMED = 3  # largest number of files that a message names
SOON_DONE = 100  # number of files up to which hashing is too fast to report its progress
_LINE = re.compile(r"(\\?)([0-9a-f]{64}) [ *](.+)")
_ESCAPES = {"\\": r"\\", "\n": r"\n", "\r": r"\r"}  # in a name, on a line that a backslash begins


def described(**groups: Sequence[str]) -> str:
    """Return how many files are in each group, and the first names.

    >>> described(missing=["a.png"], changed=[], extra=["b", "c", "d", "e"])
    '1 missing (a.png), 4 extra (b, c, d, ...)'
    """
    parts = []
    for what, names in groups.items():
        more = ["..."] if len(names) > NAMED else []
        if names:
            parts.append(f"{len(names)} {what} ({', '.join([*names[:NAMED], *more])})")
    return ", ".join(parts)


def listed(folder: Path) -> dict[str, Path]:
    """Return a dataset's own files by relative path, sorted, without hidden files and ours."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: found[name]
        for name in sorted(found)
        if name not in paths.OURS and not re.search(r"(^|/)\.", name) and found[name].is_file()
    }


def take(folder: Path, reporter: Reporter = SILENT) -> dict[str, str]:
    """Return the SHA-256 of each of a dataset's own files, by relative path."""
    found = listed(folder)
    hashes = {}
    for done, (name, path) in enumerate(found.items(), start=1):
        hashes[name] = files.sha256_of(path)
        if len(found) > SOON_DONE:
            reporter(Advanced("hashes", done, len(found)))
    return hashes


def write(folder: Path, hashes: Mapping[str, str]) -> None:
    """Write the inventory into the folder."""
    lines = []
    for name, digest in sorted(hashes.items()):
        escaped = "".join(_ESCAPES.get(character, character) for character in name)
        mark = "" if escaped == name else "\\"
        lines.append(f"{mark}{digest}  {escaped}\n")
    # A file name may not be valid UTF-8.
    content = "".join(lines).encode("utf-8", "surrogateescape")
    files.write_whole(folder / FILE, lambda part: part.write_bytes(content))


def parse(text: str, *, name: str) -> dict[str, str]:
    """Return hashes by file, from lines that `sha256sum` wrote; errors call the text `name`.

    >>> parse("00" * 32 + "  a b.png", name="list") == {"a b.png": "00" * 32}
    True
    """
    characters = {escape: character for character, escape in _ESCAPES.items()}
    hashes = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line:
            continue
        match = _LINE.fullmatch(line.removesuffix("\r"))
        if match is None:
            raise DataError(
                f"{name}: line {number} is not a hash and a file name", hint="fetch the files again"
            )
        is_escaped, digest, file = match.groups()
        if is_escaped:
            file = re.sub(r"\\[\\nr]", lambda escape: characters[escape[0]], file)
        hashes[file] = digest
    return hashes


# `fetch-data --list` imports nothing that draws, decodes or downloads.


def list_assets() -> tuple[AssetListing, ...]:
    """Return all available datasets and networks, and the user's own, with their status."""
    known = registry.names(registry.ASSETS)
    found = [_listing(name, registry.load(registry.ASSETS, name).ASSET) for name in known]
    for folder in sorted(paths.raw_home().glob("[!.]*")):
        source = runs.read(folder)
        if source.asset and folder.name not in known:
            title = f"from '{source.asset}'"
            found.append(
                _listing(folder.name, Asset(title, source.licence, source.citation, Kind.LOCAL))
            )
    return tuple(found)


def _listing(name: str, asset: Asset) -> AssetListing:
    folder = (paths.assets_home() if asset.kind is Kind.NETWORK else paths.raw_home()) / name
    is_ready = runs.is_fetched(folder)
    sizes = [path.stat().st_size for path in listed(folder).values()] if is_ready else []
    is_begun = any(path.is_file() for path in (paths.downloads_home() / name).rglob("*"))
    return AssetListing(
        name=name,
        kind=asset.kind.value,
        title=asset.title,
        pairs=len(sizes) // 2 if asset.kind is Kind.DRAWN and is_ready else asset.pairs,
        files=len(sizes) if is_ready else None,
        megabytes=round(sum(sizes) / 1e6, 1) if is_ready else None,
        download_megabytes=asset.download_megabytes,
        licence=asset.licence,
        citation=asset.citation,
        homepage=asset.homepage,
        state="ready" if is_ready else "partial" if is_begun else "absent",
    )
