"""Datasets of sketches that are downloaded by hand, and the user's own folders."""

import re
from pathlib import Path

from sketchcli import limits
from sketchcli.assets import Asset, Kind
from sketchcli.errors import DataError
from sketchcli.registry import Entry

NAMES = ("cufsf", "fs2k", "folder")

# CUFSF has sketches of 1,194 people in the FERET photos, which NIST gives out by agreement.
CUFSF = Asset(
    title="CUFSF: FERET faces, sketches",
    licence="research only; the photographs under the FERET agreement with NIST",
    citation=(
        "W. Zhang, X. Wang and X. Tang, Coupled Information-Theoretic Encoding for Face "
        "Photo-Sketch Recognition, CVPR 2011."
    ),
    kind=Kind.MANUAL,
    homepage="http://mmlab.ie.cuhk.edu.hk/archive/cufsf/",
    notice=(
        "CUFSF is for research only; its photos are part of FERET, whose agreement with NIST "
        "you must have signed."
    ),
    pairs=1194,
    steps=(
        "open http://mmlab.ie.cuhk.edu.hk/archive/cufsf/ and download the sketches",
        "ask NIST for the FERET photos, and sign its agreement",
        "put the sketches into a folder CUFSF/sketches",
        "put the photos of the same people into CUFSF/photos, each named like its sketch",
        "sketch2img fetch-data cufsf --from CUFSF",
    ),
)

# FS2K has 2,104 faces, each drawn by an artist in one of three styles.
# The archive pairs `photo/photo1/image0110.jpg` with `sketch/sketch1/sketch0110.jpg`, and names the
# split in two lists; `arrange_fs2k` gives a pair one name and its split a folder.
_LISTS = {"anno_train.json": "training", "anno_test.json": "testing"}
_PICTURE = re.compile(r"(?:^|/)(photo|sketch)/\1(\d+)/(?:image|sketch)(\d+)\.\w+$")
FS2K = Asset(
    title="FS2K: faces, sketches in 3 styles",
    licence="MIT for the collection; its photos keep their owners' terms: treat as research only",
    citation=(
        "D.-P. Fan, Z. Huang, P. Zheng, H. Liu, X. Qin and L. Van Gool, Facial-Sketch Synthesis: "
        "A New Challenge, Machine Intelligence Research 19, 2022."
    ),
    kind=Kind.MANUAL,
    homepage="https://github.com/DengPingFan/FS2K",
    notice=(
        "Most photos of FS2K come from CASIA-WebFace, the others from stock sites: treat the "
        "dataset, and every model trained on it, as research only."
    ),
    pairs=2104,
    keeps=frozenset(_LISTS),
    steps=(
        "open https://github.com/DengPingFan/FS2K and follow its link to Google Drive or Baidu",
        "save the archive as FS2K.zip; there is no need to unpack it",
        "sketch2img fetch-data fs2k --from FS2K.zip",
    ),
)


def arrange_fs2k(folder: Path) -> None:
    """Move `photo/photo1/image0110.jpg` to `training-photos/1-0110.jpg`, and so on.

    Images with other names, and all images if the lists are missing, keep their place.
    """
    splits = {name: split for file, split in _LISTS.items() for name in _names(folder, file)}
    for path in sorted(folder.rglob("*")):
        found = _PICTURE.search(path.relative_to(folder).as_posix())
        if found is None or not splits:
            continue
        kind, style, number = found.groups()
        split = splits.get(f"photo{style}/image{number}")
        if split is not None:
            target = folder / f"{split}-{kind}{'es' if kind == 'sketch' else 's'}"
            target.mkdir(exist_ok=True)
            path.rename(target / f"{style}-{number}{path.suffix}")
    for file in [path for path in folder.rglob("*.json") if path.name in _LISTS]:
        file.unlink()


def _names(folder: Path, file: str) -> list[str]:
    """Return the photos that a list names, such as `photo1/image0110`."""
    path = next(folder.rglob(file), None)
    if path is None:
        return []
    try:
        return [str(person["image_name"]) for person in limits.read_json(path)]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{file} is not a list of FS2K's images", hint="get FS2K again") from error


# The user's own images are copied or unpacked, so that the dataset has a name.
FOLDER = Asset(
    title="your own images (--from, --name)",
    licence="as you have it",
    citation="none",
    kind=Kind.LOCAL,
    domains=None,
)

ENTRIES = {
    "cufsf": Entry(ASSET=CUFSF),
    "fs2k": Entry(ASSET=FS2K, arrange=arrange_fs2k),
    "folder": Entry(ASSET=FOLDER),
}
