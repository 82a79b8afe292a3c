"""Make the bundled weights from those of a run.

    python scripts/bundle_weights.py runs/portraits/best.safetensors src/sketchcli/weights

They are stored in half precision, which makes no visible difference: the script generates photos
with both and compares them. Their recorded size is `SIZE`, a little more than in training, because
the face network recognises more people in such photos (docs/reference/benchmarks.md).
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch

from sketchcli import checkpoint, files
from sketchcli import device as devices
from sketchcli.assets.demo import draw_pair
from sketchcli.data.prepared import MARK
from sketchcli.engine.generating.prepare import load_model
from sketchcli.engine.generating.sample import generate_batch
from sketchcli.engine.runs import Provenance

SIZE = (192, 192)  # height and width, pixels
LARGEST_BYTES = 12_000_000
LARGEST_DIFFERENCE = 2  # greatest change of a pixel, levels of 0-255
LICENCE = "trained on works of the US government, in the public domain"


def main() -> None:
    """Read the arguments; write the two files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    target = arguments.folder / "bundled.safetensors"
    print(f"{target}: {bundle(arguments.weights, target)} bytes")


def bundle(weights: Path, target: Path) -> int:
    """Store a run's weights in half precision and return the size of the file in bytes.

    The hash is written next to `target`, under the suffix `.sha256`.

    Raises:
        SystemExit: If the file is too large, or its photos differ from those of the weights.
    """
    tensors, about = checkpoint.load(weights)
    if about["dataset"]["licence"] in {"", Provenance.licence}:
        about["dataset"]["licence"] = LICENCE
    # The marks of the latest training come first; earlier ones used other crops of the photos.
    dataset = about["dataset"]
    dataset["trained_on"] = dataset["trained_on"][: MARK * dataset["training_pairs"]]
    about |= {"precision": "fp16", "size": list(SIZE)}
    half = {name: tensor.to(torch.float16) for name, tensor in tensors.items()}
    checkpoint.save(target, half, about)
    size = target.stat().st_size
    if size > LARGEST_BYTES:
        raise SystemExit(
            f"{target} has {size} bytes ({LARGEST_BYTES} at most); train with fewer blocks"
        )
    if (off := difference(weights, target)) > LARGEST_DIFFERENCE:
        raise SystemExit(f"{target}: half precision changes a pixel by {off} of 255")
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    line = f"{digest}  {target.name}\n"
    files.write_whole(target.with_suffix(".sha256"), lambda part: part.write_text(line))
    return size


def difference(one: Path, other: Path) -> int:
    """Return the greatest difference of a pixel between the photos of two models."""
    place = devices.resolve("cpu", precision="fp32")
    sketches = np.stack([draw_pair(index, size=128)[0] for index in range(4)])
    networks = [load_model(path, place).generator for path in (one, other)]
    drawn = [generate_batch(network, sketches, place).astype(int) for network in networks]
    return int(np.abs(drawn[0] - drawn[1]).max())


if __name__ == "__main__":
    main()
