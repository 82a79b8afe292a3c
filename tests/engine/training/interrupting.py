"""Runs that are stopped on their way, from inside and from outside, and what they logged."""

import contextlib
import json
import os
import signal
import time

from sketchcli.engine.events import BatchTrained


def interrupt_after(batches):
    """A reporter that presses Ctrl-C."""
    seen = []

    def report(event):
        if isinstance(event, BatchTrained):
            seen.append(event)
            if len(seen) == batches:
                os.kill(os.getpid(), signal.SIGINT)

    return report


def wait_for(happened, process, seconds=240):
    """Until something has happened in a process, which must not end before."""
    until = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.01)


def read_log(run):
    """The lines of a run's log, without one that is being written."""
    found = []
    for line in run.log.read_text(encoding="utf-8").splitlines() if run.log.exists() else ():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found
