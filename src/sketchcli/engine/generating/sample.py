"""From prepared sketches to photos: one network or several, as they are, mirrored, or varied."""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from sketchcli import images
from sketchcli.data.batches import sketches_to_tensor, tensor_to_photos
from sketchcli.device import Device, is_out_of_memory
from sketchcli.engine.generating.inputs import Drawing
from sketchcli.engine.generating.prepare import LoadedModel, Prepared
from sketchcli.errors import UsageError
from sketchcli.images import Pixels
from sketchcli.portraits import finding_faces

DROPOUTS = (nn.Dropout, nn.Dropout2d)
MOST_STREAMS = 4  # batches that a CPU draws at the same time; more would take memory alone


@torch.inference_mode()
def generate_batch(generator: nn.Module, sketches: Pixels, device: Device) -> Pixels:
    """Photos uint8 `(B, H, W, 3)` of sketches uint8 `(B, H, W)`, of the model's size."""
    with device.autocast():
        photos = generator(sketches_to_tensor(sketches, device.torch))
    return tensor_to_photos(photos)


def generate_in_parts(
    generator: nn.Module, sketches: Pixels, device: Device, most: int
) -> tuple[Pixels, int]:
    """Photos of any number of sketches; where memory runs out, half as many are tried at a time.

    Returns:
        The photos, and how many at a time had enough memory: `most`, or fewer.

    Raises:
        RuntimeError: Not even one has enough memory, or the network fails for another reason.
    """
    photos: list[Pixels] = []
    row = 0
    while row < len(sketches):
        part = sketches[row : row + most]
        try:
            photos.append(generate_batch(generator, part, device))
        except (RuntimeError, MemoryError) as error:
            if len(part) == 1 or not is_out_of_memory(error):
                raise
            most = len(part) // 2
        else:
            row += len(part)
    return np.concatenate(photos), most


class Sampler:
    """Draws what several models, and a sketch's mirror image, agree on.

    Args:
        models: The models; the mean of their photos is the photo.
        drawing: What was asked for.
        batch: Frames that go through a network together; fewer once memory has run out.

    Attributes:
        gathered: Frames that are worth a batch.
        streams: Threads that may draw at the same time.
        threads: That torch computes with in each of those.

    Raises:
        UsageError: Variations are asked of a model that has no noise.
    """

    def __init__(self, models: Sequence[LoadedModel], drawing: Drawing, batch: int) -> None:
        self.models, self.drawing, self.batch = tuple(models), drawing, batch
        # Noise depends on what else is in a batch, and on torch's one source of chance: with noise,
        # a sketch is drawn alone.
        is_alone = drawing.variations > 1
        self.gathered = 1 if is_alone else batch
        device = self.models[0].device
        # A sketch in tiles is many batches, which one stream draws: it gets all the threads.
        is_single = is_alone or drawing.is_tiled or device.torch.type != "cpu"
        self.streams = 1 if is_single else min(MOST_STREAMS, device.threads)
        self.threads = device.threads // self.streams  # of each
        if is_alone:
            for model in models:
                check_has_noise(model)

    def draw(self, sketches: Sequence[Prepared], variation: int = 0) -> list[tuple[Pixels, ...]]:
        """For each sketch the photos of its frames, `(K, h, w, 3)`, by each way of drawing.

        Args:
            sketches: Whose frames have the same shapes.
            variation: Which of several photos, from 0; each has noise of its own.
        """
        counts = [len(sketch.frames[0]) for sketch in sketches]
        ends = np.cumsum(counts)[:-1].tolist()
        ways = []
        for index, model in enumerate(self.models):
            frames = np.concatenate([sketch.frames[index] for sketch in sketches])
            for is_mirrored in (False, True)[: 1 + self.drawing.is_flipped_too]:
                with self._noise(model, variation):
                    photos = self._photos(model, frames[:, :, ::-1] if is_mirrored else frames)
                ways.append(np.split(photos[:, :, ::-1] if is_mirrored else photos, ends))
        return list(zip(*ways, strict=True))

    def finish(self, sketch: Prepared, photos: Sequence[Pixels]) -> Pixels:
        """The photo `(H, W, 3)` as it was asked for, from `draw`'s."""
        ways = len(photos) // len(self.models)
        framings = [framing for framing in sketch.framings for _ in range(ways)]
        whole = [framing.join(part) for framing, part in zip(framings, photos, strict=True)]
        photo = images.resize(_mean(whole), sketch.size)
        if sketch.eyes is not None:
            photo = finding_faces.paste(photo, images.to_rgb(sketch.original), sketch.eyes)
        if self.drawing.is_compared:
            return beside(sketch.original if sketch.eyes is not None else sketch.shown, photo)
        return photo

    def _photos(self, model: LoadedModel, frames: Pixels) -> Pixels:
        photos, fitting = generate_in_parts(model.generator, frames, model.device, self.batch)
        self.batch = min(self.batch, fitting)  # what did not fit once is not tried again
        return photos

    @contextlib.contextmanager
    def _noise(self, model: LoadedModel, variation: int) -> Iterator[None]:
        """Where variations are asked for, dropout as in training, seeded."""
        if self.drawing.variations == 1:
            yield
            return
        layers = _noisy_layers(model.generator)
        devices = [model.device.torch] if model.device.torch.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed((self.drawing.seed * 1_000_003 + variation) % 2**63)
            try:
                for layer in layers:
                    layer.training = True
                yield
            finally:
                for layer in layers:
                    layer.training = False


def check_has_noise(model: LoadedModel) -> None:
    """Refuse variations of a model that draws one photo of a sketch, and no other.

    pix2pix's noise is its dropout (Isola et al. 2017, section 3.1); other models have none.

    Raises:
        UsageError: It has no dropout.
    """
    if not _noisy_layers(model.generator):
        raise UsageError(
            f"{model.path}: this model has no noise: it draws one photo of a sketch",
            hint="leave out --variations, or train with dropout: "
            "--generator unet, or --set model.generator_options.dropout=0.2",
        )


def beside(sketch: Pixels, photo: Pixels) -> Pixels:
    """Sketch and photo side by side, both as large as the photo."""
    size = (photo.shape[0], photo.shape[1])
    return np.hstack([images.to_rgb(images.resize(sketch, size)), photo])


def _noisy_layers(network: nn.Module) -> list[nn.Module]:
    """Modules that drop channels in training: torch's, and blocks with a share to drop."""
    return [
        module
        for module in network.modules()
        if (isinstance(module, DROPOUTS) and module.p > 0)
        or (isinstance(share := getattr(module, "dropout", None), float) and share > 0)
    ]


def _mean(photos: Sequence[Pixels]) -> Pixels:
    """The mean of photos; those of other sizes get the first one's."""
    if len(photos) == 1:
        return photos[0]
    size = (photos[0].shape[0], photos[0].shape[1])
    total = np.zeros(photos[0].shape, np.float32)
    for photo in photos:
        total += images.resize(photo, size)
    mean: Pixels = np.rint(total / len(photos)).astype(np.uint8)
    return mean
