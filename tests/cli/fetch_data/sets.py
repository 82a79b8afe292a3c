"""Pictures and archives of sets that a test serves or names."""

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace

from PIL import Image

from sketchcli.assets import Edition, RemoteFile, facades

ACCEPT = "--accept-licence"
KINDS = ("photos", "sketches")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def png(pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tar_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return buffer.getvalue()


def patch_facades(monkeypatch, *urls: str, digest: str | None = None) -> None:
    edition = Edition((RemoteFile("facades.tar.gz", urls, digest),))
    monkeypatch.setattr(facades, "ASSET", replace(facades.ASSET, editions=(edition,), pairs=4))
