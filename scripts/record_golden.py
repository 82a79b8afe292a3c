"""Record in `tests/golden/` what sketch2img does now, for `tests/test_golden.py` to hold it to.

    python scripts/record_golden.py --all         # everything
    python scripts/record_golden.py --outcomes    # what commands make of older recordings

Run it only to change the recorded behaviour on purpose, and read the diff of the JSON files
before you commit it. `--all` replaces everything in the folder except `commands.txt`, which lists
the command lines to record, and takes about a minute. `--outcomes` keeps the dataset, the runs and
the photos of an earlier version, which the commands must still read.

All images are drawn by `sketch2img fetch-data demo`; the recordings contain no other data. The
recorder drives the public command line alone, in this process, on one CPU thread in fp32.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import golden
import numpy as np
import torch
from golden import DATASET, GOLDEN, PRESETS
from PIL import Image
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors

import sketchcli
from sketchcli.cli.main import main as sketch2img

if TYPE_CHECKING:
    from numpy.typing import NDArray

SOURCE = Path(__file__).resolve().parent.parent / "src"
FETCH = f"fetch-data demo --name {DATASET} --count 12 --size 48"
PREPROCESS = f"preprocess {DATASET} --size 48 --val 0.2 --test 0.2 --workers 1 --name {DATASET}"
EPOCHS, STOPPED_AFTER = 4, 2
TRAIN = (
    f"train {DATASET} --epochs {EPOCHS} --batch-size 2 --validate-every 2 --device cpu "
    "--precision fp32 --set loss.perceptual_weight=0 --set model.generator_options.width=2"
)
NARROW = {
    "modern": "--set model.generator_options.blocks=1 --set model.discriminator_options.width=2",
    "paper": "--set model.generator_options.blocks=2 --set model.discriminator_options.width=4",
    "pix2pix": "--set model.generator_options.depth=4 --set model.discriminator_options.width=2",
}
STORED = (
    "config.toml",
    "log.jsonl",
    "best.safetensors",
    "state.safetensors",
    "weights.safetensors",
)
FINISHED = ("config.toml", "log.jsonl", "result.json", "weights.safetensors")
PHOTOS = {
    "modern": "sketches --model modern",
    "modern-inverted": "sketches/grey.png --model modern --invert yes --paper no",
    "modern-tiled": "sketches/wide.png --model modern --tile",
    "modern-compared": "sketches/wide.png --model modern --compare",
    "modern-resized": "sketches/wide.png --model modern --size input",
    "paper": "sketches/grey.png sketches/wide.png --model paper",
    "pix2pix": "sketches/grey.png sketches/wide.png --model pix2pix",
    "mean": "sketches/grey.png --model modern --model pix2pix",
    "bundled": "sketches/grey.png sketches/alpha.png sketches/tinted.png --model bundled --size 64",
}
ERRORS: list[str] = []  # the standard error of the commands that failed
EXIF_ORIENTATION, TURNED = 0x0112, 6


def main() -> None:
    """Record everything, then say how much it was.

    Raises:
        SystemExit: If Python would import the package of another checkout.
    """
    if not Path(sketchcli.__file__).is_relative_to(SOURCE):
        raise SystemExit(f"{sketchcli.__file__} would be recorded: set PYTHONPATH={SOURCE}")
    scratch = Path(tempfile.mkdtemp(prefix="golden-"))
    clear()
    with golden.workspace(scratch / "training", is_empty=True) as root:
        run(FETCH)
        run(PREPROCESS)
        store_dataset(root)
        digests = {name: record_run(name, root) for name in PRESETS}
        write_sketches(root / "home" / "raw" / DATASET)
    write_json(GOLDEN / "digests.json", digests)
    write_json(GOLDEN / "machine.json", golden.machine())
    tensors = load_tensors(GOLDEN / "finished" / "modern" / "weights.safetensors")
    torch.save(tensors, GOLDEN / "other.pth")
    record_photos(scratch / "photos")
    record_outcomes(scratch / "outcomes")
    shutil.rmtree(scratch)
    print(summary())


def clear() -> None:
    """Remove the old recordings."""
    for path in GOLDEN.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "commands.txt":
            path.unlink()


# -- running commands


def call(arguments: list[str]) -> tuple[int, str]:
    """Run a command in this process and return its exit code and its standard output."""
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace")
    stderr = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace")
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = int(sketch2img(arguments))
        stdout.flush()
        stderr.flush()
    if code:
        ERRORS.append(_text(stderr))
    return code, _text(stdout)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def run(line: str, *, code: int = 0) -> None:
    """Run a command line.

    Raises:
        SystemExit: If it ends with another exit code.
    """
    found, output = call(line.split())
    if found != code:
        raise SystemExit(f"exit code {found}, not {code}: {line}\n{output}{ERRORS[-1:]}")


@contextlib.contextmanager
def interrupted_after(epochs: int, log: Path) -> Iterator[None]:
    """Send an interrupt in the first step after so many epochs.

    Args:
        epochs: The number of epochs in the log that the interrupt waits for.
        log: The run's log. The program opens it for each line that it appends.
    """
    waiting = [True]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not waiting or arguments[1] != "a" or not log.exists():
            return
        if os.fspath(arguments[0]) == str(log) and _epochs_in(log) >= epochs:
            waiting.clear()
            signal.raise_signal(signal.SIGINT)

    def _epochs_in(file: Path) -> int:
        waiting.clear()  # reading the log is an event too
        lines = file.read_text(encoding="utf-8").splitlines()
        waiting.append(True)
        kinds = [json.loads(line)["kind"] for line in lines]
        return kinds.count("epoch") if kinds[-1:] != ["epoch"] else 0

    sys.addaudithook(watch)
    yield
    waiting.clear()


# -- datasets, runs, sketches


def store_dataset(root: Path) -> None:
    """Keep the prepared dataset, without the path of the folder that it was made in."""
    source = root / "home" / "prepared" / DATASET
    (GOLDEN / "dataset").mkdir()
    for path in source.glob("*.npy"):
        shutil.copy(path, GOLDEN / "dataset")
    copy_text(source / "dataset.json", GOLDEN / "dataset" / "dataset.json", root)


def copy_text(source: Path, target: Path, root: Path) -> None:
    """Copy a text file, with a fixed path in the place of the workspace's."""
    text = source.read_text(encoding="utf-8").replace(str(root), "/golden")
    target.write_text(text, encoding="utf-8")


