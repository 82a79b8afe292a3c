"""LPIPS on AlexNet: the perceptual distance that most papers report."""

from sketchcli.assets import RemoteFile
from sketchcli.assets._lpips import HEADS, lpips_network

ASSET = lpips_network(
    "LPIPS perceptual distance, AlexNet",
    backbone=RemoteFile(
        "alexnet-owt-7be5be79.pth",
        ("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",),
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        244_408_911,
    ),
    heads=RemoteFile(
        "alex.pth",
        (f"{HEADS}/alex.pth",),
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        6_009,
    ),
    both=RemoteFile(
        "alexnet.ckpt",
        sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        size=9_884_491,
    ),
)
