"""The calls of the drawing page: photos, models, images, downloads, and the saved drawing."""

import base64
import errno
import io
import json
import os
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import numpy as np
import pytest
from generating_fixtures import weights_of
from PIL import Image
from serving_fixtures import FakeModel, client_of, desk_of, face, wait_for

from sketchcli import __version__, files, images, registry
from sketchcli.assets.demo import draw_pair
from sketchcli.config import Domain, Domains
from sketchcli.device import Device
from sketchcli.engine.runs import Run
from sketchcli.errors import CheckpointError
from sketchcli.serving.model_desk import LoadedDrawer, ModelDesk, opener


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine.safetensors"


@pytest.fixture
def client(path):
    return client_of(desk_of(FakeModel(), path))


def ask(client, number, *, who="a", body=b"sketch", width=""):
    return client.post(f"/api/generate?number={number}&client={who}{width}", content=body)


# -- the state


def test_the_state_says_all_that_the_page_needs(client):
    state = client.get("/api/state").json()
    assert (state["status"], state["model"], state["size"]) == (
        "ready",
        "mine.safetensors",
        [32, 32],
    )
    assert state["domains"]["input"] == {"name": "sketch", "channels": 1}
    assert {"name", "title", "size"} == state["models"][0].keys()
    assert {each["name"] for each in state["models"]} == {"bundled", "mine.safetensors"}
    assert [each["name"] for each in state["styles"]] == registry.names(registry.STYLES)
    titles = [registry.load(registry.STYLES, each["name"]).TITLE for each in state["styles"]]
    assert [each["title"] for each in state["styles"]] == titles
    assert (state["precision"], state["version"]) == ("fp32", __version__)


def test_each_data_folder_has_its_own_name(client, monkeypatch, tmp_path):
    stores = []
    for folder in ("a", "b", "a"):
        monkeypatch.setenv("SKETCH2IMG_HOME", str(tmp_path / folder))
        stores.append(client.get("/api/state").json()["store"])
    assert stores[0] == stores[2] != stores[1]
    assert len(stores[0]) == 16
    assert str(tmp_path) not in stores[0]


def test_a_model_that_is_loading_says_so_and_a_long_poll_waits_for_it(path):
    may_load = threading.Event()

    def load(_):
        may_load.wait()
        return FakeModel()

    desk = ModelDesk(path, load)
    desk.choose()
    client = client_of(desk)
    assert client.get("/api/state").json()["status"] == "loading"
    assert ask(client, 1).status_code == 503
    assert "loading" in ask(client, 1).json()["message"]
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(client.get, "/api/state?since=loading")
        with pytest.raises(TimeoutError):
            waiting.result(0.3)
        may_load.set()
        assert waiting.result(10).json()["status"] == "ready"


def test_a_model_that_cannot_be_loaded_is_told_and_another_can_be_chosen(path):
    told = []

    def load(wanted):
        if wanted == path:
            raise CheckpointError("it is damaged", hint="train it again")
        return FakeModel()

    desk = ModelDesk(path, load, told.append)
    desk.choose()
    client = client_of(desk)
    state = client.get("/api/state?since=loading").json()
    assert state["status"] == "failed"
    assert "mine.safetensors" in state["message"]
    assert "it is damaged (train it again)" in state["message"]
    assert told[0].is_warning
    assert ask(client, 1).status_code == 503
    assert client.post("/api/model", json={"name": "bundled"}).status_code == 202
    wait_for(lambda: desk.state.status == "ready")
    assert client.get("/api/state").json()["model"] == "bundled"
    assert ask(client, 2).content == b"sketch"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"name": 3}', b'"x"', b"[" * 10_000])
def test_a_request_for_no_model_is_refused(client, body):
    assert client.post("/api/model", content=body).status_code == 400


@pytest.mark.parametrize("name", ["nix", "../x", "/etc/passwd", "", "."])
def test_only_listed_models_can_be_chosen(client, name):
    answer = client.post("/api/model", json={"name": name})
    assert answer.status_code == 400
    assert "bundled" in answer.json()["hint"]


# -- photos: the newest request wins


def test_a_photo_comes_with_its_warnings(client):
    answer = ask(client, 7, width="&width=128")
    assert (answer.status_code, answer.content) == (200, b"sketch")
    assert json.loads(unquote(answer.headers["x-warnings"])) == ["width 128", "50 % ä"]


