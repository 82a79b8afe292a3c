"""`sketch2img draw` as a process: its port, its address, the browser, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest
from generating_fixtures import weights_of
from serving_fixtures import HEADERS, face, wait_for

from sketchcli.errors import ExitCode
from sketchcli.serving import server
from sketchcli.serving.model_desk import ModelDesk
from sketchcli.serving.server import PORT, listen

# The program with a model that hangs: while it loads, or else while it generates.
HANGING = """
import os, signal, sys, threading, time, types
from sketchcli.config import Domains
from sketchcli.serving import model_desk, routes
from sketchcli.__main__ import run

def load(path):
    print("torch" in sys.modules, "cv2" in sys.modules, file=sys.stderr, flush=True)
    if os.environ["HANGS"] == "loading":
        time.sleep(60)
    about = {"size": (32, 32), "domains": Domains(), "precision": "fp32"}
    sleep, event = lambda *_: time.sleep(60), threading.Event()
    return types.SimpleNamespace(**about, generate=sleep, is_stopped=event)

async def interrupt(*_):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)

model_desk.opener = lambda *_: load
routes.CALLS["GET /api/sketch"] = interrupt
sys.exit(run())
"""
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "SSH_CONNECTION")


@contextmanager
def started(*words, program=("-m", "sketchcli"), **variables):
    """A process of `draw`, once it has printed its address, and a client for it."""
    kept = {key: value for key, value in os.environ.items() if key not in DISPLAYS}
    command = [sys.executable, *program, "draw", *map(str, words)]
    pipe = subprocess.PIPE
    environment = kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | variables
    process = subprocess.Popen(
        command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    try:
        address, _, token = process.stdout.readline().strip().partition("/#token=")
        with httpx.Client(base_url=address, headers={"X-Sketch2img-Token": token}) as client:
            yield process, client
    finally:
        process.kill()
        process.communicate()


def end(process):
    """Interrupt it, and return how long it took and what it said."""
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 0, said
    return time.monotonic() - begun, said


def ask_and_leave(client, path):
    """Send a request, and do not wait for its answer."""
    url = client.base_url
    connection = socket.create_connection((url.host, url.port))
    token = client.headers["X-Sketch2img-Token"]
    method, body = ("POST", "x") if "generate" in path else ("GET", "")
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"X-Sketch2img-Token: {token}"]
    lines += [f"Content-Length: {len(body)}", "", body]
    connection.sendall("\r\n".join(lines).encode())
    return connection


@pytest.fixture
def weights(home, tiny):
    return weights_of(home / "runs" / "mine", tiny)


@pytest.mark.parametrize("hangs", ["loading", "generating"])
def test_ctrl_c_ends_within_a_second_whatever_is_under_way(weights, hangs):
    words, program = ["--no-browser", "--model", weights], ["-c", HANGING]
    with started(*words, program=program, HANGS=hangs) as (process, client):
        assert client.get("/").status_code == 200
        status = "loading" if hangs == "loading" else "ready"
        wait_for(lambda: client.get("/api/state").json()["status"] == status)
        waiting = ask_and_leave(client, f"/api/state?since={status}")
        with waiting, ask_and_leave(client, "/api/generate?number=1"):
            time.sleep(0.2)
            seconds, said = end(process)
            answer = waiting.makefile("rb").read()
    assert seconds < 1
    assert answer.startswith(b"HTTP/1.1 503 ")  # and not a bug of the server
    assert b"sketch2img draw has stopped" in answer
    assert "False False" in said  # neither torch nor OpenCV is imported before the page is served
    assert "stopped" in said


def test_a_signal_while_a_request_is_answered_is_not_lost(weights):
    words, program = ["--no-browser", "--model", weights], ["-c", HANGING]
    with started(*words, program=program, HANGS="generating") as (process, client):
        with ask_and_leave(client, "/api/sketch"):
            _, said = process.communicate(timeout=10)
        assert (process.returncode, "stopped" in said) == (0, True)


def test_ctrl_c_ends_it_without_a_standard_output_too(weights):
    command = [sys.executable, "-m", "sketchcli", "draw", "--no-browser", "--model", weights]
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" >&-', "sh", *map(str, command)], stderr=subprocess.PIPE, text=True
    )
    assert any("Ctrl-C" in line for line in process.stderr)
    _, said = end(process)
    assert said == "stopped\n"


def test_without_a_display_the_tunnel_is_printed_and_a_photo_comes(weights):
    words = ["--model", weights, "--device", "cpu", "--precision", "fp32", "--quiet"]
    with started(*words, SSH_CONNECTION="10.0.0.9 5 10.0.0.1 22") as (process, client):
        state = client.get("/api/state?since=loading", timeout=30).json()
        assert (state["status"], state["size"]) == ("ready", [32, 32])
        photo = client.post("/api/generate?number=1&client=a", content=face())
        assert photo.content.startswith(b"\x89PNG")
        assert client.get("/api/state", headers=HEADERS).status_code == 403
        with ask_and_leave(client, "/ HTTP/1.1\r\nHost: evil") as twice:
            assert b" 4" in twice.recv(100)[:13]
        _, said = end(process)
    port = client.base_url.port
    assert f"ssh -N -L {port}:127.0.0.1:{port} " in said
    assert "@10.0.0.1" in said


def test_the_browser_gets_the_address(weights, tmp_path):
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.part; mv {opened}.part {opened}\n')
    browser.chmod(0o700)
    with started("--model", weights, BROWSER=f"{browser} %s") as (process, client):
        wait_for(opened.exists)
        token = client.headers["X-Sketch2img-Token"]
        assert opened.read_text().strip() == f"{client.base_url}/#token={token}".replace(
            "1//", "1/"
        )
        _, said = end(process)
    assert "the browser opens the page" in said
    assert "ssh" not in said


# -- without a process


def test_the_next_free_port_is_taken_and_a_given_one_must_be_free(sketch2img, weights):
    with listen("127.0.0.1", None) as one, listen("127.0.0.1", None) as two:
        ports = [each.getsockname()[1] for each in (one, two)]
        assert PORT <= ports[0] < ports[1]
        with socket.create_connection(one.getsockname()), one.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        outcome = sketch2img("draw", "--port", ports[0], "--model", weights, "--no-browser")
        assert outcome.code == ExitCode.USAGE
        assert f"cannot listen on port {ports[0]}" in outcome.stderr
        assert "--port" in outcome.stderr


def test_what_is_wrong_is_said_before_anything_is_served(sketch2img, weights, tmp_path):
    assert sketch2img("draw", "--model", "nix").code == ExitCode.CHECKPOINT
    assert sketch2img("draw", tmp_path / "nix.png", "--model", weights).code == ExitCode.DATA
    (tmp_path / "text.png").write_text("no image")
    assert sketch2img("draw", tmp_path / "text.png", "--model", weights).code == ExitCode.DATA
    assert sketch2img("draw", "--port", "0").code == ExitCode.USAGE
    assert sketch2img("draw", "--host", "no.such.host.invalid").code == ExitCode.USAGE


@pytest.fixture
def served_once(monkeypatch):
    """Let `draw` end as soon as it serves, as if Ctrl-C had been pressed then."""

    async def on_tick(self, counter):
        raise KeyboardInterrupt

    monkeypatch.setattr(server.uvicorn.Server, "on_tick", on_tick)
    monkeypatch.setattr(ModelDesk, "choose", lambda _: None)


def test_a_wrong_host_is_told_without_trying_other_ports(sketch2img, weights, monkeypatch):
    tried, create = [], socket.create_server
    monkeypatch.setattr(socket, "create_server", lambda a, **k: tried.append(a) or create(a, **k))
    outcome = sketch2img("draw", "--host", "192.0.2.77", "--model", weights, "--no-browser")
    assert outcome.code == ExitCode.USAGE
    assert "cannot listen on 192.0.2.77: " in outcome.stderr
    assert "choose another address with --host" in outcome.stderr
    assert tried == [("192.0.2.77", PORT)]


def test_the_address_as_json_and_the_warning_of_another_host(sketch2img, weights, served_once):
    outcome = sketch2img("draw", "--host", "0.0.0.0", "--no-browser", "--json", "--model", "mine")
    assert outcome.code == 0
    address = json.loads(outcome.stdout)["data"]["address"]
    assert address.startswith(f"http://{server.own_address()}:")  # that other machines can open
    assert "warning: the page is served on 0.0.0.0" in outcome.stderr
    assert "not encrypted" in outcome.stderr
    usual = sketch2img("draw", "--no-browser", "--model", "mine")
    assert "warning" not in usual.stderr
    assert usual.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({}, False),
        ({"SSH_CONNECTION": "a 1 b 2"}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"BROWSER": "code"}, True),
    ],
)
def test_a_display_is_found(monkeypatch, variables, shown):
    for name in DISPLAYS:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(server.sys, "platform", "linux")
    assert server.has_display() is shown
    monkeypatch.setattr(server.sys, "platform", "darwin")
    assert server.has_display() is ("SSH_CONNECTION" not in variables)
