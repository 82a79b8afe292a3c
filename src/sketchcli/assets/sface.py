"""SFace, a face recognizer: whether a generated face is the same person's."""

from sketchcli.assets._opencv_zoo import zoo_network

ASSET = zoo_network(
    "SFace face recognizer",
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
