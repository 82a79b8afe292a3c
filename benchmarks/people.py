"""Write a manifest of portraits in which all pictures of one person fall to one split.

Names of files do not always tell who is on them. SFace does: pictures whose features' cosine is
high are joined, and each group is drawn to a split by the
hash of its first picture's name. Left out is what has no face, or one too small.

    python benchmarks/people.py FOLDER --out FOLDER/people.csv [--val 0.1]
    sketch2img preprocess --manifest FOLDER/people.csv --style portrait ...
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sketchcli import formats, images, paths
from sketchcli.data import splits
from sketchcli.metrics._features import faces

# Cosine. OpenCV's .363 admits one pair of strangers in a thousand, and in 1,551 portraits chains
# everybody to everybody; of a million pairs of strangers ten reach .44, and two portraits of one
# person have .7 (median).
SAME_PERSON = 0.5
LEAST_EYES = 18.0  # pixels between the eyes; below, a face is a blur at 128 pixels


def main() -> None:
    """Read the arguments, compare all faces, write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--val", type=float, default=0.1)
    arguments = parser.parse_args()
    files = sorted(p for p in arguments.folder.glob("*/*") if formats.is_picture(p))
    kept, features = _describe(files)
    groups = group(features)
    names = [path.relative_to(arguments.folder).as_posix() for path in kept]
    firsts = [names[row] for row in groups]
    drawn = {name: splits.split_from_hash(name, val=arguments.val, test=0) for name in firsts}
    with arguments.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("photo", "split", "person"))
        writer.writerows(zip(names, [drawn[first] for first in firsts], firsts, strict=True))
    print(f"{len(kept)} of {len(files)} pictures, {len(set(firsts))} people")


def _describe(files: list[Path]) -> tuple[list[Path], NDArray[np.float64]]:
    """The pictures with a face of some size, and unit features `(N, 128)`."""
    folder = paths.assets_home()
    networks = {name: next((folder / name).glob("*.onnx")) for name in faces.NETWORKS}
    extractor = faces.open_extractor(networks)
    kept, features = [], []
    for path in files:
        photo = images.read_rgb(path)
        face = extractor.finder.find(photo)
        if face is None or np.linalg.norm(face.eyes[1] - face.eyes[0]) < LEAST_EYES:
            continue
        places = extractor.look(photo[None])
        if np.isfinite(places).all():
            kept.append(path)
            features.append(extractor.describe(photo[None], places)[0].astype(np.float64))
    found = np.stack(features)
    return kept, found / np.linalg.norm(found, axis=1, keepdims=True)


def group(features: NDArray[np.float64], threshold: float = SAME_PERSON) -> list[int]:
    """For each row of unit features `(N, D)`, the first row of its group."""
    first = list(range(len(features)))

    def root(row: int) -> int:
        while first[row] != row:
            row = first[row]
        return row

    for row, other in zip(*np.nonzero(np.triu(features @ features.T > threshold, 1)), strict=True):
        one, two = sorted((root(int(row)), root(int(other))))
        first[two] = one
    return [root(row) for row in range(len(features))]


if __name__ == "__main__":
    main()
