"""The report in a real browser: alive, and unable to reach out."""

import base64
import hashlib
import html
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

EVIL = """</script><script>alert("1")</script><img src=x onerror='alert(2)'>"""


def with_script(page, script):
    """A copy of the page that does one thing more, once its own script has run."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = page.replace("script-src '", f"script-src 'sha256-{digest}' '", 1)
    return allowed.replace("</body>", f"<script>{script}</script></body>")


def note(expression):
    """A script that leaves what it finds in the page's title, as JSON."""
    return f"Promise.resolve({expression}).then((it) => document.title = JSON.stringify(it));"


@pytest.fixture
def browse(tmp_path, chromium, written, evaluation):
    """Open a report, run a script in it, and return what the script found."""

    def run(script, *, edit=lambda page: page, quiet=True, **arguments):
        page = edit(written(*evaluation(**arguments)[:2]))
        path = tmp_path / "copy.html"
        path.write_text(with_script(page, script), encoding="utf-8")
        dom, complaints = chromium(path, "--dump-dom")
        assert not quiet or complaints == []
        title = re.search(r"<title>(.*?)</title>", dom, re.DOTALL).group(1)
        return json.loads(html.unescape(title))

    return run


def test_chromium_shows_the_cards_without_a_complaint(browse):
    seen = browse(
        note(
            """{
  cards: document.querySelectorAll(".card").length,
  loaded: [...document.images].every((image) => image.complete && image.naturalWidth === 32),
  images: document.images.length,
  caption: document.getElementById("caption").textContent,
  wide: document.documentElement.scrollWidth <= innerWidth,
}"""
        )
    )
    assert seen == {
        "cards": 20,
        "loaded": True,
        "images": 60,
        "caption": "modern: the best 20 by SSIM (higher is better), the best first",
        "wide": True,
    }


def test_a_complaint_would_be_noticed(browse):
    with pytest.raises(AssertionError, match="no such thing"):
        browse("throw Error('no such thing');", count=1)


def test_the_slider_moves_the_cut_between_generated_and_photo(browse):
    seen = browse(
        """
const range = document.querySelector(".compare input");
const generated = document.querySelector(".compare .generated");
const before = getComputedStyle(generated).clipPath;
range.value = 20;
range.dispatchEvent(new Event("input"));
const others = [...document.querySelectorAll(".compare")].slice(1);
range.scrollIntoView();
const place = range.getBoundingClientRect();
"""
        + note(
            """{
  before, after: getComputedStyle(generated).clipPath,
  told: range.getAttribute("aria-valuetext"),
  others: others.every((other) => other.style.getPropertyValue("--cut") === "50%"),
  reachable: [0.1, 0.5, 0.9].every((share) => document.elementFromPoint(
    place.left + share * place.width, place.top + place.height / 2) === range),
  keyboard: range.tabIndex === 0 && !range.disabled && (range.focus(),
    document.activeElement === range),
  covers: Math.abs(place.width - generated.getBoundingClientRect().width) < 1,
}"""
        )
    )
    assert "50%" in seen.pop("before")
    assert "80%" in seen.pop("after")
    assert seen == {
        "told": "20% generated photo, 80% real photo",
        "others": True,
        "reachable": True,
        "keyboard": True,
        "covers": True,
    }


def test_all_sliders_move_together(browse):
    seen = browse(
        """
const all = document.getElementById("all");
all.value = 0;
all.dispatchEvent(new Event("input"));
"""
        + note("[...document.querySelectorAll('.compare')].map((it) => it.style.cssText)")
    )
    assert seen == ["--cut: 0%;"] * 20


def test_predictor_metric_end_and_view_can_be_chosen(browse):
    seen = browse(
        """
const choose = (id, value) => {
  const select = document.getElementById(id);
  select.value = value;
  select.dispatchEvent(new Event("change"));
};
choose("metric", "mae");
choose("predictor", "1");
document.querySelector("input[value=worst]").click();
document.querySelector("input[value=apart]").click();
const photo = document.querySelector(".compare .photo").getBoundingClientRect();
const generated = document.querySelector(".compare .generated").getBoundingClientRect();
"""
        + note(
            """{
  caption: document.getElementById("caption").textContent,
  metrics: [...document.getElementById("metric").options].map((option) => option.text),
  apart: photo.left >= generated.right,
  values: [...document.querySelectorAll(".score")].map((score) => Number(score.textContent)),
}"""
        )
    )
    values = seen.pop("values")
    assert len(values) == 20
    assert values == sorted(values, reverse=True)
    assert seen == {
        "caption": "mean photo: the worst 20 by MAE (lower is better), the worst first",
        "metrics": ["SSIM ↑", "LPIPS (AlexNet) ↓", "MAE ↓"],
        "apart": True,
    }


def test_without_sketches_two_pictures_are_compared(browse):
    script = note("[document.images.length, document.querySelectorAll('.sketch').length]")
    assert browse(script, count=4, has_sketches=False) == [8, 0]


def test_a_hostile_name_stays_text_in_the_browser(browse):
    seen = browse(
        note(
            """{
  name: document.querySelector(".card .name").textContent,
  option: document.getElementById("predictor").options[0].text,
  scripts: document.scripts.length,
  strange: document.querySelectorAll("[onerror]").length,
}"""
        ),
        count=1,
        kinds={EVIL: "model"},
        ids=[EVIL],
    )
    assert seen == {"name": EVIL, "option": EVIL, "scripts": 3, "strange": 0}


@pytest.fixture
def listener():
    """A server on the loopback address, and the paths that it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_no_request_leaves_the_page_of_its_own(browse):
    script = note("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert browse(script, count=4) == []


@pytest.mark.parametrize("is_guarded", [True, False], ids=["guarded", "unguarded"])
def test_not_even_a_script_that_slipped_in_could_reach_out(browse, listener, is_guarded):
    address, asked = listener
    attempts = f"""
const image = new Image();
const sheet = document.createElement("link");
image.src = "{address}/image.png";
sheet.rel = "stylesheet";
sheet.href = "{address}/sheet.css";
document.head.append(sheet);
"""
    script = attempts + note(f"fetch('{address}/data').then(() => 'out', () => 'kept in')")

    def unguarded(page):
        return page if is_guarded else re.sub(r"<meta http-equiv[^>]*>", "", page)

    answer = browse(script, edit=unguarded, quiet=False, count=2)
    if is_guarded:
        assert (answer, asked) == ("kept in", [])
    else:  # the test itself can see a request
        assert answer == "out"
        assert set(asked) == {"/image.png", "/sheet.css", "/data"}
