"""Compare variants of the default settings, all trained and scored alike.

    python benchmarks/ablation.py SET WORK --epochs 500 --seeds 0 1 --jobs 2 [VARIANT ...]

SET is a prepared dataset with a `val` split, on which everything is scored; the test split is not
used. Every variant changes the settings below. Runs and photos are written into WORK; if it is
interrupted, run the same command again to resume. Downloaded evaluation networks are used. With
`--draw-only`, photos are not scored; the same command without it scores them, on any machine.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from sketchcli import device as devices
from sketchcli import images
from sketchcli.engine.generating.prepare import load_model
from sketchcli.engine.generating.sample import generate_batch
from sketchcli.engine.lookup import find_prepared

VARIANTS: dict[str, tuple[str, ...]] = {
    "modern": (),
    # losses
    "no perceptual loss": ("loss.perceptual_weight=0",),
    "no structure loss": ("loss.structure_weight=0",),
    "structure loss x 2": ("loss.structure_weight=40",),
    "feature matching": ("loss.feature_matching_weight=3",),
    "perceptual loss x 1/2": ("loss.perceptual_weight=10",),
    "perceptual loss x 2": ("loss.perceptual_weight=40",),
    "no adversarial loss": ("loss.adversarial_weight=0",),
    "adversarial loss x 2": ("loss.adversarial_weight=0.3",),
    "adversarial loss x 4": ("loss.adversarial_weight=0.6",),
    "L1 x 1/2": ("loss.reconstruction_weight=30",),
    "gradient 30": ("loss.gradient_weight=30",),
    "lsgan": ("loss.adversarial=lsgan",),
    "vanilla": ("loss.adversarial=vanilla",),
    "relativistic": ("loss.adversarial=relativistic",),
    "R1": ("loss.r1_weight=1",),
    # augmentation
    "no mixing": ("augmentation.mixing=0",),
    "mixing of all": ("augmentation.mixing=1",),
    "no elastic warp": ("augmentation.elastic=0",),
    "elastic warp x 2": ("augmentation.elastic=0.05",),
    "flip alone": (
        "augmentation.rotation=0",
        "augmentation.scale=0",
        "augmentation.shift=0",
        "augmentation.elastic=0",
        "augmentation.mixing=0",
    ),
    "no sketch contrast": ("augmentation.sketch_contrast=0",),
    "clean sketches": (
        "augmentation.sketch_stroke=0",
        "augmentation.sketch_gamma=0",
        "augmentation.sketch_tone=0",
        "augmentation.sketch_erasure=0",
        "augmentation.sketch_noise=0",
    ),
    "no DiffAugment": ("augmentation.discriminator=false",),
    "DiffAugment at full strength": ("augmentation.adaptive=false",),
    # networks
    "width 48": ("model.generator_options.width=48",),
    "6 blocks": ("model.generator_options.blocks=6",),
    "dropout": ("model.generator_options.dropout=0.2",),
    "no norm": ("model.generator_options.norm=none",),
    "unet": ("model.generator=unet",),
    "resnet": ("model.generator=resnet",),
    "discriminator width 64": ("model.discriminator_options.width=64",),
    "no spectral norm": ("model.discriminator_options.norm=none",),
    # optimisation
    "no average": ("ema_half_life=0",),
    "average x 4": ("ema_half_life=10000",),
    "rate x 2": ("optimizer.lr=4e-4",),
    "one time scale": ("optimizer.discriminator_lr_factor=1",),
    "cosine": ("optimizer.schedule=cosine",),
    "linear from the start": ("optimizer.decay_from=0",),
    "AdamW": ("optimizer.name=adamw", "optimizer.weight_decay=0.01"),
    "batches of 16": ("data.batch_size=16",),
    "batches of 4": ("data.batch_size=4",),
    "grown from 64": ("data.grow_from=64",),
}
METRICS = ("ssim", "psnr", "lpips-alex", "kid", "face-similarity", "verification-eer", "rank-1")
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Job:
    """One variant with one random seed."""

    variant: str
    seed: int
    work: Path

    @property
    def name(self) -> str:
        """The name of its folders."""
        words = self.variant.lower().replace("/", "-").replace(" ", "-")
        return f"{words}-{self.seed}"

    @property
    def run(self) -> Path:
        """The folder of its training run."""
        return self.work / "runs" / self.name

    @property
    def photos(self) -> Path:
        """The folder of its generated photos."""
        return self.work / "photos" / self.name


def main() -> None:
    """Train, generate and score."""
    options = parse_arguments()
    wanted = options.variants or list(VARIANTS)
    jobs = [Job(v, seed, options.work) for seed in options.seeds for v in wanted]
    train_all(jobs, options)
    done = [job for job in jobs if (job.run / "result.json").exists() or job.photos.exists()]
    for job in done:
        if not job.photos.exists():
            draw(job, options.set, options.device)
    if not options.draw_only:
        print_table(done, score(done, options.set))


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("variants", nargs="*", choices=[*VARIANTS, []], metavar="VARIANT")
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time; one thread each if >1")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--stop-after", type=float, default=float("inf"), metavar="SECONDS")
    parser.add_argument("--draw-only", action="store_true")
    return parser.parse_args()


def train_all(jobs: Sequence[Job], options: argparse.Namespace) -> None:
    """Train `--jobs` runs at a time; runs unfinished when time is up are stopped, to be resumed."""
    ends_at = time.monotonic() + options.stop_after
    waiting = [j for j in jobs if not (j.run / "result.json").exists() and not j.photos.exists()]
    running: dict[Job, subprocess.Popen[bytes]] = {}
    while (waiting or running) and time.monotonic() < ends_at:
        for job, process in list(running.items()):
            if process.poll() is not None:
                print(f"{job.name}: exit {process.returncode}", flush=True)
                del running[job]
        while waiting and len(running) < options.jobs:
            job = waiting.pop(0)
            running[job] = start(job, options)
        time.sleep(POLL_SECONDS)
    for process in running.values():
        process.terminate()
    for process in running.values():
        process.wait()


def start(job: Job, options: argparse.Namespace) -> "subprocess.Popen[bytes]":
    """Start or resume a run."""
    job.run.parent.mkdir(parents=True, exist_ok=True)
    settings = [word for setting in VARIANTS[job.variant] for word in ("--set", setting)]
    command = [sys.executable, "-m", "sketchcli", "train", str(options.set), *settings]
    command += ["--run-dir", str(job.run), "--epochs", str(options.epochs)]
    command += ["--seed", str(job.seed), "--device", options.device, "--validate-every", "100"]
    threads = {"OMP_NUM_THREADS": "1"} if options.jobs > 1 else {}
    with (job.run.parent / f"{job.name}.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | threads)


def draw(job: Job, dataset: Path, device: str) -> None:
    """Generate photos of the `val` split's sketches, named like its pairs."""
    place = devices.resolve(device, precision="fp32")
    model = load_model(job.run / "weights.safetensors", place)
    pairs = find_prepared(dataset).split("val").whole()
    photos = generate_batch(model.generator, pairs.sketches, place)
    for name, photo in zip(pairs.ids, photos, strict=True):
        images.write(job.photos / f"{name}.png", photo)


