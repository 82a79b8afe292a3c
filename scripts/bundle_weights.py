"""Make the weights that come with the program from those of a run.

    python scripts/bundle_weights.py runs/portraits/best.safetensors src/sketchcli/weights

They are stored in half precision, which costs nothing that can be seen: the script draws a sketch
with both and compares. They say that they draw at `SIZE`, a little more than they were trained at:
the face network knows more people again by such photos (docs/reference/benchmarks.md). Beside them
it writes their SHA-256.
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

SIZE = (192, 192)  # height and width
LARGEST_BYTES = 12_000_000
LARGEST_DIFFERENCE = 2  # of 255, in any pixel
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
    """Store weights in half precision, with their hash beside them.

    Args:
        weights: What a run left.
        target: The file to write; the hash goes beside it, under the suffix `.sha256`.

    Returns:
        Bytes of the file.

    Raises:
        SystemExit: It is too large, or draws otherwise than the weights do.
    """
    tensors, about = checkpoint.load(weights)
    if about["dataset"]["licence"] in {"", Provenance.licence}:
        about["dataset"]["licence"] = LICENCE
    # The marks come last training first; earlier ones had other cuts of the same photos.
    dataset = about["dataset"]
    dataset["trained_on"] = dataset["trained_on"][: MARK * dataset["training_pairs"]]
    about |= {"precision": "fp16", "size": list(SIZE)}
    half = {name: tensor.to(torch.float16) for name, tensor in tensors.items()}
    checkpoint.save(target, half, about)
    size = target.stat().st_size
    if size > LARGEST_BYTES:
        raise SystemExit(
            f"{target}: {size} bytes, {LARGEST_BYTES} at most: train with fewer blocks"
        )
    if (off := difference(weights, target)) > LARGEST_DIFFERENCE:
        raise SystemExit(f"{target}: half precision changes pixels by {off} of 255")
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    line = f"{digest}  {target.name}\n"
    files.write_whole(target.with_suffix(".sha256"), lambda part: part.write_text(line))
    return size


def difference(one: Path, other: Path) -> int:
    """The most by which a pixel differs between what two models draw."""
    place = devices.resolve("cpu", precision="fp32")
    sketches = np.stack([draw_pair(index, size=128)[0] for index in range(4)])
    networks = [load_model(path, place).generator for path in (one, other)]
    drawn = [generate_batch(network, sketches, place).astype(int) for network in networks]
    return int(np.abs(drawn[0] - drawn[1]).max())


if __name__ == "__main__":
    main()
