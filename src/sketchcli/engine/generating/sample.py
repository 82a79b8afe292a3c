"""Generating photos from prepared sketches: with one model or several, or varied."""

import threading
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from sketchcli import images
from sketchcli.device import Device, is_out_of_memory, to_images, to_tensor
from sketchcli.engine.generating.inputs import Drawing
from sketchcli.engine.generating.prepare import LoadedModel, Prepared
from sketchcli.errors import UsageError
from sketchcli.images import Pixels
from sketchcli.portraits import finding_faces

MOST_STREAMS = 4  # limit for batches that a CPU generates at once; more would only take memory


@torch.inference_mode()
def generate_batch(generator: nn.Module, sketches: Pixels, device: Device) -> Pixels:
    """Return the uint8 photos of uint8 sketches of the model's size, both grey or RGB."""
    with device.autocast():
        photos = generator(to_tensor(sketches, device.torch))
    return to_images(photos)


def generate_in_parts(
    generator: nn.Module, sketches: Pixels, device: Device, most: int
) -> tuple[Pixels, int]:
    """Generate any number of photos, `most` at a time, or fewer if memory runs out.

    Return the photos, and the number that fitted into memory at a time, which is at least one.
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
    """Generates photos, each the mean of several models' photos.

    The models' dropout is on, as in training, if variations are requested, and otherwise off.

    Attributes:
        batch: Frames per batch; reduced once memory runs out.
        gathered: Frames to collect for a batch.
        streams: Threads that may generate at the same time.
        threads: Threads that torch computes with in each stream.
        is_stopped: Set to end `draw` in all threads, before the next layer of a network.
    """

    def __init__(self, models: Sequence[LoadedModel], drawing: Drawing, batch: int) -> None:
        self.models, self.drawing, self.batch = tuple(models), drawing, batch
        # Noise depends on the rest of the batch and on torch's only random generator, so with noise
        # a sketch is generated alone.
        is_alone = drawing.variations > 1
        self.gathered = 1 if is_alone else batch
        device = self.models[0].device
        # A tiled sketch makes many batches for one stream, which therefore gets all the threads.
        is_single = is_alone or drawing.is_tiled or device.torch.type != "cpu"
        self.streams = 1 if is_single else min(MOST_STREAMS, device.threads)
        self.threads = device.threads // self.streams
        self.is_stopped = threading.Event()
        for module in {module for model in self.models for module in model.generator.modules()}:
            module.register_forward_pre_hook(self._stop)
        for model in self.models:
            noisy = _noisy_layers(model.generator)
            if is_alone and not noisy:
                sketch, photo = model.domains.input.one, model.domains.target.one
                raise UsageError(
                    f"{model.path}: this model is deterministic and generates only one {photo} per "
                    f"{sketch}",
                    hint="omit --variations, or train a model with dropout: "
                    "--generator unet, or --set model.generator_options.dropout=0.2",
                )
            for layer in noisy:
                layer.training = is_alone

    def draw(self, sketches: Sequence[Prepared], variation: int = 0) -> list[tuple[Pixels, ...]]:
        """Return, for each sketch, the photos of its frames: one array of K photos per model.

        All sketches must have frames of the same shapes. Each variation has its own noise.
        """
        ends = np.cumsum([len(sketch.frames[0]) for sketch in sketches])[:-1].tolist()
        parts, has_noise = [], self.drawing.variations > 1
        for index, model in enumerate(self.models):
            frames = np.concatenate([sketch.frames[index] for sketch in sketches])
            devices = [model.device.torch] if model.device.torch.type == "cuda" else []
            with torch.random.fork_rng(devices, enabled=has_noise):
                if has_noise:
                    torch.manual_seed((self.drawing.seed * 1_000_003 + variation) % 2**63)
                most = model.at_once(frames.shape[1:], self.batch, streams=self.streams)
                photos, fitting = generate_in_parts(model.generator, frames, model.device, most)
            if fitting < most:  # batches that did not fit are not tried again
                self.batch = min(self.batch, fitting)
            parts.append(np.split(photos, ends))
        return list(zip(*parts, strict=True))

    def _stop(self, *_: object) -> None:
        if self.is_stopped.is_set():
            raise KeyboardInterrupt

    def finish(self, sketch: Prepared, parts: Sequence[Pixels]) -> Pixels:
        """Return the finished photo, grey or RGB, from the photos of its frames, one per model."""
        photos = [framing.join(part) for framing, part in zip(sketch.framings, parts, strict=True)]
        photo = photos[0]
        if len(photos) > 1:  # of models whose sizes may differ
            same = [images.resize(each, photo.shape[:2]) for each in photos]
            photo = np.rint(np.mean(same, axis=0, dtype=np.float32)).astype(np.uint8)
        photo = images.resize(photo, sketch.size)
        if sketch.eyes is not None:
            photo = finding_faces.paste(
                images.to_rgb(photo), images.to_rgb(sketch.original), sketch.eyes
            )
        if self.drawing.is_compared:
            beside = sketch.original if sketch.eyes is not None else sketch.shown
            beside = images.resize(beside, photo.shape[:2])
            return np.hstack([images.to_rgb(beside), images.to_rgb(photo)])
        return photo


def _noisy_layers(network: nn.Module) -> list[nn.Module]:
    """Return torch's dropout modules, and the project's blocks that have a dropout fraction.

    pix2pix's noise is its dropout (Isola et al. 2017, section 3.1); other models have none.
    """
    return [
        module
        for module in network.modules()
        if (isinstance(module, nn.Dropout | nn.Dropout2d) and module.p > 0)
        or (isinstance(share := getattr(module, "dropout", None), float) and share > 0)
    ]
