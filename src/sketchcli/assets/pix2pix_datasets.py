"""The datasets of the pix2pix paper, which share a server, a layout and a condition of use.

Each archive holds side-by-side JPEG images in `train/`, `val/` and `test/`. No hash of the
archives was ever published; their sizes are those in the server's index.
"""

from sketchcli.assets import Asset, Edition, Kind, RemoteFile
from sketchcli.config import PHOTO, Direction, Domain, Domains
from sketchcli.registry import Entry

NAMES = ("cityscapes", "edges2handbags", "edges2shoes", "facades", "maps", "night2day")
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
    domains: Domains,
    size: int,
    pairs: int | None,
    homepage: str,
    source: str,
) -> Entry:
    """Return a dataset of the pix2pix paper.

    `size` is that of the archive in bytes, `homepage` the page of the data that the dataset was
    made from, and `source` what to cite besides the pix2pix paper.
    """
    file = f"{name}.tar.gz"
    urls = (f"https://{SERVER}/{file}",)  # plain HTTP needs a known hash
    terms = "its images keep the terms of their first source"
    asset = Asset(
        title=title,
        licence="research only, under the terms of the images' first source",
        citation=f"{CITATION} {source}",
        kind=Kind.ARCHIVE,
        homepage=homepage,
        notice=f"'{name}' is for research only; {terms}: {homepage}",
        pairs=pairs,
        editions=(Edition((RemoteFile(file, urls, size=size),)),),
        direction=direction,
        domains=domains,
    )
    return Entry(ASSET=asset)


LABELS = Domains(Domain("label map", 3), PHOTO)
EDGES = Domains(Domain("edges", 1), PHOTO)
MAPS = Domains(Domain("map", 3), Domain("aerial photo", 3))
NIGHTS = Domains(Domain("night", 3), Domain("day", 3))

ENTRIES = {
    "cityscapes": pix2pix_set(
        "cityscapes",
        "Street scenes, label maps",
        direction=Direction.PHOTO_LEFT,
        domains=LABELS,
        size=103_441_232,
        pairs=3475,
        homepage="https://www.cityscapes-dataset.com/license/",
        source=(
            "M. Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, "
            "CVPR 2016."
        ),
    ),
    "edges2handbags": pix2pix_set(
        "edges2handbags",
        "Handbags, their edges",
        direction=Direction.PHOTO_RIGHT,
        domains=EDGES,
        size=8_600_000_000,  # "8.0G" in the server's index
        pairs=138_767,
        homepage="https://github.com/junyanz/iGAN",
        source=(
            "J.-Y. Zhu, P. Krahenbuhl, E. Shechtman and A. A. Efros, Generative Visual "
            "Manipulation on the Natural Image Manifold, ECCV 2016."
        ),
    ),
    "edges2shoes": pix2pix_set(
        "edges2shoes",
        "Shoes, their edges",
        direction=Direction.PHOTO_RIGHT,
        domains=EDGES,
        size=2_100_000_000,  # "2.0G" in the server's index
        pairs=50_025,
        homepage="http://vision.cs.utexas.edu/projects/finegrained/utzap50k",
        source=(
            "A. Yu and K. Grauman, Fine-Grained Visual Comparisons with Local Learning, CVPR 2014."
        ),
    ),
    "facades": pix2pix_set(
        "facades",
        "House fronts, label maps (CMP)",
        direction=Direction.PHOTO_LEFT,
        domains=LABELS,
        size=30_168_306,
        pairs=606,
        homepage="https://cmp.felk.cvut.cz/~tylecr1/facade/",
        source=(
            "R. Tylecek and R. Sara, Spatial Pattern Templates for Recognition of Objects with "
            "Regular Structure, GCPR 2013."
        ),
    ),
    "maps": pix2pix_set(
        "maps",
        "Aerial photos, maps",
        direction=Direction.PHOTO_LEFT,
        domains=MAPS,
        size=250_242_400,
        pairs=2194,
        homepage="https://phillipi.github.io/pix2pix/",
        source="Pictures from Google Maps.",
    ),
    # A place is shown at night on the left, and by day on the right: the pix2pix authors train
    # their day-to-night model from B to A, and A is the left one.
    "night2day": pix2pix_set(
        "night2day",
        "Places by night and by day",
        direction=Direction.PHOTO_RIGHT,
        domains=NIGHTS,
        size=2_000_000_000,  # "1.9G" in the server's index
        pairs=None,  # "around 20,000"
        homepage="http://transattr.cs.brown.edu/",
        source=(
            "P.-Y. Laffont, Z. Ren, X. Tao, C. Qian and J. Hays, Transient Attributes for "
            "High-Level Understanding and Editing of Outdoor Scenes, SIGGRAPH 2014."
        ),
    ),
}