def record_run(preset: str, root: Path) -> dict[str, str]:
    """Train halfway, keep the run, resume it, keep the end; return the digests of the end.

    Raises:
        SystemExit: If an uninterrupted run does not end with the same bytes.
    """
    folder = root / "home" / "runs" / preset
    command = f"{TRAIN} --preset {preset} {NARROW[preset]}"
    with interrupted_after(STOPPED_AFTER, folder / "log.jsonl"):
        run(f"{command} --run-dir {folder}", code=130)
    keep(folder, GOLDEN / "halfway" / preset, STORED, root)
    run(f"train --resume {preset} --device cpu --precision fp32")
    keep(folder, GOLDEN / "finished" / preset, FINISHED, root)
    whole = root / "home" / "runs" / f"whole-{preset}"
    run(f"{command} --run-dir {whole}")
    names = ("weights", "best", "state")
    found = {name: golden.digest(folder / f"{name}.safetensors") for name in names}
    if found != {name: golden.digest(whole / f"{name}.safetensors") for name in names}:
        raise SystemExit(f"{preset}: the resumed run differs from an uninterrupted one")
    return found


def keep(run_dir: Path, target: Path, names: tuple[str, ...], root: Path) -> None:
    """Copy some of a run's files."""
    target.mkdir(parents=True)
    for name in names:
        if name.endswith(".safetensors"):
            shutil.copyfile(run_dir / name, target / name)
        else:
            copy_text(run_dir / name, target / name, root)


