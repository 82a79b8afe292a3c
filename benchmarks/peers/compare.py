"""Compare sketch2img with a plain pix2pix loop and `modulaic`: same pairs, same machine, one run.

    python benchmarks/peers/compare.py SET --wheel WHEEL --minutes 15 --out FOLDER

SET is a prepared dataset of 128 px with a test split (`sketch2img preprocess`). Each program gets
its own virtual environment in FOLDER (an existing one is kept) and the same elapsed time, including
the start and the end of the program. Each generates photos of the test sketches; one `sketch2img
eval` scores all of them, with the networks in SKETCH2IMG_HOME. Nothing else should run.

* ours: `sketch2img train SET --budget 15m`, all defaults.
* plain loop: `plain_loop.py`, the networks and settings of pix2pix.
* modulaic: its own `train` with its default settings, stopped when the time is over; its last
  checkpoint generates (it writes one per epoch, many GB in all). Its conditioning vector is zero.
"""

import argparse
import itertools
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from sketchcli import images, paths
from sketchcli.data import prepared

HERE = Path(__file__).parent
CONSTRAINTS = HERE.parents[1] / "constraints.txt"
PEER = "modulaic[data]==0.1.0"
FIGURES = ("ssim", "lpips-alex", "kid", "face-similarity", "verification-eer", "rank-1")
SHOWN = 8  # faces on the sheet


@dataclass(frozen=True)
class Peer:
    """What one program needed and made."""

    title: str
    megabytes: tuple[int, int]  # installed size: everything; without torch and its dependencies
    install_seconds: float
    images_per_second: float
    first_picture_seconds: float  # from an installed program to the photo of one sketch
    photos: Path


def main() -> None:
    """Install, train in turn, score and print."""
    options = parse_arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    write_pictures(paths.prepared_home() / options.set, options.out / "pictures")
    seconds = 60.0 * options.minutes
    peers = [
        ours(options.set, str(options.wheel), seconds, options.out),
        plain_loop(str(options.wheel), seconds, options.out),
        modulaic(seconds, options.out),
    ]
    scores = score(options.set, peers, options.out)
    print(table(peers, scores))
    show(peers, options.out)


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("set", help="name of a prepared dataset")
    parser.add_argument("--wheel", type=Path, required=True, help="wheel of sketch2img")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def write_pictures(source: Path, target: Path) -> None:
    """Write the dataset as RGB PNGs: `train/` and `test/`, with `sketches/` and `photos/` each."""
    dataset = prepared.read(source)
    for name in ("train", "test"):
        split = dataset.split(name)
        for row, pair in enumerate(split.ids):
            sketch = images.to_rgb(split.sketches[row])
            images.write(target / name / "sketches" / f"{pair}.png", sketch)
            images.write(target / name / "photos" / f"{pair}.png", split.photos[row])


def ours(name: str, wheel: str, seconds: float, out: Path) -> Peer:
    """Run `sketch2img train SET --budget 15m`; the first photo is the bundled model's."""
    environment, peer = install("ours", wheel, out)
    program, run_dir = environment / "bin" / "sketch2img", out / "ours-run"
    test = out / "pictures" / "test" / "sketches"
    sketch = next(test.glob("*.png"))
    started = time.perf_counter()
    # An empty data folder has no trained model, so the bundled one is used.
    run(program, "generate", sketch, out / "ours-first.png", home=out / "empty-home")
    first = time.perf_counter() - started
    run(program, "train", name, "--budget", f"{seconds:.0f}s", "--seed", 0, "--run-dir", run_dir)
    photos = out / "ours"
    run(program, "generate", test, photos, "--model", run_dir, "--overwrite")
    lines = (run_dir / "log.jsonl").read_text(encoding="utf-8").splitlines()
    epochs = [event for event in map(json.loads, lines) if event["kind"] == "epoch"]
    speed = statistics.median(event["images_per_second"] for event in epochs)
    return replace(peer, images_per_second=speed, first_picture_seconds=first, photos=photos)


def plain_loop(wheel: str, seconds: float, out: Path) -> Peer:
    """Run `plain_loop.py`, which needs PyTorch and the networks of sketch2img."""
    environment, peer = install("ours", wheel, out)
    photos = out / "plain loop"
    shutil.rmtree(photos, ignore_errors=True)
    told = run(
        environment / "bin" / "python", HERE / "plain_loop.py", out / "pictures", photos, seconds
    )
    return replace(
        peer,
        title="plain loop",
        images_per_second=json.loads(told)["images_per_second"],
        first_picture_seconds=seconds,
        photos=photos,
    )