def score(jobs: Sequence[Job], dataset: Path) -> dict[str, dict[str, float]]:
    """Return the scores of each job and baseline from `eval`, by metric."""
    command = [sys.executable, "-m", "sketchcli", "eval", "--data", str(dataset), "--split", "val"]
    command += [word for metric in METRICS for word in ("--metric", metric)]
    command += ["--no-report", "--json", *(str(job.photos) for job in jobs)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    scores = json.loads(done.stdout)["data"]["scores"]
    return {
        row["predictor"]: {
            name: figure["value"] for name, figure in row["figures"].items() if figure
        }
        for row in scores
    }


def print_table(jobs: Sequence[Job], figures: dict[str, dict[str, float]]) -> None:
    """Print a Markdown table with the mean over the seeds of each variant."""
    print(f"| variant | seeds | {' | '.join(METRICS)} |\n|---|---|{'---|' * len(METRICS)}")
    for name, rows in rows_of(jobs, figures):
        means = [fmean(row[metric] for row in rows) for metric in METRICS if metric in rows[0]]
        print(f"| {name} | {len(rows)} | {' | '.join(f'{mean:.4g}' for mean in means)} |")


def rows_of(
    jobs: Sequence[Job], figures: dict[str, dict[str, float]]
) -> Iterator[tuple[str, list[dict[str, float]]]]:
    """Yield the variants in their order, then the baselines."""
    for variant in dict.fromkeys(job.variant for job in jobs):
        yield variant, [figures[job.name] for job in jobs if job.variant == variant]
    ours = {job.name for job in jobs}
    for name, row in figures.items():
        if name not in ours:
            yield name, [row]


if __name__ == "__main__":
    main()
