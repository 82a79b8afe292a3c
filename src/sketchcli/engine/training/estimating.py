"""`train --dry-run`: what a run would cost, without leaving anything behind."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sketchcli import config as settings
from sketchcli.engine.results import TrainEstimate
from sketchcli.engine.training import loop
from sketchcli.engine.training.planning import seconds_a_step
from sketchcli.engine.training.session import Session
from sketchcli.models.building import count_parameters

MOMENTS = {"adam": 2, "adamw": 2, "rmsprop": 1, "adagrad": 1}  # that an optimiser keeps of a weight
FLOAT = 4  # bytes


def estimate(session: Session) -> TrainEstimate:
    """What the run of a session would take: a few steps are trained, and thrown away.

    Memory is that of weights, their average, gradients, moments, and of the activations that the
    networks keep for one step; buffers of the libraries come on top.
    """
    trainer, config = session.trainer, session.config
    generator = count_parameters(trainer.generator)
    discriminator = count_parameters(trainer.discriminator)
    copies = 2 + MOMENTS[config.optimizer.name]  # weights, gradients and moments
    of_weights = FLOAT * (copies * (generator + discriminator) + generator)
    activations = _activations(session)
    step = seconds_a_step(session)
    session.measure()
    steps = session.batches * config.epochs
    height, width = session.dataset.description.size
    return TrainEstimate(
        dataset=session.dataset.description.name,
        pairs=len(session.pairs.trained),
        held_out=len(session.pairs.looked_at) if session.pairs.is_held_out else 0,
        size=(height, width),
        generator_parameters=generator,
        discriminator_parameters=discriminator,
        steps=steps,
        seconds_a_step=round(step, 3),
        seconds=round(
            steps * step + config.epochs / config.validation.every * session.measurement_seconds
        ),
        memory_megabytes=round((of_weights + activations) / 2**20),
        device=session.device.name,
        precision=session.device.precision,
        settings=settings.to_toml(config),
    )


def _activations(session: Session) -> int:
    """Bytes that the networks keep of one step's parts until their gradients are known."""
    rows = session.pairs.trained[: session.batch_size]
    whole = loop.prepare(session, session.training.take(rows), 1.0)
    part = next(whole.split(session.config.data.accumulate))
    trainer = session.trainer
    drawing = kept_bytes(trainer.generator, lambda: trainer.generate(part.sketch, part.photo))
    judging = kept_bytes(
        trainer.discriminator, lambda: trainer.discriminator(part.sketch, part.photo)
    )
    return drawing + 2 * judging  # real and generated photos are judged before one update


def kept_bytes(network: nn.Module, run: Callable[[], object]) -> int:
    """Bytes that autograd keeps while `run` is called, its parameters left out."""
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    sizes: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        kept = run()
    del kept
    return sum(sizes.values())
