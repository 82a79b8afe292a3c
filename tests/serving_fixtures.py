"""A server of the drawing page in this process, and models that wait until a test lets them go."""

import threading

from starlette.testclient import TestClient

from sketchcli import images
from sketchcli.assets.demo import draw_pair
from sketchcli.config import Domains
from sketchcli.serving.model_desk import ModelDesk
from sketchcli.serving.routes import Page

TOKEN = "a-token"
HEADERS = {"X-Sketch2img-Token": TOKEN}
SECONDS = 20  # until a test gives up to wait


class FakeModel:
    """A model whose photo is its sketch; it waits for `may_go`, and can be overtaken meanwhile."""

    size, domains, precision = (32, 32), Domains(), "fp32"

    def __init__(self, *, is_slow=False):
        self.is_stopped, self.may_go = threading.Event(), threading.Event()
        self.seen = []
        if not is_slow:
            self.may_go.set()

    def generate(self, data, width):
        self.seen.append(data)
        while not self.may_go.wait(0.005):
            if self.is_stopped.is_set():
                raise KeyboardInterrupt
        return data, (f"width {width}", "50 % ä")


def wait_for(condition):
    ended = threading.Event()
    for _ in range(SECONDS * 100):
        if condition():
            return
        ended.wait(0.01)
    raise TimeoutError


def desk_of(model, path, *, waits=True):
    """A desk that has loaded this model, or got this error."""

    def open_model(_):
        if isinstance(model, Exception):
            raise model
        return model

    desk = ModelDesk(path, open_model)
    desk.choose()
    if waits:
        wait_for(lambda: desk.state.status != "loading")
    return desk


def client_of(desk, *, host="127.0.0.1", sketch=b"", **options):
    page = Page(desk, host, TOKEN, sketch)
    options = {"base_url": "http://127.0.0.1:8756", "headers": HEADERS} | options
    return TestClient(page, **options)


def face(index=0, size=64):
    return images.encode(draw_pair(index, size=size)[0], ".png")
