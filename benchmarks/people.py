"""Write a manifest of portraits that keeps all images of one person in one split.

    python benchmarks/people.py FOLDER --out FOLDER/people.csv [--val 0.1] [--closed 3]
    sketch2img preprocess --manifest FOLDER/people.csv --style portrait ...

File names do not always say who is in an image, but SFace does: images whose features have a high
cosine are joined, and each group is assigned to a split by the hash of its first image's name.
Images without a face, or with a small one, are left out. Training images with closed lips can be
listed several times: a network that sees mostly smiling politicians gives everybody teeth.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sketchcli import images, paths
from sketchcli.data import splits
from sketchcli.files import is_picture
from sketchcli.images import Pixels
from sketchcli.images.opencv import cv2
from sketchcli.metrics import faces

# The cosine of one person's portraits is 0.7 (median). OpenCV's threshold of 0.363 joins one in a
# thousand pairs of different people and so, through chains, everybody in 1,551 portraits; of a
# million such pairs, ten reach 0.44.
SAME_PERSON = 0.5
# A mouth as it is examined: its size, its corners, and the area between the lips, in pixels.
MOUTH, CORNERS, BETWEEN = (64, 48), np.array([[12, 18], [52, 18]], np.float32), np.s_[14:36, 18:46]
TEETH = 0.02  # greatest fraction of that area that is white in a mouth that counts as closed
LEAST_EYES = 18.0  # distance between the eyes, pixels; a smaller face is a blur at 128 px


def main() -> None:
    """Compare all faces and write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--val", type=float, default=0.1)
    parser.add_argument("--closed", type=int, default=1, help="how often to list closed lips")
    arguments = parser.parse_args()
    files = sorted(p for p in arguments.folder.glob("*/*") if is_picture(p))
    kept, features, are_closed = _describe(files)
    groups = group(features)
    names = [path.relative_to(arguments.folder).as_posix() for path in kept]
    firsts = [names[row] for row in groups]
    drawn = {name: splits.split_from_hash(name, val=arguments.val, test=0) for name in firsts}
    with arguments.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("photo", "split", "person"))
        for name, first, is_closed in zip(names, firsts, are_closed, strict=True):
            is_repeated = is_closed and drawn[first] == "train"
            row = (name, drawn[first], first)
            writer.writerows([row] * (arguments.closed if is_repeated else 1))
    told = f"{len(kept)} of {len(files)} images, {len(set(firsts))} people"
    print(f"{told}, {sum(are_closed)} images with closed lips")


def _describe(files: list[Path]) -> tuple[list[Path], NDArray[np.float64], list[bool]]:
    """Return images of large faces, unit features `(N, 128)` and whether the lips are closed."""
    folder = paths.assets_home()
    networks = {name: next((folder / name).glob("*.onnx")) for name in faces.EXTRACTOR.NETWORKS}
    extractor = faces.open_faces(networks)
    kept, features, are_closed = [], [], []
    for path in files:
        photo = images.read_rgb(path)
        face = extractor.finder.find(photo)
        if face is None or np.linalg.norm(face.eyes[1] - face.eyes[0]) < LEAST_EYES:
            continue
        places = extractor.look(photo[None])
        if np.isfinite(places).all():
            kept.append(path)
            features.append(extractor.describe(photo[None], places)[0].astype(np.float64))
            are_closed.append(is_closed(photo, face.landmarks[3:]))
    found = np.stack(features)
    return kept, found / np.linalg.norm(found, axis=1, keepdims=True), are_closed


def is_closed(photo: Pixels, corners: NDArray[np.float32]) -> bool:
    """Return whether hardly anything between a mouth's corners `(2, 2)` is as white as teeth."""
    scale = np.linalg.norm(corners[1] - corners[0]) / (CORNERS[1, 0] - CORNERS[0, 0])
    matrix = cv2.invertAffineTransform(cv2.estimateAffinePartial2D(CORNERS, corners)[0])
    soft = cv2.GaussianBlur(photo, (0, 0), max(0.4 * scale, 0.3))
    mouth = cv2.warpAffine(soft, matrix, MOUTH, borderMode=cv2.BORDER_REPLICATE)
    lab = cv2.cvtColor(mouth.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    skin = np.median(np.concatenate([lab[:4], lab[40:]]).reshape(-1, 3), axis=0)
    between, colour = lab[BETWEEN], np.hypot(skin[1], skin[2])
    is_pale = np.hypot(between[..., 1], between[..., 2]) < 0.75 * colour
    return bool(np.mean(is_pale & (between[..., 0] > skin[0] - 8)) < TEETH)


def group(features: NDArray[np.float64], threshold: float = SAME_PERSON) -> list[int]:
    """Return the first row of the group of each row of unit features `(N, D)`."""
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
