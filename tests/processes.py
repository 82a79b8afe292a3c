"""Processes of the program: what one takes of the processor, and what it imports."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def bounded(run, *, memory, cpu_seconds):
    """What a call returns, as text, in a fork of this process of bounded memory and time.

    `memory` is in bytes, above what this process has. An error is returned as its text. A fork that
    a signal ends returns the signal's name.
    """
    source, target = os.pipe()
    child = os.fork()
    if child == 0:
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20 * cpu_seconds)
        try:
            said = str(run())
        except Exception as error:  # noqa: BLE001
            said = f"{type(error).__name__}: {error}"
        os.write(target, said.encode()[:4000])
        os._exit(0)
    os.close(target)
    with os.fdopen(source) as stream:
        said = stream.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return said if code == 0 else signal.Signals(-code).name
