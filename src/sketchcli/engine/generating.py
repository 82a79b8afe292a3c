"""`generate`: sketches in, photographs out."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from sketchcli import checkpoint, images
from sketchcli import config as settings
from sketchcli.config import Fit
from sketchcli.data.batches import sketches_to_tensor, tensor_to_photos
from sketchcli.data.sources import pictures
from sketchcli.device import Device
from sketchcli.engine.events import SILENT, Advanced, Reporter
from sketchcli.engine.results import GeneratedFile, GenerateResult
from sketchcli.errors import CheckpointError, DataError, SketchError, UsageError
from sketchcli.images import Pixels
from sketchcli.models.building import build_generator

MOST_STRETCHED = 8  # sides of a sketch, the long one to the short one


@dataclass(frozen=True)
class LoadedModel:
    """A generator, ready to draw, and how its training sketches were prepared."""

    path: Path
    generator: nn.Module
    size: tuple[int, int]  # height, width
    fit: Fit  # how its training sketches got that size
    dataset: str  # that it was trained on
    fingerprint: str  # of that set
    trained_on: str  # marks of its training photos; empty where it does not say
    device: Device

    def draw(self, sketch: Pixels) -> Pixels:
        """The photo `(h, w, 3)` of a grey sketch `(H, W)` of any size.

        The sketch is shown as the training sketches were: stretched, padded, or, where those were
        cropped, whole at the same scale. The photo gets the sketch's aspect ratio back, and is as
        large as the model draws.
        """
        natural = natural_size(sketch.shape, self.size)
        if self.fit is Fit.STRETCH:
            return images.resize(self._draw(images.resize(sketch, self.size)), natural)
        if self.fit is Fit.CROP:
            return self._draw(images.resize(sketch, natural))
        photo = self._draw(images.fit(sketch, self.size, Fit.PAD))
        return images.centre(photo, images.inner_size(sketch.shape, self.size))

    def _draw(self, sketch: Pixels) -> Pixels:
        photo: Pixels = generate_batch(self.generator, sketch[None], self.device)[0]
        return photo


def load_model(path: Path, device: Device) -> LoadedModel:
    """Read a generator from its weights.

    Raises:
        CheckpointError: The file is damaged, or its tensors do not fit its own settings.
    """
    tensors, about = checkpoint.load(path)
    try:
        config = settings.from_dict(about["config"])
        fit = Fit(about["fit"])
        size = (int(about["size"][0]), int(about["size"][1]))
        data = about["dataset"]
        name, fingerprint = data["name"], data["fingerprint"]
        generator = build_generator(config.model)
        generator.load_state_dict(tensors)
    except (LookupError, TypeError, ValueError, RuntimeError, UsageError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path}: not the weights of a generator ({reason})",
            hint="a run's generator is in its weights.safetensors",
        ) from error
    placed = device.place(generator).eval()
    marks = data.get("trained_on", "")
    return LoadedModel(path, placed, size, fit, name, fingerprint, marks, device)


@torch.inference_mode()
def generate_batch(generator: nn.Module, sketches: Pixels, device: Device) -> Pixels:
    """Photos uint8 `(B, H, W, 3)` of sketches uint8 `(B, H, W)`, of the model's size."""
    with device.autocast():
        photos = generator(sketches_to_tensor(sketches, device.torch))
    return tensor_to_photos(photos)


def natural_size(sketch: tuple[int, ...], model: tuple[int, int]) -> tuple[int, int]:
    """Height and width with the sketch's aspect ratio and the model's shorter side.

    Raises:
        DataError: The sketch is a strip, more than eight times as long as wide.

    >>> natural_size((250, 200), (128, 128))
    (160, 128)
    """
    height, width = sketch[:2]
    if max(height, width) > MOST_STRETCHED * min(height, width):
        raise DataError(f"{width}x{height} pixels: a strip, not a sketch", hint="crop it")
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
        DataError: Nothing to read, or nowhere to write. A file that gives no photo does not
            raise: the result says why.
        CheckpointError: The weights cannot be used.
    """
    jobs = plan(source, output)
    loaded = load_model(model, device)
    done: list[GeneratedFile] = []
    for sketch, photo in jobs:
        done.append(_generate_file(loaded, sketch, photo))
        reporter(Advanced("sketches", len(done), len(jobs)))
    return GenerateResult(model, tuple(done))


def plan(source: Path, output: Path) -> list[tuple[Path, Path]]:
    """Each sketch with the file that its photo goes to.

    Raises:
        DataError: Nothing to read, a name that cannot be written to, or one that a sketch has.
    """
    if not source.exists():
        raise DataError(f"{source}: no such file or folder", hint="check the path")
    jobs = _plan_folder(source, output) if source.is_dir() else [_plan_file(source, output)]
    sketches = {sketch.resolve() for sketch, _ in jobs}
    for _, photo in jobs:
        if photo.resolve() in sketches:
            raise DataError(f"{photo}: would overwrite a sketch", hint="choose another output")
    return jobs


def _plan_folder(source: Path, output: Path) -> list[tuple[Path, Path]]:
    if output.is_file():
        raise DataError(f"{output}: a file, but {source} is a folder", hint="name a folder")
    if output.resolve().is_relative_to(source.resolve()):
        raise DataError(
            f"{output}: in {source}, where the sketches are; they would be mixed",
            hint="choose a folder beside it",
        )
    files = [path.relative_to(source) for path in pictures(source)]
    stems = Counter(path.with_suffix("") for path in files)
    # a.jpg and a.png beside each other: a_jpg.png and a_png.png keep their photos apart
    names = [
        f"{path.stem}{path.suffix.replace('.', '_')}"
        if stems[path.with_suffix("")] > 1
        else path.stem
        for path in files
    ]
    photos = [
        output / path.with_name(f"{name}.png") for path, name in zip(files, names, strict=True)
    ]
    repeated = [photo for photo, count in Counter(photos).items() if count > 1]
    if repeated:
        raise DataError(f"{repeated[0]}: two sketches would become this file", hint="rename one")
    return [(source / path, photo) for path, photo in zip(files, photos, strict=True)]


def _plan_file(source: Path, output: Path) -> tuple[Path, Path]:
    if output.is_dir():
        return source, output / f"{source.stem}.png"
    if output.suffix.lower() not in images.WRITABLE:
        raise DataError(f"{output}: not a picture's name", hint="use .png, .jpg or .webp")
    return source, output


def _generate_file(model: LoadedModel, sketch: Path, photo: Path) -> GeneratedFile:
    started = time.perf_counter()
    try:
        images.write(photo, model.draw(images.read_luma(sketch)))
    except SketchError as error:  # one bad file never stops a folder
        hint = f" ({error.hint})" if error.hint else ""
        reason = error.message if str(sketch) in error.message else f"{sketch}: {error.message}"
        return GeneratedFile(sketch, None, _milliseconds(started), reason + hint)
    return GeneratedFile(sketch, photo, _milliseconds(started))


def _milliseconds(started: float) -> float:
    return round(1000 * (time.perf_counter() - started), 1)
