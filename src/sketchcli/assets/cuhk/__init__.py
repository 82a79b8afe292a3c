"""The CUHK student faces of CUFS: 88 pairs for training and 100 for testing, 200x250 pixels.

`manifest.sha256` lists the content of all 376 images, under the folder names that `preprocess`
understands. The mirror is a repository at a fixed commit, whose archive is packed again for every
download: only its members have lasting hashes.
"""

from sketchcli.assets import Asset, Edition, Kind, RemoteFile

_MIRROR = "Malikanhar/Face-Sketch-to-Image-Generation-using-GAN"
_COMMIT = "2fa006aa49227fae1a09b41865a2c7670deb6d7f"
_ARCHIVE = RemoteFile("cuhk.zip", (f"https://codeload.github.com/{_MIRROR}/zip/{_COMMIT}",))

ASSET = Asset(
    title="CUHK student faces, sketches (CUFS)",
    licence="research on face sketch synthesis and face sketch recognition only",
    citation=(
        "X. Wang and X. Tang, Face Photo-Sketch Synthesis and Recognition, IEEE Transactions on "
        "Pattern Analysis and Machine Intelligence 31(11), 2009."
    ),
    kind=Kind.ARCHIVE,
    homepage="http://mmlab.ie.cuhk.edu.hk/archive/facesketch.html",
    notice=(
        "The CUHK face sketches are for research on face sketch synthesis and recognition only, "
        "and so is every model trained on them."
    ),
    pairs=188,
    editions=(Edition((_ARCHIVE,)),),
    manifest="cuhk/manifest.sha256",
)
