"""Pictures and archives of sets that a test serves or names."""

import gzip
import hashlib
import io
from dataclasses import replace

from engine.fetching.packing import tarred, zipped
from PIL import Image

from sketchcli.assets import Edition, RemoteFile, pix2pix_datasets

ACCEPT = "--accept-licence"
KINDS = ("photos", "sketches")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def png(pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    return zipped(members.items())


def tar_of(members: dict[str, bytes]) -> bytes:
    return gzip.compress(tarred(members.items()))


def patch_facades(monkeypatch, *urls: str, digest: str | None = None) -> None:
    edition = Edition((RemoteFile("facades.tar.gz", urls, digest),))
    entry = pix2pix_datasets.ENTRIES["facades"]
    monkeypatch.setattr(entry, "ASSET", replace(entry.ASSET, editions=(edition,), pairs=4))
