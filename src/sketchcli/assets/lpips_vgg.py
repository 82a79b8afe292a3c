"""LPIPS on VGG-16: the perceptual distance that is used as a loss."""

from sketchcli.assets import RemoteFile
from sketchcli.assets._lpips import HEADS, lpips_network

ASSET = lpips_network(
    "LPIPS perceptual distance, VGG-16",
    backbone=RemoteFile(
        "vgg16-397923af.pth",
        ("https://download.pytorch.org/models/vgg16-397923af.pth",),
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        553_433_881,
    ),
    heads=RemoteFile(
        "vgg.pth",
        (f"{HEADS}/vgg.pth",),
        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        7_289,
    ),
    both=RemoteFile(
        "vgg16.ckpt",
        sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        size=58_866_625,
    ),
)