@pytest.mark.parametrize("query", ["", "number=x", "number=-1", "number=1&width=x", "number=1e9"])
def test_wrong_numbers_are_refused(client, query):
    assert client.post(f"/api/generate?{query}", content=b"x").status_code == 400


def test_a_request_that_waits_or_runs_and_is_overtaken_is_answered_with_nothing(path):
    model = FakeModel(is_slow=True)
    client = client_of(desk_of(model, path))
    with ThreadPoolExecutor() as pool:
        first = pool.submit(ask, client, 1)
        wait_for(lambda: model.seen)
        second = pool.submit(ask, client, 2)  # stops the first, which the model works on
        assert first.result(10).status_code == 204
        wait_for(lambda: len(model.seen) == 2)
        preview = pool.submit(ask, client, 2, width="&width=128")
        late = pool.submit(ask, client, 1)
        model.may_go.set()
        assert late.result(10).status_code == 204
        assert second.result(10).status_code == 200
        assert preview.result(10).status_code == 200  # the same number is the same sketch


def test_two_clients_do_not_overtake_each_other(path):
    model = FakeModel(is_slow=True)
    client = client_of(desk_of(model, path))
    with ThreadPoolExecutor() as pool:
        one = pool.submit(ask, client, 1, who="one", body=b"1")
        wait_for(lambda: model.seen)
        two = pool.submit(ask, client, 9, who="two", body=b"2")
        model.may_go.set()
        assert [each.result(10).content for each in (one, two)] == [b"1", b"2"]


def test_of_50_quick_requests_only_the_newest_is_answered(path, monkeypatch):
    model, came = FakeModel(is_slow=True), []
    desk = desk_of(model, path)
    client, ask_desk = client_of(desk), desk.ask
    monkeypatch.setattr(desk, "ask", lambda *asked: came.append(asked) or ask_desk(*asked))
    with ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(ask, client, number, body=b"%d" % number) for number in range(50)]
        wait_for(lambda: len(came) == 50)
        model.may_go.set()
        answers = [each.result(10) for each in asked]
    assert [each.status_code for each in answers] == [204] * 49 + [200]
    assert answers[-1].content == b"49"


def test_a_sketch_that_fails_does_not_end_the_desk(path):
    model = FakeModel()
    client = client_of(desk_of(model, path))
    model.generate = lambda *_: 1 / 0
    answer = ask(client, 1)
    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.json()["message"]
    del model.generate
    assert ask(client, 2).status_code == 200


# -- photos of a real model


@pytest.fixture
def run(home, tiny):
    return weights_of(home / "runs" / "mine", tiny, size=(64, 48))


@pytest.fixture
def drawer(run):
    return LoadedDrawer(run, Device("cpu", "fp32", 1))


def test_the_photo_is_that_of_generate(run, drawer, tmp_path, sketch2img):
    (tmp_path / "face.png").write_bytes(face())
    sketch2img("generate", tmp_path / "face.png", tmp_path / "out.png", "--model", run)
    png = drawer.generate(face())[0]
    assert png == (tmp_path / "out.png").read_bytes()
    with Image.open(io.BytesIO(png)) as image:
        assert image.text["Comment"] == f"generated by sketch2img {__version__}, model mine"


def test_a_preview_is_smaller_and_alike(drawer):
    photo, preview, larger = (
        images.decode(drawer.generate(face(), width)[0], name="x") for width in (0, 32, 4000)
    )
    assert (photo.shape[:2], preview.shape[:2]) == ((48, 48), (32, 32))
    assert (larger == photo).all()
    assert images.decode(drawer.generate(face(), 16)[0], name="x").shape[:2] == (16, 16)


def test_the_photo_has_the_shape_of_the_sketch(drawer):
    wide = images.encode(np.full((100, 300), 255, np.uint8), ".png")
    png, warnings = drawer.generate(wide)
    assert images.decode(png, name="x").shape[:2] == (48, 144)
    assert warnings == ("the sketch is blank",)


def test_a_warning_names_no_option_which_the_page_does_not_have(drawer):
    sketch = images.decode(face(), name="x")
    tinted = (sketch * np.linspace(0.5, 0.9, sketch.shape[1])).astype(np.uint8)
    _, warnings = drawer.generate(images.encode(tinted, ".png"))
    assert warnings == ("uneven or tinted paper: evened out",)


