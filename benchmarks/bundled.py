"""Score a face model on sketches that it was not trained on, and show its photos.

    python benchmarks/bundled.py WEIGHTS PORTRAITS --cuhk SET --out FOLDER [--split test]
        [--style STYLE ...] [--likeness free]

WEIGHTS are a run's or the bundled ones. PORTRAITS contains the people.csv that `people.py` wrote,
whose `val` people are drawn anew in these styles (by default all). SET is the CUHK dataset as
`preprocess` made it. Each dataset gets a report of `sketch2img eval` and a sheet of sketches,
generated and real photos in FOLDER. Prepared datasets are kept in SKETCH2IMG_HOME and reused.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

from sketchcli import device, images, paths, registry
from sketchcli.data import prepared
from sketchcli.engine.evaluating.features import HEADLINE
from sketchcli.engine.generating.prepare import load_model
from sketchcli.engine.generating.sample import generate_batch

SHOWN = 24  # pairs per sheet
RECIPE = "--align face --backdrop studio --light even --size 128 --test 0"


def main() -> None:
    """Prepare, score and show every dataset; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--cuhk", help="name or folder of the prepared CUHK dataset")
    parser.add_argument("--split", default="test", help="split of the CUHK dataset")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--style", action="append", help="sketch style (default: all); repeatable")
    parser.add_argument("--likeness", choices=("true", "free"), default="true")
    arguments = parser.parse_args()
    sets = [(arguments.cuhk, arguments.split)] if arguments.cuhk else []
    styles = arguments.style or registry.names(registry.STYLES)
    sets += [(redrawn(arguments.portraits, style, arguments.likeness), "val") for style in styles]
    print("| drawings |", " | ".join(HEADLINE), "|")
    print("|---" * (len(HEADLINE) + 1) + "|")
    for name, split in sets:
        found = score(arguments.weights, name, split, arguments.out / Path(name).name)
        row = (
            f"{found[figure]:.3f}" if found.get(figure) is not None else "-" for figure in HEADLINE
        )
        print(f"| {Path(name).name} |", " | ".join(row), "|", flush=True)


def redrawn(portraits: Path, style: str, likeness: str) -> str:
    """Return the name of the dataset of held-out people in a style; prepare it if it is missing."""
    name = f"held-out-{style}" if likeness == "true" else f"held-out-{style}-{likeness}"
    if not (paths.prepared_home() / name).is_dir():
        listed = portraits / "held-out.csv"
        with (portraits / "people.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "val"]
        with listed.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["photo", "split", "person"])
            writer.writeheader()
            writer.writerows(rows)
        how = (*RECIPE.split(), "--style", style, "--likeness", likeness)
        run("preprocess", "--manifest", listed, *how, "--name", name)
    return name


def score(weights: Path, name: str, split: str, out: Path) -> dict[str, float]:
    """Return the mean scores on a dataset; write the report and the sheet into `out`."""
    shutil.rmtree(out, ignore_errors=True)
    arguments = ("--model", weights, "--data", name, "--split", split, "--out", out, "--json")
    data = json.loads(run("eval", *arguments))["data"]
    show(weights, name, split, out / "sheet.png")
    (model,) = (row for row in data["scores"] if row["kind"] == "model")
    return {metric: figure["value"] for metric, figure in model["figures"].items()}


def show(weights: Path, name: str, split: str, path: Path) -> None:
    """Write a sheet of sketches, generated and real photos, four pairs per row."""
    folder = Path(name) if Path(name).is_dir() else paths.prepared_home() / name
    stored = prepared.read(folder).split(split)
    step = max(len(stored) // SHOWN, 1)
    pairs = stored.take(range(0, len(stored), step)[:SHOWN])
    place = device.resolve("auto", precision="fp32")
    generated = generate_batch(load_model(weights, place).generator, pairs.sketches, place)
    threes = zip(pairs.sketches, generated, pairs.photos, strict=True)
    cells = [cell for three in threes for cell in three]
    rows = [cells[start : start + 12] for start in range(0, len(cells), 12)]
    images.write(path, images.sheet(rows))


def run(*words: object) -> str:
    """Run a command of sketch2img and return what it prints."""
    command = [sys.executable, "-m", "sketchcli", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
