"""Measure `sketch2img draw` in a real browser: the first photo, photos after strokes, and frames.

    python benchmarks/drawing.py                  # in about three and a half minutes
    python benchmarks/drawing.py --face FOLDER    # screenshots of a face, in lines and shaded

The script starts `draw`, opens its page in headless Chromium, and draws the face of `portrait.py`
with the events of a pen, 125 per second. It does not change the page. It measures:

- the time from starting the command, with a sketch to begin with, to the first photo on the screen
  (the browser is running already);
- the time from the end of a stroke to its photo on the screen. Strokes are drawn at the speed of a
  hand; the pause after each lasts until its photo is shown;
- the intervals between frames during strokes of a second, while the model generates the photo of
  the stroke before.

It prints them as a table, or with `--json` as JSON. It needs Playwright, Chromium, and a machine on
which nothing else runs; the load is printed beside the times.
"""

import argparse
import asyncio
import itertools
import json
import math
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from playwright.async_api import Browser, CDPSession, Page, async_playwright
from portrait import Stroke, in_lines, shading

from sketchcli import images
from sketchcli.assets.demo import draw_pair

RATE = 125  # events of the pen per second
SPEED = 900  # pixels of the paper per second; the paper has 1,024
PAUSE = 0.45  # seconds between two strokes at least
PATIENCE = 3.0  # seconds that a photo is waited for
SLOW = 50  # milliseconds that no frame should exceed
LONG_STROKES = 20  # strokes of a second, during which frames are measured
LONG_STROKE = [(140 + 6 * i, 500 + 330 * math.sin(i / 12), 0.3 + i % 50 / 100) for i in range(125)]
BRUSHES = [  # tool, width and darkness of the long strokes, in turn
    *(("pencil", 6, 0.85), ("shade", 70, 0.3), ("pencil", 40, 0.3)),
    *(("eraser", 60, 1.0), ("shade", 240, 0.2), ("pencil", 3, 1.0)),
]
# Notes when strokes end, when photos reach the screen, and the frames during strokes. A photo has
# reached the screen when the frame after its decoding has been painted.
WATCH = """(() => {
const log = { ends: [], photos: [], frames: [], slow: [], calls: [] };
window.benchmark = log;
const onPaper = (event) => event.target instanceof Element && event.target.closest("#stage");
let last = 0, drawing = false;
function frame(now) {
  if (last) log.frames.push(now - last);
  last = now;
  if (drawing) requestAnimationFrame(frame);
}
addEventListener("pointerdown", (event) => {
  if (!onPaper(event)) return;
  drawing = true;
  last = 0;
  requestAnimationFrame(frame);
}, true);
addEventListener("pointerup", (event) => {
  drawing = false;
  if (onPaper(event)) log.ends.push({ at: event.timeStamp, handled: performance.now() });
}, true);
async function shown(photo) {
  const [src, set] = [photo.src, performance.now()];
  await photo.decode().catch(() => {});
  requestAnimationFrame(() => setTimeout(() => {
    const [at, width] = [performance.now(), photo.naturalWidth];
    if (photo.src === src) log.photos.push({ set, at, width });
  }));
}
addEventListener("DOMContentLoaded", () => {
  const photo = document.getElementById("photo");
  new MutationObserver(() => shown(photo)).observe(photo, { attributeFilter: ["src"] });
});
window.photoAfter = async (at, width, patience) => { // the page's policy forbids Playwright to poll
  for (const until = performance.now() + patience; performance.now() < until;) {
    const found = log.photos.find((p) => p.at > at && (!width || p.width === width));
    if (found) return found.at;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return null;
};
const watch = (type, note) =>
  new PerformanceObserver((list) => list.getEntries().forEach(note))
    .observe({ type, buffered: true });
for (const type of ["longtask", "long-animation-frame"]) {
  watch(type, (entry) => log.slow.push({ type, at: entry.startTime, took: entry.duration }));
}
watch("resource", ({ name, startTime, responseEnd }) => {
  if (name.includes("api/generate?")) log.calls.push({ begun: startTime, read: responseEnd });
});
})();"""