def modulaic(seconds: float, out: Path) -> Peer:
    """Run its `train` with default settings, then its networks on the test sketches."""
    environment, peer = install("modulaic", PEER, out)
    python, folder = environment / "bin" / "python", out / "modulaic-run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    manifest, config, checkpoints = (folder / n for n in ("m.json", "c.yaml", "checkpoints"))
    train = out / "pictures" / "train"
    examples = [
        {"input": str(path), "target": str(train / "photos" / path.name), "condition": [0.0] * 4}
        for path in sorted((train / "sketches").glob("*.png"))
    ]
    manifest.write_text(json.dumps({"examples": examples}), encoding="utf-8")
    settings = {
        "epochs": 10**6,
        "manifest_path": str(manifest),
        "checkpoint_dir": str(checkpoints),
    }
    config.write_text(json.dumps({"training": settings}), encoding="utf-8")  # JSON is YAML
    run_for(seconds, environment / "bin" / "modulaic", "train", "--config", config)
    saved = sorted(checkpoints.glob("*.pt"))
    whole = [path for path in saved if path.stat().st_size == saved[0].stat().st_size]
    newest, written = whole[-1], [path.stat().st_mtime for path in whole]
    speed = len(examples) / statistics.median(b - a for a, b in itertools.pairwise(written))
    test, photos = out / "pictures" / "test" / "sketches", out / "modulaic"
    started = time.perf_counter()
    run(environment / "bin" / "modulaic", "infer", "--checkpoint", newest, "--condition", "0,0,0,0",
        "--input", next(test.glob("*.png")), "--output", out / "modulaic-first.png")  # fmt: skip
    first = seconds + time.perf_counter() - started
    run(python, HERE / "draw_with_modulaic.py", newest, test, photos)
    shutil.rmtree(checkpoints)
    return replace(peer, images_per_second=speed, first_picture_seconds=first, photos=photos)


def install(title: str, requirement: str, out: Path) -> tuple[Path, Peer]:
    """Make a virtual environment with one requirement; record the time and the size."""
    environment = out / f"venv-{title}"
    record = environment / "install-seconds"
    if not record.exists():
        shutil.rmtree(environment, ignore_errors=True)
        started = time.perf_counter()
        run(sys.executable, "-m", "venv", environment)
        run(environment / "bin" / "pip", "install", "-q", "-c", CONSTRAINTS, requirement)
        record.write_text(f"{time.perf_counter() - started:.1f}", encoding="utf-8")
    everything = megabytes(environment)
    (packages,) = environment.glob("lib/python*/site-packages")
    brought = ("torch", "sympy", "mpmath", "networkx", "jinja2", "fsspec", "functorch", "torchgen",
               "numpy", "numpy.libs", "setuptools", "pip")  # fmt: skip
    torch = sum(megabytes(packages / name) for name in brought)
    sizes = (everything, everything - torch)
    return environment, Peer(title, sizes, float(record.read_text()), 0.0, 0.0, out)


def megabytes(folder: Path) -> int:
    """Return the size of all files in a folder."""
    return round(sum(p.lstat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6)


def score(name: str, peers: list[Peer], out: Path) -> dict[str, dict[str, float]]:
    """Return the scores of each peer's photos, by one `sketch2img eval`."""
    report = run(sys.executable, "-m", "sketchcli", "eval", "--data", name, "--json", "--out",
                 out / "report", *(peer.photos for peer in peers))  # fmt: skip
    return {
        Path(row["source"]).name: {name: row["figures"][name]["value"] for name in FIGURES}
        for row in json.loads(report)["data"]["scores"]
        if row["kind"] != "baseline"
    }


def table(peers: list[Peer], scores: dict[str, dict[str, float]]) -> str:
    """Return a Markdown table with a row per quantity and a column per program."""
    rows = [
        ("", *(peer.title for peer in peers)),
        ("---", *("---" for _ in peers)),
        ("installed size, MB", *(f"{peer.megabytes[0]}" for peer in peers)),
        ("without torch and its dependencies, MB", *(f"{peer.megabytes[1]}" for peer in peers)),
        ("installation time, s", *(f"{peer.install_seconds:.0f}" for peer in peers)),
        ("to the first photo, s", *(f"{peer.first_picture_seconds:.1f}" for peer in peers)),
        ("training, images per second", *(f"{peer.images_per_second:.1f}" for peer in peers)),
    ]
    rows += [
        (figure, *(f"{scores[peer.photos.name][figure]:.3f}" for peer in peers))
        for figure in FIGURES
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def show(peers: list[Peer], out: Path) -> None:
    """Write a sheet to look at: sketch, each program's photo, the real photo."""
    test = out / "pictures" / "test"
    names = sorted(path.name for path in (test / "sketches").glob("*.png"))[:: 100 // SHOWN]
    folders = [test / "sketches", *(peer.photos for peer in peers), test / "photos"]
    rows = [[images.read_rgb(folder / name) for name in names] for folder in folders]
    images.write(out / "sheet.png", images.sheet(rows))


def run(*command: object, home: Path | None = None) -> str:
    """Run a command and return what it prints; raise an error if it fails."""
    environment = os.environ | ({"SKETCH2IMG_HOME": str(home)} if home else {})
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, env=environment, text=True, check=True)
    return done.stdout


def run_for(seconds: float, *command: object) -> None:
    """Run a command that does not end by itself, and end it after some seconds."""
    process = subprocess.Popen([str(word) for word in command], start_new_session=True)
    try:
        process.wait(seconds)
        raise SystemExit(f"{command[0]} ended early, with code {process.returncode}")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with its workers
        process.wait()


if __name__ == "__main__":
    main()
