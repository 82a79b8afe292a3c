"""`sketch2img` and `python` as a shell finds them, without the seconds that importing torch takes.

A server imports the program once, and forks a process for each call. The commands in the folder of
programs hand their arguments, variables, folder and three streams over, pass signals on, and wait
for the exit code.
"""

import contextlib
import importlib
import io
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from processes import COMPILED

ROOT = Path(__file__).parent.parent
_OURS = {"sketchcli", "processes"}  # what another package must not find imported
_CLIENT = """#!{python} -IS
import contextlib, json, os, signal, socket, sys

def forward(number, _):
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)

connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
call = [{words!r} + sys.argv[1:], {package!r}, os.getcwd(), dict(os.environ)]
socket.send_fds(connection, [json.dumps(call).encode() + b"\\n"], [0, 1, 2])
process = int(connection.recv(8))
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, forward)
sys.exit(int(connection.recv(8) or 70))
"""


def put_forked_programs(folder: Path, address: Path, package: Path = ROOT / "src") -> None:
    """Put `sketch2img`, `python` and `python3` into a folder: forks of the server at an address."""
    folder.mkdir(parents=True)
    for name, words in (("sketch2img", ["-m", "sketchcli"]), ("python", []), ("python3", [])):
        values = {"python": sys.executable, "address": str(address), "package": str(package)}
        (folder / name).write_text(_CLIENT.format(**values, words=words))
        (folder / name).chmod(0o755)


@contextlib.contextmanager
def server(folder: Path) -> Iterator[Path]:
    """The address of a server that forks the programs, while the block lasts."""
    address = folder / "socket"
    path = os.pathsep.join([str(ROOT / "src"), str(Path(__file__).parent)])
    process = subprocess.Popen(
        [sys.executable, __file__, address],
        env=os.environ | COMPILED | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            assert process.stdout.readline() == b"ready\n"
            yield address
        finally:
            process.terminate()


def _serve(address: str) -> None:
    import sketchcli

    for module in pkgutil.walk_packages(sketchcli.__path__, "sketchcli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    with contextlib.redirect_stdout(io.StringIO()):
        sketchcli.cli.main.main(["fetch-data", "--list"])  # imports what parsing needs
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    os.write(1, b"ready\n")
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        connection = listener.accept()[0]
        if os.fork() == 0:
            listener.close()
            _call(connection)
        connection.close()


def _reap(*_: object) -> None:
    """Wait for what has ended, so that its processor time counts as this process's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _call(connection: socket.socket) -> None:
    """Run one command in a fork of this process, say its exit code, and end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if child := os.fork():  # which may end anyhow
        connection.sendall(f"{child:8}".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.sendall(str(code % 256).encode())
        os._exit(0)
    text, streams, *_ = socket.recv_fds(connection, 1 << 16, 3)
    while not text.endswith(b"\n"):
        text += connection.recv(1 << 16)
    words, package, folder, variables = json.loads(text)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables | {"PYTHONPATH": package})
    sys.path[0] = folder
    if package not in sys.path:
        sys.path[1:3] = [package]
        for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
            del sys.modules[name]
    code = _run(words)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # whoever reads the streams need not wait for PyTorch to be torn down


def _run(words: list[str]) -> int:
    """Run a module or a script as Python does."""
    try:
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv, sys.path[0] = words, str(Path(words[0]).parent)
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:  # noqa: BLE001 - Python would print it as well
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _serve(sys.argv[1])