def test_a_model_of_colour_images(home, tiny):
    domains = Domains(Domain("label map", 3), Domain("photo", 1))
    weights_of(home / "runs" / "maps", tiny, domains=domains)
    desk = ModelDesk(Run(home / "runs" / "maps").weights, opener("cpu", "fp32"))
    desk.choose()
    client = client_of(desk)
    state = client.get("/api/state?since=loading").json()
    assert state["status"] == "ready", state["message"]
    assert state["domains"]["input"] == {"name": "label map", "channels": 3}
    assert state["examples"] == 0
    red = images.encode(np.full((32, 32, 3), (200, 30, 30), np.uint8), ".png")
    blue = images.encode(np.full((32, 32, 3), (30, 30, 200), np.uint8), ".png")
    photos = [ask(client, number, body=body) for number, body in enumerate((red, blue))]
    pixels = [images.decode(each.content, name="x") for each in photos]
    assert [each.shape for each in pixels] == [(32, 32)] * 2
    assert (pixels[0] != pixels[1]).any()


def test_a_bomb_or_a_strip_is_refused_before_it_is_decoded(drawer, run, monkeypatch):
    client = client_of(desk_of(drawer, run))
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    for body in (bomb.getvalue(), face(size=64)[:200], b"", b"GIF89a", b"x" * 1000):
        for call in ("/api/generate?number=1", "/api/read", "/api/sketch"):
            if body == bomb.getvalue() and call in {"/api/read", "/api/sketch"}:
                continue  # these take large images, within the bounds of `images`
            answer = client.post(call, content=body)
            assert answer.status_code == 400, call
            assert answer.json()["message"]
    strip = images.encode(np.full((10, 1000), 255, np.uint8), ".png")
    assert client.post("/api/generate?number=1", content=strip).status_code == 400
    monkeypatch.setenv("SKETCH2IMG_MAX_MEMORY", "1G")
    huge = client.post("/api/read", content=bomb.getvalue())
    assert (huge.status_code, "memory" in huge.json()["message"]) == (400, True)


# -- images and downloads


def test_an_image_of_any_format_is_read_upright_and_reduced(client):
    photo, data = Image.new("RGB", (3000, 1000), "red"), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(data, "TIFF", exif=exif)
    answer = client.post("/api/read", content=data.getvalue())
    assert answer.headers["content-type"] == "image/png"
    assert images.decode(answer.content, name="x").shape == (2048, 683, 3)


def test_a_style_draws_a_photo_and_the_program_draws_examples(client):
    state = client.get("/api/state").json()
    photo = images.encode(images.to_rgb(images.decode(face(), name="x")), ".png")
    for style in ("hand", "canny"):
        answer = client.post(f"/api/sketch?style={style}", content=photo)
        assert images.decode(answer.content, name="x").shape == (64, 64)
    assert client.post("/api/sketch?style=nix", content=photo).status_code == 400
    answer = client.get(f"/api/examples/{state['examples'] - 1}")
    assert images.decode(answer.content, name="x").shape == (384, 384)
    for number in ("1000", "x", "-1", "²"):
        assert client.get(f"/api/examples/{number}").status_code == 400


def test_the_sketch_of_the_command_line(client, path):
    assert client.get("/api/sketch").status_code == 204
    given = client_of(desk_of(FakeModel(), path), sketch=face())
    assert given.get("/api/sketch").content == face()
    assert given.get("/api/state").json()["sketch"] is True


def test_a_download_says_by_which_model_it_was_generated(client):
    for query, model in (("", "mine.safetensors"), ("?model=other", "other")):
        answer = client.post(f"/api/label{query}", content=face())
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.text["Comment"] == f"generated by sketch2img {__version__}, model {model}"


