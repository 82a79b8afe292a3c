"""The published networks, where they are on this machine."""

from pathlib import Path

from conftest import network_file

from sketchcli.engine.fetching.convert import convert

FILES = {
    "lpips-alex": "alexnet.ckpt",
    "lpips-vgg": "vgg16.ckpt",
    "fid-inception": "default_1.pt",
}


def published(name: str) -> Path:
    """A package's file of a network; the test is skipped where it is absent."""
    return network_file(FILES[name])


def converted(name: str, folder: Path) -> Path:
    """The network as the metrics take it, written into a folder."""
    source, target = published(name), folder / f"{name}.safetensors"
    convert(name, [source], target)
    return target
