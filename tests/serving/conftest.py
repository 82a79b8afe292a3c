"""A server of `sketch2img draw`, and a real browser that shows its page."""

import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

# Tests of the page against another server: a command that takes the same options.
COMMAND = shlex.split(os.environ.get("SKETCH2IMG_DRAW_COMMAND", "")) or [
    *(sys.executable, "-m", "sketchcli", "draw")
]
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S*#token=\S+")
RED, BLUE = (200, 30, 30), (30, 30, 200)


@dataclass(frozen=True)
class Server:
    url: str  # with the token in its fragment
    process: subprocess.Popen
    home: Path

    @property
    def origin(self):
        return "{0.scheme}://{0.netloc}".format(urlsplit(self.url))

    @property
    def saved(self):
        file = self.home / "drawing" / "drawing.json"
        return json.loads(file.read_bytes()) if file.exists() else {"items": [], "pairs": []}

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.stdout.close()


def start_server(home, *options):
    process = subprocess.Popen(
        [*COMMAND, "--no-browser", *options],
        env=os.environ | {"SKETCH2IMG_HOME": str(home), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    told = ""
    for line in process.stdout:
        told += line
        if found := ADDRESS.search(line):
            return Server(found[0], process, home)
    pytest.fail(f"the server printed no address:\n{told}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server_at(home):
    """Start servers; all of them are ended after the test."""
    started = []

    def start(*options):
        started.append(start_server(home, *options))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    server = start_server(tmp_path_factory.mktemp("draw"))
    yield server
    server.stop()


@pytest.fixture
def draw_server(shared_server):
    """A server on which nothing has been drawn."""
    (shared_server.home / "drawing" / "drawing.json").unlink(missing_ok=True)
    return shared_server


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def tabs():
    """Tabs of earlier tests, by the options of their contexts: opening one takes long."""
    return {}


@pytest.fixture
def visit(browser, draw_server, tabs):
    """Open the page in a tab where nothing is stored; no model is asked unless the test says so."""
    used = []

    def go(url=None, *, routes=None, context=None, ready=True, **options):
        options = {"viewport": {"width": 1280, "height": 800}} | options
        kept = tabs.setdefault(json.dumps(options), []) if context is None else None
        page = kept.pop() if kept else new_tab(context or browser.new_context(**options))
        used.append((page, kept))
        page.bring_to_front()  # a tab in the background gets few frames
        page.faults, page.sent, page.saving = [], [], []
        for pattern, answer in ({"**/api/generate*": answer_in(BLUE)} | (routes or {})).items():
            if answer is not None:
                page.route(pattern, answer)
        page.goto(url or draw_server.url)
        if ready:
            status(page, "Ready|Generated", seconds=60)
        return page

    yield go
    for page, _ in used:
        leave(page)
    again = [each for each in used if each[1] is not None and draw_server.origin in each[0].url]
    for page, _ in (each for each in used if each not in again):
        page.close()
    for page, kept in again:
        clean(page, draw_server.origin)
        kept.append(page)
    assert [fault for page, _ in used for fault in page.faults] == []


def new_tab(context):
    page = context.new_page()
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("request", lambda request: page.saving.append(request) if is_put(request) else None)
    for end in ("requestfinished", "requestfailed"):
        page.on(end, lambda request: page.saving.remove(request) if is_put(request) else None)
    return page


def leave(page):
    # What a page saves while it closes would be the next test's drawing.
    page.evaluate("() => { window.fetch = () => new Promise(() => {}); }")
    until(page, lambda: not page.saving)
    page.unroute_all(behavior="ignoreErrors")


def clean(page, origin):
    """Forget all that the page has stored, from where its scripts do not run."""
    page.goto(f"{origin}/page/style.css")
    page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")


def is_put(request):
    return request.method == "PUT"


def hold(held):
    """Keep requests to be answered later."""

    def answer(route):  # Playwright takes no built-in function
        held.append(route)

    return answer


def png(colour, size=(64, 64)):
    written = io.BytesIO()
    Image.new("RGB", size, colour).save(written, "PNG")
    return written.getvalue()


def token_of(page):
    return "#token=" + page.evaluate("() => sessionStorage.getItem('sketch2img-token')")


def saved_strokes(server):
    items = server.saved["items"]
    return [item for item in items if "tool" in item] if isinstance(items, list) else []


def answer_in(colour):
    """Generate photos of one colour, and note the requests."""

    def answer(route):
        route.request.frame.page.sent.append(route.request)
        headers = {"X-Warnings": "%5B%5D"}
        route.fulfill(body=png(colour), content_type="image/png", headers=headers)

    return answer


def answer_state(**changes):
    """Let the server's state be ready, and different in some values."""

    def answer(route):
        if "since=ready" not in route.request.url:
            route.fulfill(json=route.fetch().json() | {"status": "ready"} | changes)

    return answer


def status(page, pattern, seconds=10):
    """Wait until the page says something; Playwright itself looks only once per second."""
    page.evaluate(
        """([pattern, wait]) => new Promise((found, missed) => {
            const look = () => {
                const { textContent } = document.getElementById('status');
                if (new RegExp(pattern).test(textContent)) found();
                else if ((wait -= 10) > 0) setTimeout(look, 10);
                else missed(new Error(`the page says: ${textContent}`)); };
            look(); })""",
        [pattern, 1000 * seconds],
    )


def ink(page, selector="#paper"):
    """Return the grey levels of the paper, as it is on the screen of the page, `(H, W)`."""
    url = page.locator(selector).evaluate(
        """async canvas => { // moves come once per frame, which tabs in the background have not
            for (let i = 0; i < 2; i++)
                await Promise.race([requestAnimationFrame, setTimeout].map(f => new Promise(f)));
            return canvas.toDataURL(); }"""
    )
    return np.asarray(Image.open(io.BytesIO(b64decode(url.split(",")[1]))).convert("L"))


def until(page, condition, seconds=10):
    """Wait until a condition holds, while the page works."""
    for _ in range(50 * seconds):
        if condition():
            return
        page.wait_for_timeout(20)
    raise AssertionError("the condition did not come true")


class Hand:
    """Draws on the paper; points are in pixels of the paper at the present zoom."""

    def __init__(self, page):
        self.page = page
        self.tools = page.context.new_cdp_session(page)

    def at(self, x, y):
        return self.page.evaluate(
            """([x, y]) => { const paper = document.getElementById('paper');
            const box = paper.getBoundingClientRect(), scale = box.width / paper.width;
            return [box.x + x * scale, box.y + y * scale]; }""",
            [x, y],
        )

    def mouse(self, *points):
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=2)
        self.page.mouse.up()

    def pen(self, *points):
        """Points with a pressure each."""
        kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"]
        for kind, (x, y, force) in zip(kinds, [*points, points[-1]], strict=True):
            self.pen_event(kind, x, y, force)

    def pen_event(self, kind, x, y, force):
        left, top = self.at(x, y)
        event = {"type": kind, "x": left, "y": top, "button": "left", "clickCount": 1}
        event |= {"pointerType": "pen", "force": force if kind != "mouseReleased" else 0}
        self.tools.send("Input.dispatchMouseEvent", event | {"buttons": 1})

    def fingers(self, kind, *points):
        places = [dict(zip("xy", self.at(*point), strict=True)) for point in points]
        touches = [place | {"id": number} for number, place in enumerate(places)]
        self.tools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def finger(self, *points):
        self.fingers("touchStart", points[0])
        for point in points[1:]:
            self.fingers("touchMove", point)
        self.fingers("touchEnd")
