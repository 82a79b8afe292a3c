"""How often progress is told: often enough to be seen moving, seldom enough to cost nothing."""

import time

SECONDS_BETWEEN_REPORTS = 0.1


class Pace:
    """Says when it is time for another report; the first may come at once."""

    def __init__(self) -> None:
        self._last = float("-inf")  # when the last one was, on the monotonic clock

    def is_due(self) -> bool:
        """Whether to report now; if so, the next report has to wait."""
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_REPORTS:
            return False
        self._last = now
        return True