@dataclass(frozen=True)
class Launch:
    """A running `draw`, and when it was started and printed its address."""

    address: str
    begun: float  # seconds since 1970
    printed: float


@asynccontextmanager
async def launch(*options: str) -> AsyncIterator[Launch]:
    """Start `draw` with a data folder of its own; end it afterwards."""
    with tempfile.TemporaryDirectory() as home:
        begun = time.time()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sketchcli", "draw", "--no-browser", *options),
            env=os.environ | {"SKETCH2IMG_HOME": home},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the model's name, and how to reach the page from elsewhere
        )
        try:
            address = (await process.stdout.readline()).decode().strip()
            if not address:
                sys.exit(f"sketch2img draw {' '.join(options)}: it printed no address")
            yield Launch(address, begun, time.time())
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
            await process.wait()


@asynccontextmanager
async def visit(browser: Browser, address: str) -> AsyncIterator[Page]:
    """Open the page in a window of its own."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    await context.add_init_script(WATCH)
    page = await context.new_page()
    await page.goto(address)
    yield page
    await context.close()


@dataclass
class Hand:
    """Draws on the page with the events of a pen."""

    page: Page
    tools: CDPSession
    paper: dict[str, float]  # its position and size on the screen
    chosen: tuple = field(default=())

    @classmethod
    async def take(cls, page: Page) -> "Hand":
        """Wait until the model is loaded, and take the pen."""
        await page.get_by_text("Ready", exact=True).wait_for(timeout=60_000)
        paper = await page.locator("#paper").bounding_box()
        return cls(page, await page.context.new_cdp_session(page), paper)

    async def choose(self, stroke: Stroke) -> None:
        """Set the tool, its width and its darkness."""
        wanted = (stroke.tool, stroke.width, stroke.darkness)
        if self.chosen == wanted:
            return
        await self.page.locator(f"#{stroke.tool}").click()
        await self.page.locator("#width").fill(str(stroke.width))
        if stroke.tool != "eraser":
            await self.page.locator("#darkness").fill(str(round(100 * stroke.darkness)))
        self.chosen = wanted

    async def draw(self, stroke: Stroke, seconds: float) -> None:
        """Draw a stroke in so many seconds; with 0, as fast as the page takes it."""
        await self.choose(stroke)
        points = spaced(stroke, max(2, round(seconds * RATE))) if seconds else stroke.points
        sent = [asyncio.create_task(self.send("mousePressed", *points[0]))]
        begun = time.perf_counter()
        for number, point in enumerate(points[1:], 1):
            if seconds:
                await asyncio.sleep(begun + number / RATE - time.perf_counter())
            sent.append(asyncio.create_task(self.send("mouseMoved", *point)))
        sent.append(asyncio.create_task(self.send("mouseReleased", *points[-1])))
        await asyncio.gather(*sent)

    async def send(self, kind: str, x: float, y: float, force: float) -> None:
        """Send one event, at a point in pixels of the paper."""
        scale = self.paper["width"] / 1024
        held = kind != "mouseReleased"
        event = {"type": kind, "x": self.paper["x"] + x * scale, "y": self.paper["y"] + y * scale}
        event |= {"pointerType": "pen", "force": force * held, "buttons": int(held)}
        await self.tools.send(
            "Input.dispatchMouseEvent", event | {"button": "left", "clickCount": 1}
        )


def spaced(stroke: Stroke, count: int) -> list[tuple[float, ...]]:
    """Return so many points at equal distances on a stroke."""
    points = stroke.points
    far = [
        0.0,
        *itertools.accumulate(math.dist(a[:2], b[:2]) for a, b in itertools.pairwise(points)),
    ]
    result, after = [], 1
    for number in range(count):
        wanted = far[-1] * number / (count - 1)
        while after < len(far) - 1 and far[after] < wanted:
            after += 1
        part = (wanted - far[after - 1]) / ((far[after] - far[after - 1]) or 1)
        pairs = zip(points[after - 1], points[after], strict=True)
        result.append(tuple(a + part * (b - a) for a, b in pairs))
    return result


async def first_photo(browser: Browser, *options: str) -> dict[str, float]:
    """Return the milliseconds from the command to its steps up to the first photo's on screen."""
    async with launch(*options) as started, visit(browser, started.address) as page:
        await page.evaluate("photoAfter(0, 0, 60000)")
        log, origin = await page.evaluate("[benchmark, performance.timeOrigin]")
        seen = {"opened": 0.0, "asked": log["calls"][0]["begun"], "shown": log["photos"][0]["at"]}
        begun = 1000 * started.begun
        steps = {name: origin + at - begun for name, at in seen.items()}
        return {"printed": 1000 * started.printed - begun} | steps


