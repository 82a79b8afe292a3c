"""OpenCV, set up before anything is read with it."""

import os

from sketchcli.errors import DeviceError

# A small file can claim to be a huge picture. OpenCV reads its limit when it is first imported; its
# own, 2^30, lets through what takes 50 GB with alpha and 16 bits.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))

try:
    import cv2
except ImportError as error:  # pragma: no cover - needs a machine without libGL
    raise DeviceError(
        f"OpenCV cannot start: {error}",
        hint="apt install libgl1 libglib2.0-0 libxcb1, or put opencv-python-headless in the "
        "place of opencv-python",
    ) from error

# Of a damaged picture it would write to stderr by itself; here it becomes an error.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

__all__ = ["cv2", "use_one_thread"]


def use_one_thread() -> None:
    """Keep OpenCV to one thread: for a process that is one of many."""
    cv2.setNumThreads(1)
