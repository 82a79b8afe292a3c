"""Compare the speed of `train` with a plain loop, with its own networks alone and with the machine.

    python benchmarks/training.py --preset modern --batch-size 8

The ways take turns, several times, in one run. Medians are in images per second:

* `train`: the whole loop: pairs from disk, augmentation, averaged weights, log.
* `networks`: its steps on random tensors, and nothing else.
* `plain loop`: the same two networks as they are commonly trained: fp32, channels first, an
  optimiser step for each; adversarial loss and L1 as the preset weighs them, no other loss.
* `peak`: the speed of a large matrix product in the precision of `train`, and the fraction of it
  that `networks` reaches, by the operations that torch counts in a step.

sketch2img draws the pairs itself. The perceptual loss, which needs a downloaded network, is left
out. Other work on the machine slows all of them down: compare the spread.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from sketchcli import config as settings
from sketchcli import device as devices
from sketchcli.config import TrainConfig
from sketchcli.data import prepared
from sketchcli.data.batches import DiscriminatorAugmentation
from sketchcli.device import Device
from sketchcli.engine.events import SILENT
from sketchcli.engine.runs import Run
from sketchcli.engine.training import loop
from sketchcli.engine.training.distributed import ALONE
from sketchcli.engine.training.session import Session
from sketchcli.engine.training.trainer import Part, Trainer
from sketchcli.losses import discriminator_loss, generator_loss
from sketchcli.models.building import build_discriminator, build_generator

PEAK_SIDE = 2048  # side of the matrices whose product is timed
PAIRS = 96


def main() -> None:
    """Time all ways in turn and print medians."""
    options = parse_arguments()
    device = devices.resolve(options.device)
    config = settings.merge(
        settings.preset(options.preset),
        {
            "epochs": 10_000,
            "data": {"batch_size": options.batch_size, "validation_pairs": 0},
            "loss": {"perceptual_weight": 0.0},
            "model": {"generator": options.generator} if options.generator else {},
        },
    )
    with tempfile.TemporaryDirectory() as name:
        session = open_session(Path(name), config, options.size, device)
        trainer, batch = session.trainer, options.batch_size
        step = networks_alone(trainer, batch, options.size, device)
        ways = {
            "train": whole_loop(session),
            "networks": step,
            "plain loop": plain_loop(config, batch, options.size, device),
        }
        speeds: dict[str, list[float]] = {kind: [] for kind in ways}
        peaks = []
        for way in ways.values():
            way()  # warms up
        for _ in range(options.rounds):
            for kind, way in ways.items():
                speeds[kind].append(batch / seconds_a_call(way, options.seconds, device))
            peaks.append(peak(device))
        report(options, device, speeds, peaks, operations(step) / batch)


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preset", default="modern", choices=[*settings.PRESETS])
    parser.add_argument("--generator", help="generator to use instead of the preset's")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds per way and round")
    return parser.parse_args()


def open_session(home: Path, config: TrainConfig, size: int, device: Device) -> Session:
    """Start a run on drawn pairs."""
    os.environ["SKETCH2IMG_HOME"] = str(home)
    fetch = f"fetch-data demo --count {PAIRS} --size {size}"
    for command in (fetch, f"preprocess demo --size {size} --test 0 --name drawn"):
        subprocess.run([sys.executable, "-m", "sketchcli", *command.split()], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    dataset = prepared.read(home / "prepared" / "drawn")
    run = Run(home / "run")
    session = Session(config, dataset, run=run, device=device, ranks=ALONE, reporter=SILENT)
    session.begin()
    return session


def whole_loop(session: Session) -> Callable[[], None]:
    """Return a function that trains one batch as `train` does, epoch after epoch."""

    def batches() -> None:
        while True:
            epoch = session.epochs_done
            pairs = loop.epoch_batches(
                session.training,
                session.pairs.trained,
                session.batch_size,
                seed=session.config.seed,
                epoch=epoch,
            )
            for batch, some in pairs:
                loop.train_batch(session, epoch, batch, some)
                yield

    return partial(next, batches())


def networks_alone(trainer: Trainer, batch: int, size: int, device: Device) -> Callable[[], object]:
    """Return a function that steps both networks on random tensors."""
    sketch, photo = random_pair(batch, size, device)
    random = torch.Generator().manual_seed(0)
    view = None
    if trainer.config.augmentation.discriminator:
        view = DiscriminatorAugmentation(photo.shape, random)
    return partial(trainer.step, [Part(sketch, photo, view)], 1)


def plain_loop(config: TrainConfig, batch: int, size: int, device: Device) -> Callable[[], None]:
    """Return a function that trains the same networks the common way."""
    sketch, photo = (pixels.contiguous() for pixels in random_pair(batch, size, device))
    generator = build_generator(config.model).to(device.torch)
    discriminator = build_discriminator(config.model, (size, size)).to(device.torch)
    learners = [
        torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (generator, discriminator)
    ]

    def step() -> None:
        plain_step(config, (generator, discriminator), learners, sketch, photo)

    return step


def plain_step(
    config: TrainConfig,
    networks: tuple[nn.Module, nn.Module],
    learners: list[torch.optim.Adam],
    sketch: torch.Tensor,
    photo: torch.Tensor,
) -> None:
    """Update the discriminator, then the generator."""
    loss, (generator, discriminator) = config.loss, networks
    fake = generator(sketch)
    learners[1].zero_grad()
    real_logits = discriminator(sketch, photo).logits
    fake_logits = discriminator(sketch, fake.detach()).logits
    discriminator_loss(loss.adversarial, real_logits, fake_logits).backward()
    learners[1].step()
    learners[0].zero_grad()
    logits = discriminator(sketch, fake).logits
    total = loss.adversarial_weight * generator_loss(loss.adversarial, logits, real_logits.detach())
    (total + loss.reconstruction_weight * functional.l1_loss(fake, photo)).backward()
    learners[0].step()


def random_pair(batch: int, size: int, device: Device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a random batch in [-1, 1], channels last."""
    sketch = 2 * torch.rand(batch, 1, size, size, device=device.torch) - 1
    photo = 2 * torch.rand(batch, 3, size, size, device=device.torch) - 1
    return sketch, photo.to(memory_format=torch.channels_last)


