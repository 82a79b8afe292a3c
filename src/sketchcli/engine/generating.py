"""`generate`: sketches in, photographs out."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from sketchcli import checkpoint, images
from sketchcli import config as settings
from sketchcli.data.batches import sketches_to_tensor, tensor_to_photos
from sketchcli.data.sources import pictures
from sketchcli.device import Device
from sketchcli.engine.events import SILENT, Advanced, Reporter
from sketchcli.engine.results import GeneratedFile, GenerateResult
from sketchcli.errors import CheckpointError, DataError, SketchError, UsageError
from sketchcli.images import Pixels
from sketchcli.models.combined import build_generator


@dataclass(frozen=True)
class LoadedModel:
    """A generator, ready to draw, and how its training sketches were prepared."""

    path: Path
    generator: nn.Module
    size: tuple[int, int]  # height, width
    dataset: str
    device: Device

    def draw(self, sketch: Pixels) -> Pixels:
        """The photo `(h, w, 3)` of a grey sketch `(H, W)` of any size.

        The sketch is brought to the model's size as the training sketches were; the photo gets
        the sketch's aspect ratio back, and is as large as the model draws: its shorter side is
        the model's.
        """
        photo = generate_batch(self.generator, images.resize(sketch, self.size)[None], self.device)
        return images.resize(photo[0], natural_size(sketch.shape, self.size))


def load_model(path: Path, device: Device) -> LoadedModel:
    """Read a generator from its weights.

    Raises:
        CheckpointError: The file is damaged, or its tensors do not fit its own settings.
    """
    tensors, about = checkpoint.load(path)
    try:
        config = settings.from_dict(about["config"])
        size, dataset = (int(about["size"][0]), int(about["size"][1])), about["dataset"]["name"]
        generator = build_generator(config.model)
        generator.load_state_dict(tensors)
    except (KeyError, IndexError, TypeError, RuntimeError, UsageError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path}: not the weights of a generator ({reason})",
            hint="a run's generator is in its weights.safetensors",
        ) from error
    return LoadedModel(path, device.place(generator).eval(), size, dataset, device)


@torch.inference_mode()
def generate_batch(generator: nn.Module, sketches: Pixels, device: Device) -> Pixels:
    """Photos uint8 `(B, H, W, 3)` of sketches uint8 `(B, H, W)`, of the model's size."""
    with device.autocast():
        photos = generator(sketches_to_tensor(sketches, device.torch))
    return tensor_to_photos(photos)


def natural_size(sketch: tuple[int, ...], model: tuple[int, int]) -> tuple[int, int]:
    """Height and width with the sketch's aspect ratio and the model's shorter side.

    >>> natural_size((250, 200), (128, 128))
    (160, 128)
    """
    height, width = sketch[:2]
    scale = min(model) / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def generate(
    source: Path, output: Path, *, model: Path, device: Device, reporter: Reporter = SILENT
) -> GenerateResult:
    """Turn a sketch, or every sketch in a folder, into a photo.

    Args:
        source: A picture, or a folder; a folder's tree is mirrored in `output`.
        output: A file for a file, a folder for a folder.
        model: Weights.
        device: Where to compute, and with which numbers.
        reporter: Told of every file.

    Raises:
        DataError: Nothing to read, nowhere to write, or not one file gave a photo.
        CheckpointError: The weights cannot be used.
    """
    jobs = list(plan(source, output))
    loaded = load_model(model, device)
    done: list[GeneratedFile] = []
    for sketch, photo in jobs:
        done.append(_generate_file(loaded, sketch, photo))
        reporter(Advanced("photos", len(done), len(jobs)))
    result = GenerateResult(model, tuple(done))
    if len(result.failed) == len(done):
        first = result.failed[0]
        more = f" (and {len(done) - 1} more)" if len(done) > 1 else ""
        raise DataError(f"{first.error}{more}")
    return result


def plan(source: Path, output: Path) -> Iterator[tuple[Path, Path]]:
    """Each sketch with the file that its photo goes to.

    Raises:
        DataError: Nothing to read, or a name that cannot be written to.
    """
    if source.is_dir():
        if output.is_file():
            raise DataError(f"{output}: a file, but {source} is a folder", hint="name a folder")
        files = pictures(source)
        stems = [path.relative_to(source).with_suffix("") for path in files]
        for path, stem in zip(files, stems, strict=True):
            # a.jpg and a.png beside each other: keep their photos apart
            name = path.relative_to(source) if stems.count(stem) > 1 else stem
            yield path, output / name.with_name(f"{name.name}.png")
    elif not source.exists():
        raise DataError(f"{source}: no such file or folder")
    elif output.is_dir():
        yield source, output / f"{source.stem}.png"
    elif output.suffix.lower() not in images.WRITABLE:
        raise DataError(f"{output}: not a picture's name", hint="use .png, .jpg or .webp")
    else:
        yield source, output


def _generate_file(model: LoadedModel, sketch: Path, photo: Path) -> GeneratedFile:
    started = time.perf_counter()
    try:
        images.write(photo, model.draw(images.read_luma(sketch)))
    except SketchError as error:  # one bad file never stops a folder
        return GeneratedFile(sketch, None, _milliseconds(started), error.message)
    return GeneratedFile(sketch, photo, _milliseconds(started))


def _milliseconds(started: float) -> float:
    return round(1000 * (time.perf_counter() - started), 1)
