"""What the sets of the pix2pix paper share: one server, one layout, one condition.

Each archive holds side-by-side JPEG pictures in `train/`, `val/` and `test/`. No hash of the
archives was ever published; their sizes are those of the server's index.
"""

from sketchcli.assets import Asset, Edition, Kind, RemoteFile
from sketchcli.config import Direction

SERVER = "efrosgans.eecs.berkeley.edu/pix2pix/datasets"
CITATION = (
    "P. Isola, J.-Y. Zhu, T. Zhou and A. A. Efros, Image-to-Image Translation with Conditional "
    "Adversarial Networks, CVPR 2017."
)


def pix2pix_set(
    name: str,
    title: str,
    *,
    direction: Direction,
    size: int,
    pairs: int | None,
    homepage: str,
    source: str,
) -> Asset:
    """A set of the pix2pix paper.

    Args:
        name: The archive's name on the server.
        title: What its pictures show.
        direction: Where the photo is.
        size: Bytes of the archive.
        pairs: Pictures in it, where they were counted.
        homepage: The page of the data that it was made from.
        source: What to cite beside the pix2pix paper.
    """
    file = f"{name}.tar.gz"
    urls = (f"https://{SERVER}/{file}", f"http://{SERVER}/{file}")
    return Asset(
        title=title,
        licence="research only, under the terms of the pictures' first source",
        citation=f"{CITATION} {source}",
        kind=Kind.ARCHIVE,
        homepage=homepage,
        notice=(
            f"'{name}' is for research only; its pictures keep the terms of their first source: "
            f"{homepage}"
        ),
        pairs=pairs,
        editions=(Edition((RemoteFile(file, urls, size=size),)),),
        direction=direction,
    )
