"""The SHA-256 of every file in a folder, in the format that `sha256sum -c` reads.

`fetch-data --verify` compares them with the files, and `fetch-data --list` shows what is on disk.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sketchcli import files, paths, registry
from sketchcli.assets import Asset, Kind
from sketchcli.engine import runs
from sketchcli.engine.events import SILENT, Advanced, Reporter
from sketchcli.engine.results import AssetListing, VerifyResult
from sketchcli.errors import DataError

FILE = "manifest.sha256"
OURS = frozenset({FILE, runs.FILE})  # written by this program, next to the dataset's own files
NAMED = 3  # largest number of files that a message names
SOON_DONE = 100  # number of files up to which hashing is too fast to report its progress
_LINE = re.compile(r"(\\?)([0-9a-f]{64}) [ *](.+)")


@dataclass(frozen=True)
class Differences:
    """The differences of a folder from its inventory, as paths relative to the folder."""

    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return text such as `1 missing (a.png), 2 changed (b.png, c.png)`, or '' if all agree."""
        parts = (("missing", self.missing), ("changed", self.changed), ("extra", self.extra))
        return ", ".join(
            f"{len(names)} {what} ({first_of(names)})" for what, names in parts if names
        )


def first_of(names: tuple[str, ...]) -> str:
    """Return the first few names, and a sign that there are more.

    >>> first_of(("a", "b", "c", "d"))
    'a, b, c, ...'
    """
    return ", ".join([*names[:NAMED], *(["..."] if len(names) > NAMED else [])])


def listed(folder: Path) -> dict[str, Path]:
    """Return a dataset's own files by relative path, sorted, without hidden files and ours."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: found[name]
        for name in sorted(found)
        if name not in OURS and not re.search(r"(^|/)\.", name) and found[name].is_file()
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
    text = "".join(f"{_line(name, hashes[name])}\n" for name in sorted(hashes))
    # A file name may not be valid UTF-8.
    content = text.encode("utf-8", "surrogateescape")
    files.write_whole(folder / FILE, lambda part: part.write_bytes(content))


def read(folder: Path) -> dict[str, str] | None:
    """Return the inventory that was written into a folder, or None."""
    path = folder / FILE
    if not path.is_file():
        return None
    return parse(path.read_bytes().decode("utf-8", "surrogateescape"), name=str(path))


def parse(text: str, *, name: str) -> dict[str, str]:
    """Return hashes by file, from lines that `sha256sum` wrote; errors call the text `name`.

    >>> parse("00" * 32 + "  a b.png", name="list") == {"a b.png": "00" * 32}
    True
    """
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
        hashes[_unescaped(file) if is_escaped else file] = digest
    return hashes


def compare(folder: Path, hashes: Mapping[str, str], reporter: Reporter = SILENT) -> Differences:
    """Return how a folder differs from its inventory."""
    now = take(folder, reporter)
    return Differences(
        missing=tuple(name for name in hashes if name not in now),
        changed=tuple(name for name in hashes if name in now and now[name] != hashes[name]),
        extra=tuple(name for name in now if name not in hashes),
    )


def _line(name: str, digest: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "\\" if escaped != name else ""
    return f"{mark}{digest}  {escaped}"


def _unescaped(name: str) -> str:
    characters = {r"\\": "\\", r"\n": "\n", r"\r": "\r"}
    return re.sub(r"\\[\\nr]", lambda match: characters[match[0]], name)


# `fetch-data --verify` checks whether the files are still those that were fetched.


def verify(name: str, reporter: Reporter = SILENT) -> VerifyResult:
    """Compare the files of a raw dataset or a network with the hashes recorded when fetched."""
    rooms = (paths.raw_home(), paths.assets_home())
    folders = [room / paths.checked_name(name) for room in rooms]
    folder = next(filter(runs.is_fetched, folders), None)
    again = f"run: sketch2img fetch-data {runs.read(folder).asset if folder else name}"
    if folder is None:
        raise DataError(f"'{name}' has not been fetched yet", hint=again)
    hashes = read(folder)
    if hashes is None:
        raise DataError(f"{folder} has no recorded hashes", hint=f"{again} --overwrite")
    differences = compare(folder, hashes, reporter)
    if str(differences):
        raise DataError(
            f"{folder} differs from its recorded hashes: {differences}", hint=f"{again} --overwrite"
        )
    return VerifyResult(name, folder, len(hashes))


# `fetch-data --list` imports nothing that draws, decodes or downloads.


def list_assets() -> tuple[AssetListing, ...]:
    """Return all available datasets and networks, and the user's own, with their status."""
    known = registry.names(registry.ASSETS)
    found = sorted(paths.raw_home().glob("[!.]*"))
    own = [path for path in found if path.name not in known and runs.is_fetched(path)]
    return (*map(_known, known), *map(_own, own))


def _known(name: str) -> AssetListing:
    asset: Asset = registry.load(registry.ASSETS, name).ASSET
    home = paths.assets_home() if asset.kind is Kind.NETWORK else paths.raw_home()
    is_ready = runs.is_fetched(home / name)
    count, megabytes = _on_disk(home / name) if is_ready else (None, None)
    return AssetListing(
        name=name,
        kind=asset.kind.value,
        title=asset.title,
        pairs=asset.pairs or _drawn_pairs(asset, count),
        files=count,
        megabytes=megabytes,
        download_megabytes=asset.download_megabytes,
        licence=asset.licence,
        citation=asset.citation,
        homepage=asset.homepage,
        state="ready" if is_ready else _state(name),
    )


def _own(folder: Path) -> AssetListing:
    source = runs.read(folder)
    count, megabytes = _on_disk(folder)
    return AssetListing(
        name=folder.name,
        kind=Kind.LOCAL.value,
        title=f"from '{source.asset}'",
        pairs=None,
        files=count,
        megabytes=megabytes,
        download_megabytes=None,
        licence=source.licence,
        citation=source.citation,
        homepage="",
        state="ready",
    )


def _drawn_pairs(asset: Asset, count: int | None) -> int | None:
    return count // 2 if asset.kind is Kind.DRAWN and count is not None else None


def _on_disk(folder: Path) -> tuple[int, float]:
    """Return the number of files of a fetched dataset, and their megabytes."""
    sizes = [path.stat().st_size for path in listed(folder).values()]
    return len(sizes), round(sum(sizes) / 1e6, 1)


def _state(name: str) -> str:
    """Return the status of a dataset or network that has not been fetched."""
    downloads = paths.downloads_home() / name
    is_begun = any(path.is_file() for path in downloads.rglob("*"))
    return "partial" if is_begun else "absent"
