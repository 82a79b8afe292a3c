"""OpenCV, configured before the first image is read."""

from sketchcli.errors import DeviceError

try:
    import cv2
except ImportError as error:  # pragma: no cover - needs a machine without libGL
    raise DeviceError(
        f"OpenCV cannot start: {error}",
        hint="run: apt install libgl1 libglib2.0-0 libxcb1, or install opencv-python-headless "
        "instead of opencv-python",
    ) from error

# OpenCV would report some errors on stderr; sketch2img raises them instead.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

__all__ = ["cv2"]