async def after_strokes(hand: Hand, strokes: Sequence[Stroke]) -> dict[str, list[float]]:
    """Draw at the speed of a hand; return the milliseconds to the photos, and their parts."""
    whole = await hand.page.evaluate(
        """fetch("api/state", {
          headers: { "X-Sketch2img-Token": sessionStorage["sketch2img-token"] },
        }).then((answer) => answer.json()).then((state) => state.size[1])"""
    )
    left = 1000 * (PATIENCE - PAUSE)
    for stroke in strokes:
        await hand.draw(stroke, min(0.8, max(0.15, stroke.length / SPEED)))
        await asyncio.sleep(PAUSE)
        await hand.page.evaluate(f"photoAfter(benchmark.ends.at(-1).at, {whole}, {left})")
    return spent(await hand.page.evaluate("benchmark"), whole)


def spent(log: dict[str, list[dict]], whole: int) -> dict[str, list[float]]:
    """Return the milliseconds from the end of each stroke to its photos, and their parts.

    A photo that did not come in time counts as infinite.
    """
    names = ("first image", "photo", "handling", "request", "answer", "decoding", "painting")
    result: dict[str, list[float]] = {name: [] for name in names}
    for end, after in itertools.pairwise([*log["ends"], {"at": math.inf}]):
        photos = [p for p in log["photos"] if end["at"] < p["set"] < after["at"]]
        calls = [c for c in log["calls"] if end["at"] < c["begun"] < after["at"]]
        last = next((p for p in photos if p["width"] == whole), None)
        if not last:
            result["photo"].append(math.inf)
            result["first image"].append(photos[0]["at"] - end["at"] if photos else math.inf)
            continue
        steps = [end["at"], end["handled"], calls[0]["begun"], calls[-1]["read"], last["set"]]
        parts = [b - a for a, b in itertools.pairwise([*steps, last["at"]])]
        values = [photos[0]["at"] - end["at"], last["at"] - end["at"], *parts]
        for name, value in zip(names, values, strict=True):
            result[name].append(value)
    return result