def seconds_a_call(way: Callable[[], object], seconds: float, device: Device) -> float:
    """Return the mean seconds per call, over as many calls as fit into a time."""
    wait(device)
    started, calls = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        way()
        calls += 1
    wait(device)
    return (time.perf_counter() - started) / calls


def wait(device: Device) -> None:
    """Wait until the device has finished."""
    if device.torch.type == "cuda":
        torch.cuda.synchronize()


def peak(device: Device) -> float:
    """Return the operations per second of a matrix product, in the precision of the networks."""
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    matrix = torch.rand(PEAK_SIDE, PEAK_SIDE, device=device.torch, dtype=kinds[device.precision])
    matrix @ matrix
    return 2 * PEAK_SIDE**3 / seconds_a_call(lambda: matrix @ matrix, 2.0, device)


def operations(step: Callable[[], object]) -> int:
    """Count the multiplications and additions of a step in convolutions and products."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def report(
    options: argparse.Namespace,
    device: Device,
    speeds: dict[str, list[float]],
    peaks: list[float],
    operations_an_image: float,
) -> None:
    """Print medians, ratios and the spread."""
    middle = {name: statistics.median(values) for name, values in speeds.items()}
    limit = statistics.median(peaks)
    print(
        f"{options.preset}, {options.size} px, batches of {options.batch_size}, {device.name}, "
        f"{device.precision}, {device.threads} threads, torch {torch.__version__}"
    )
    for name, values in speeds.items():
        print(f"{name:12}{middle[name]:8.2f} images/s   {[f'{value:.2f}' for value in values]}")
    print(f"train / plain loop   {middle['train'] / middle['plain loop']:.2f}")
    print(f"on top of networks   {middle['networks'] / middle['train'] - 1:.1%} per image")
    share = middle["networks"] * operations_an_image / limit
    print(
        f"peak {limit / 1e9:.0f} GFLOP/s; {operations_an_image / 1e9:.1f} GFLOP per image: "
        f"{share:.0%} of the peak"
    )


if __name__ == "__main__":
    main()
