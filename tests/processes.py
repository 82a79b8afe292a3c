"""Processes of the program: what one takes of the processor, and what it imports."""

import os
import resource
import subprocess
import sys
import time

HEAVY = {"torch", "cv2", "numpy", "matplotlib", "jinja2", "torchmetrics", "requests"}
_TELLING = f"""
import sys
from sketchcli.cli.main import main

code = main(sys.argv[1:])
print(code, *{HEAVY} & set(sys.modules), file=sys.stderr)
"""
# An installed program is compiled once, not at each start.
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}


def heavy_imports(*arguments, **variables):
    """A command's exit code, and the heavy modules that it has imported when it ends."""
    command = [sys.executable, "-c", _TELLING, *map(str, arguments)]
    environment = os.environ | variables
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    code, *modules = done.stderr.splitlines()[-1].split()
    return int(code), set(modules)


def never():
    """Answer never, as a probe of `doctor`."""
    time.sleep(60)


def seconds(run):
    """Of the processor, that a call's processes take; the clock's depend on what else is done."""
    before = _of_children()
    run()
    return _of_children() - before


def _of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
