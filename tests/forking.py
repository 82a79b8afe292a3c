"""`sketch2img` as a shell finds it, without the seconds that each start takes to import PyTorch.

A server imports the program once, and forks a process for each call. The command in the folder of
programs hands its arguments, variables, folder and three streams over, and waits for the exit code.
"""

import contextlib
import importlib
import io
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pages import ROOT, put_programs

_CLIENT = """#!{python} -IS
import json, os, socket, sys

connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode() + b"\\n"
socket.send_fds(connection, [call], [0, 1, 2])
sys.exit(int(connection.recv(8) or 70))
"""


@contextlib.contextmanager
def forked_programs(folder: Path) -> Iterator[Path]:
    """The programs of `put_programs`, of which `sketch2img` is forked, while the block lasts."""
    put_programs(folder)
    address = folder / "socket"
    client = folder / "sketch2img"
    client.write_text(_CLIENT.format(python=sys.executable, address=str(address)))
    path = os.pathsep.join([str(ROOT / "src"), str(Path(__file__).parent)])
    server = subprocess.Popen(
        [sys.executable, __file__, address],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
    )
    with server:
        try:
            assert server.stdout.readline() == b"ready\n"
            yield folder
        finally:
            server.terminate()


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
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection = listener.accept()[0]
        if os.fork() == 0:
            listener.close()
            _call(connection)
        connection.close()


def _call(connection: socket.socket) -> None:
    """Run one command in this process, and end it."""
    from sketchcli.cli.main import main

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    text, streams, *_ = socket.recv_fds(connection, 1 << 16, 3)
    while not text.endswith(b"\n"):
        text += connection.recv(1 << 16)
    arguments, folder, variables = json.loads(text)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    code = main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(str(code).encode())
    os._exit(code)  # whoever reads the streams need not wait for PyTorch to be torn down


if __name__ == "__main__":
    _serve(sys.argv[1])