def url(data):
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def test_pairs_are_in_the_layout_that_preprocess_pairs(client, tmp_path, sketch2img):
    drawn = [draw_pair(number, size=64) for number in range(3)]
    sides = [[url(images.encode(side, ".png")) for side in pair] for pair in drawn]
    pairs = [{"name": f"face {n}", "sketch": s, "photo": p} for n, (s, p) in enumerate(sides)]
    marked = images.encode(drawn[0][1], ".png", comment="model mine")
    pairs[0]["photo"] = url(marked)
    answer = client.post("/api/pairs", json={"pairs": pairs})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path / "drawn")
    with Image.open(tmp_path / "drawn/photos/face 0.png") as image:
        assert image.text["Comment"].endswith("model mine")
    with Image.open(tmp_path / "drawn/photos/face 1.png") as image:
        assert not image.text
    outcome = sketch2img("preprocess", tmp_path / "drawn", "--size", "32", "--json")
    assert outcome.code == 0, outcome.stderr
    assert sum(outcome.json["data"]["counts"].values()) == 3
    assert outcome.json["data"]["left_out"] == {}


PAIR = {"name": "a", "sketch": url(face()), "photo": url(face())}


@pytest.mark.parametrize(
    "body",
    [
        *([], {}, {"pairs": 3}, {"pairs": [3]}),
        *({"pairs": [{**PAIR, "name": name}]} for name in ("../a", "a/b", "", ".a", "a\0", 3)),
        *(
            {"pairs": [{**PAIR, "sketch": data}]}
            for data in (None, "http://evil", "data:,x", "data:image/png;base64,ä")
        ),
    ],
)
def test_pairs_that_cannot_be_files_are_refused(client, body):
    answer = client.post("/api/pairs", json=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


# -- the saved drawing


def test_a_drawing_survives_a_restart(client, path, home):
    assert client.get("/api/drawing").status_code == 204
    assert client.put("/api/drawing", content=b'{"a": 1}').status_code == 204
    assert client.put("/api/drawing", content=b'{"a": 2}').status_code == 204
    later = client_of(desk_of(FakeModel(), path), base_url="http://localhost:9999")
    assert later.get("/api/drawing").json() == {"a": 2}
    assert [each.name for each in (home / "drawing").iterdir()] == ["drawing.json"]


def save(client, stamp, base, page, more=""):
    asked = f"/api/drawing?saved={stamp}&base={base}&client={page}{more}"
    return client.put(asked, content=document(stamp)).status_code


def document(stamp):
    return json.dumps({"version": 1, "saved": stamp})


def test_a_page_with_an_older_drawing_never_overwrites_a_newer_one(client, path, home):
    assert save(client, 5, 0, "a") == 204
    assert save(client, 7, 0, "a") == 204  # the page sent it before it knew that 5 is saved
    assert save(client, 6, 0, "a") == 409  # an earlier save that comes late
    assert save(client, 9, 5, "b") == 409  # drawn on what page b loaded before 7
    assert client.get("/api/drawing").text == document(7)
    assert save(client, 9, 7, "b") == 204
    assert save(client, 10, 7, "a") == 409
    assert client.get("/api/drawing").text == document(9)
    second = client_of(desk_of(FakeModel(), path))  # another `draw` with the same data folder
    assert save(second, 11, 9, "c") == 204
    assert save(client, 12, 9, "b") == 409
    assert save(client, 12, 9, "a") == 409
    assert client.get("/api/drawing").text == document(11)
    assert save(client, 12, 11, "b") == 204


def test_a_drawing_that_the_page_cannot_read_is_kept_aside(client, home):
    save(client, 5, 0, "a")
    assert save(client, 6, 5, "a", "&aside=1") == 204
    found = {each.name: each.read_text() for each in (home / "drawing").iterdir()}
    assert found == {"drawing.json": document(6), "drawing-before-6.json": document(5)}


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_other_users_cannot_read_the_drawing(client, home):
    save(client, 5, 0, "a")
    assert (home / "drawing").stat().st_mode & 0o777 == 0o700


def test_a_full_disk_is_told_and_the_older_drawing_stays(client, monkeypatch):
    client.put("/api/drawing", content=b'{"a": 1}')

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    answer = client.put("/api/drawing", content=b'{"a": 2}')
    assert answer.status_code == 400
    assert "No space left on device" in answer.json()["message"]
    assert "free disk space" in answer.json()["hint"]
    monkeypatch.undo()


def test_a_folder_in_the_drawings_place_is_told(client, home):
    (home / "drawing" / "drawing.json").mkdir(parents=True)
    assert client.get("/api/drawing").status_code == 400
    assert client.put("/api/drawing", content=b"{}").status_code == 400
