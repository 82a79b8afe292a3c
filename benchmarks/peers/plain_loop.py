"""Train pix2pix the common way, in one plain file: fp32, channels first, one pair at a time.

    python benchmarks/peers/plain_loop.py PICTURES PHOTOS SECONDS

Isola et al. 2017: U-Net with dropout, 70x70 PatchGAN with batch norm, vanilla GAN loss and 100 x
L1, Adam 2e-4 (0.5, 0.999), jitter from 143 to 128 px and flips; the learning rate is constant for
half the time, then falls to zero, as in the authors' code. PICTURES has `train/` and `test/` as
`compare.py` writes them. The script generates photos of the test sketches into PHOTOS, with batch
norm in training mode as the authors do, and prints its speed as JSON.
"""

import json
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from sketchcli import config, images
from sketchcli.models.building import build_discriminator, build_generator

SIZE, JITTERED = 128, 143


def main() -> None:
    """Train for the time, then generate."""
    pictures, photos, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    torch.manual_seed(0)
    model = config.preset("pix2pix").model
    generator, discriminator = build_generator(model), build_discriminator(model, (SIZE, SIZE))
    steps = train(generator, discriminator, read_pairs(pictures / "train"), seconds)
    draw(generator, pictures / "test" / "sketches", photos)
    print(json.dumps({"images_per_second": steps / seconds, "images": steps}))


def read_pairs(folder: Path) -> list[tuple[Tensor, Tensor]]:
    """Return sketches `(1, H, W)` and photos `(3, H, W)` in [-1, 1]."""
    names = sorted(path.name for path in (folder / "sketches").glob("*.png"))
    return [
        (to_tensor(folder / "sketches" / name)[:1], to_tensor(folder / "photos" / name))
        for name in names
    ]


def to_tensor(path: Path) -> Tensor:
    """Return an image `(3, H, W)` in [-1, 1]."""
    return torch.from_numpy(images.read_rgb(path)).permute(2, 0, 1).float() / 127.5 - 1


def train(
    generator: nn.Module,
    discriminator: nn.Module,
    pairs: list[tuple[Tensor, Tensor]],
    seconds: float,
) -> int:
    """Train for some seconds; return the number of pairs seen."""
    optimizers = [
        torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999))
        for network in (generator, discriminator)
    ]
    started, steps = time.perf_counter(), 0
    while (passed := (time.perf_counter() - started) / seconds) < 1:
        for group in (g for optimizer in optimizers for g in optimizer.param_groups):
            group["lr"] = 2e-4 * min(1.0, 2 * (1 - passed))
        if steps % len(pairs) == 0:
            order = torch.randperm(len(pairs)).tolist()
        sketch, photo = jitter(*pairs[order[steps % len(pairs)]])
        step(generator, discriminator, optimizers, sketch, photo)
        steps += 1
    return steps


def jitter(sketch: Tensor, photo: Tensor) -> tuple[Tensor, Tensor]:
    """Enlarge, crop and maybe mirror both alike; add a batch axis."""
    both = torch.cat([sketch, photo])[None]
    both = functional.interpolate(both, size=(JITTERED, JITTERED), mode="bicubic").clamp(-1, 1)
    top, left = torch.randint(0, JITTERED - SIZE + 1, (2,)).tolist()
    both = both[..., top : top + SIZE, left : left + SIZE]
    if torch.rand(()) < 0.5:
        both = both.flip(-1)
    return both[:, :1].contiguous(), both[:, 1:].contiguous()


def step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizers: list[torch.optim.Adam],
    sketch: Tensor,
    photo: Tensor,
) -> None:
    """Update the discriminator, then the generator."""
    fake = generator(sketch)
    optimizers[1].zero_grad()
    real_loss = bce(discriminator(sketch, photo).logits, real=True)
    fake_loss = bce(discriminator(sketch, fake.detach()).logits, real=False)
    (0.5 * (real_loss + fake_loss)).backward()
    optimizers[1].step()
    optimizers[0].zero_grad()
    adversarial = bce(discriminator(sketch, fake).logits, real=True)
    (adversarial + 100 * functional.l1_loss(fake, photo)).backward()
    optimizers[0].step()


def bce(logits: Tensor, *, real: bool) -> Tensor:
    """Return the vanilla GAN loss."""
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


@torch.no_grad()
def draw(generator: nn.Module, sketches: Path, photos: Path) -> None:
    """Generate a photo of every sketch of a folder, into another folder."""
    generator.train()
    for path in sorted(sketches.glob("*.png")):
        photo = generator(to_tensor(path)[None, :1])[0]
        pixels = ((photo + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
        images.write(photos / path.name, pixels)


if __name__ == "__main__":
    main()
