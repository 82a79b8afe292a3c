"""The published networks, where they are on this machine, and the design's pictures of CUHK."""

from pathlib import Path

import numpy as np
from conftest import network_file

from sketchcli import images
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


def cuhk(shared: Path) -> dict[str, np.ndarray]:
    """CUHK at 128 pixels: the 100 test photos and two predictors, each uint8 (100, 128, 128, 3)."""
    root = shared / "cuhk-student"
    test, sketches, training = (
        read_all(root / folder)
        for folder in ("testing-photos", "testing-sketches", "training-photos")
    )
    assert test.keys() == sketches.keys()
    mean = np.stack(list(training.values())).mean(axis=0)
    real = np.stack([test[name] for name in sorted(test)])
    grey = [images.to_rgb(images.luma(sketches[name])) for name in sorted(test)]
    mean_photo = np.broadcast_to(np.rint(mean).astype(np.uint8), real.shape)
    return {"real": real, "the sketch itself": np.stack(grey), "mean training photo": mean_photo}


def read_all(folder: Path) -> dict[str, np.ndarray]:
    """Pictures of 128 pixels by what a pair's two files have in common."""
    return {
        common(path): images.resize(images.read_rgb(path), (128, 128)) for path in folder.iterdir()
    }


def common(path: Path) -> str:
    name = path.stem.lower().removesuffix("-sz1")
    return name.replace("f2-", "f-").replace("m2-", "m-")