async def while_drawing(hand: Hand) -> dict[str, object]:
    """Draw strokes of a second on the face; return what is known of their frames."""
    begun = await hand.page.evaluate(
        "(benchmark.frames.length = benchmark.slow.length = 0, performance.now())"
    )
    for _, brush in zip(range(LONG_STROKES), itertools.cycle(BRUSHES), strict=False):
        await hand.draw(Stroke(*brush, tuple(LONG_STROKE)), 1.0)
        await asyncio.sleep(0.1)
    log = await hand.page.evaluate("benchmark")
    slow = [entry for entry in log["slow"] if entry["at"] > begun]
    return {
        "count": len(log["frames"]),
        "median": statistics.median(log["frames"]),
        "p99": percentile(log["frames"], 99),
        "longest": max(log["frames"]),
        "over 50 ms": sum(interval > SLOW for interval in log["frames"]),
        "long tasks": [e["took"] for e in slow if e["type"] == "longtask"],
        "long animation frames": [e["took"] for e in slow if e["type"] != "longtask"],
    }


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def machine(browser: Browser) -> dict[str, object]:
    """Return what the times depend on."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    names = ("sketch2img", "torch", "starlette", "uvicorn", "playwright")
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "versions": {name: version(name) for name in names}
        | {"python": platform.python_version(), "chromium": browser.version},
    }


async def measure(browser: Browser, precision: str, given: argparse.Namespace) -> dict[str, object]:
    """Measure everything in one precision."""
    options = ("--precision", precision, "--model", given.model)
    loads = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as folder:
        sketch = Path(folder) / "sketch.png"
        images.write(sketch, draw_pair(0, size=512)[0])
        starts = [
            await first_photo(browser, str(sketch), *options) for _ in range(given.starts + 1)
        ]
    async with launch(*options) as started, visit(browser, started.address) as page:
        hand = await Hand.take(page)
        drawn = itertools.cycle([*in_lines(), *shading()])
        times = await after_strokes(hand, list(itertools.islice(drawn, given.strokes)))
        frames = await while_drawing(hand)
    steps = starts[1:]  # the first start compiles what an installation has already compiled
    return {
        "load": [*loads, os.getloadavg()[0]],
        "steps to the first photo": {n: statistics.median(s[n] for s in steps) for n in steps[0]},
        "first photo, longest": max(s["shown"] for s in steps),
        "strokes": given.strokes,
        **{
            name: {"p50": percentile(values, 50), "p95": percentile(values, 95), "max": max(values)}
            for name, values in itertools.islice(times.items(), 2)
        },
        "parts of a photo, median": {
            name: statistics.median(values or [math.inf])
            for name, values in itertools.islice(times.items(), 2, None)
        },
        "frames": frames,
    }


def show(about: dict, results: dict[str, dict]) -> None:
    """Print the times as a table."""
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    print(f"{about['processor']}, {about['cores']} cores, OMP_NUM_THREADS: {about['threads']}")
    print(f"{versions}\n\n| ms | {' | '.join(results)} |\n|---|{'---|' * len(results)}")

    def row(title: str, values: Callable[[dict], Sequence[float]], digits: int = 0) -> None:
        texts = [" / ".join(f"{v:.{digits}f}" for v in values(r)) for r in results.values()]
        print(f"| {title} | {' | '.join(text or 'none' for text in texts)} |")

    first = next(iter(results.values()))
    row("load before / after", lambda r: r["load"], 1)
    steps = " / ".join(first["steps to the first photo"])
    row(f"from the command, median: {steps}", lambda r: r["steps to the first photo"].values())
    row("first photo, longest", lambda r: [r["first photo, longest"]])
    for name in ("first image", "photo"):
        row(
            f"end of a stroke to its {name}: p50 / p95 / longest of {first['strokes']}",
            lambda r, name=name: r[name].values(),
        )
    parts = "parts of a photo, median"
    row(f"{parts}: {' / '.join(first[parts])}", lambda r: r[parts].values())
    names = ("median", "p99", "longest", "over 50 ms", "count")
    row(f"frames while drawing: {' / '.join(names)}", lambda r: [r["frames"][n] for n in names])
    for name in ("long tasks", "long animation frames"):
        row(
            f"{name} while drawing: count / longest",
            lambda r, name=name: [len(r["frames"][name]), max(r["frames"][name], default=0)],
        )


async def draw_face(browser: Browser, folder: Path) -> None:
    """Draw the face, and write screenshots of the page with it in lines and shaded."""
    async with launch("--model", "bundled") as started, visit(browser, started.address) as page:
        hand = await Hand.take(page)
        for name, strokes in {"lines": in_lines(), "shaded": shading()}.items():
            for number, stroke in enumerate(strokes, 1):
                await hand.draw(stroke, 0)
                if number % 12 == 0 or number == len(strokes):  # a photo for the history
                    await page.locator("#save-photo:enabled").wait_for()
            await hand.send("mouseMoved", 512, -200, 0)
            await page.wait_for_timeout(300)
            file = folder / f"draw-{name}.jpg"
            await page.screenshot(path=file, type="jpeg", quality=85)
            print(f"{file}: {len(strokes)} strokes")


async def run(given: argparse.Namespace) -> None:
    """Do what the arguments say."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        if given.face:
            await draw_face(browser, given.face)
        else:
            about = machine(browser)
            names = given.precisions.split(",")
            results = {name: await measure(browser, name, given) for name in names}
            if given.json:
                print(json.dumps({"machine": about, "results": results}, indent=2))
            else:
                show(about, results)
        await browser.close()


def main() -> None:
    """Measure, or draw a face."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--strokes", type=int, default=60)
    parser.add_argument("--precisions", default="fp32,bf16")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--face", type=Path, metavar="FOLDER")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
