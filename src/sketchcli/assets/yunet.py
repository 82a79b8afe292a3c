"""YuNet, a face detector: where `preprocess` finds the eyes."""

from sketchcli.assets._opencv_zoo import zoo_network

ASSET = zoo_network(
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