def write_sketches(raw: Path) -> None:
    """Write drawn sketches as the kinds of files that users have."""
    folder = GOLDEN / "sketches"
    folder.mkdir()
    drawn: list[NDArray[np.uint8]] = [
        np.asarray(Image.open(path).convert("L")) for path in sorted((raw / "sketches").glob("*"))
    ]
    height, width = drawn[0].shape
    Image.fromarray(drawn[0]).save(folder / "grey.png")
    ink = np.zeros((height, width, 4), np.uint8)
    ink[..., 3] = 255 - drawn[1]
    Image.fromarray(ink).save(folder / "alpha.png")
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = TURNED
    lying = Image.fromarray(np.rot90(drawn[2][:, :40]).copy())
    lying.save(folder / "turned.jpg", quality=95, exif=exif)
    Image.fromarray(drawn[3].astype(np.uint16) * 257).save(folder / "sixteen-bit.png")
    Image.fromarray(255 - drawn[4]).save(folder / "white-on-black.png")
    Image.fromarray(drawn[5]).convert("P").save(folder / "palette.png")
    Image.fromarray(np.concatenate([drawn[6], drawn[7][:, :24]], axis=1)).save(folder / "wide.png")
    paper = np.array([0.95, 0.85, 0.7]) * np.linspace(1, 0.7, width)[None, :, None]
    tinted = np.rint(drawn[8][..., None] * paper).astype(np.uint8)
    Image.fromarray(tinted).save(folder / "tinted.png")


# -- photos and outcomes


def record_photos(scratch: Path) -> None:
    """Generate the photos that later versions are compared with."""
    commands = {name: f"generate {rest} photos/{name}/ " for name, rest in PHOTOS.items()}
    commands = {name: f"{line}--device cpu --precision fp32" for name, line in commands.items()}
    with golden.workspace(scratch) as root:
        for line in commands.values():
            run(line)
        shutil.copytree(root / "photos", GOLDEN / "photos")
    write_json(GOLDEN / "photos.json", commands)


def record_outcomes(scratch: Path) -> None:
    """Run every command of `commands.txt`, each session in a workspace of its own."""
    (GOLDEN / "outcomes").mkdir()
    for name, lines in golden.sessions().items():
        with golden.workspace(scratch / name) as root:
            found = [golden.replay(line, root, call) for line in lines]
        write_json(GOLDEN / "outcomes" / f"{name}.json", found)
        codes = sorted({outcome["code"] for outcome in found})
        print(f"{name}: {len(found)} commands, exit codes {codes}")


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON that can be read in a diff."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


# -- the summary


def summary() -> str:
    """Return how many values are recorded, and how large the files are."""
    outcomes = [json.loads(p.read_text(encoding="utf-8")) for p in _files("outcomes/*.json")]
    logs = [json.loads(line) for p in _files("**/log.jsonl") for line in p.open(encoding="utf-8")]
    tensors = [v for p in _files("**/*.safetensors") for v in load_file(p).values()]
    photos = [golden.pixels(path) for path in _files("photos/**/*.png")]
    arrays = [np.load(path) for path in _files("dataset/*.npy")]
    sizes = [path.stat().st_size for path in _files("**/*") if path.is_file()]
    return "\n".join(
        [
            f"commands: {sum(map(len, outcomes))}, with {leaves(outcomes):,} JSON values",
            f"logs: {len(logs)} lines, with {leaves(logs):,} JSON values",
            f"tensors: {len(tensors)}, with {sum(v.size for v in tensors):,} numbers",
            f"photos: {len(photos)}, with {sum(v.size for v in photos):,} values of pixels",
            f"dataset: {sum(v.size for v in arrays):,} values of pixels",
            f"files: {len(sizes)}, {sum(sizes):,} bytes, the largest {max(sizes):,}",
        ]
    )


def _files(pattern: str) -> list[Path]:
    return sorted(GOLDEN.glob(pattern))


def leaves(value: Any) -> int:  # noqa: ANN401 - any JSON
    """Return the number of values in nested dicts and lists.

    >>> leaves({"code": 0, "files": [{"status": "made"}, {"status": "failed"}]})
    3
    """
    if isinstance(value, dict):
        return sum(map(leaves, value.values()))
    return sum(map(leaves, value)) if isinstance(value, list) else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["--outcomes"]:
        shutil.rmtree(GOLDEN / "outcomes")
        with tempfile.TemporaryDirectory(prefix="golden-") as folder:
            record_outcomes(Path(folder))
    elif sys.argv[1:] == ["--all"]:
        main()
    else:
        sys.exit(__doc__)
