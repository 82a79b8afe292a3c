"""Weights of untrained models, as a run leaves them."""

from sketchcli import checkpoint
from sketchcli import config as settings
from sketchcli import device as devices
from sketchcli.config import domains_from_dict
from sketchcli.engine.runs import Run
from sketchcli.engine.training.networks import WeightAverage
from sketchcli.engine.training.trainer import Trainer


def weights_of(folder, config, *, size=(32, 32), seed=0, **changes):
    """A run's folder with weights and a state whose networks differ; nothing is trained."""
    import torch

    device = devices.resolve("cpu", precision="fp32")
    domains = domains_from_dict(changes.get("domains"))
    trainer = Trainer(config, image_size=size, domains=domains, device=device)
    average = WeightAverage(trainer.generator, 0).network
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in average.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    about = {
        "config": settings.to_dict(config),
        "size": size,
        "fit": "stretch",
        "align": "none",
        "dataset": {"name": "drawn", "fingerprint": "0" * 64, "licence": "MIT"},
        "scores": {"ssim": 0.5},
        "epochs_done": 1,
    }
    run = Run(folder)
    checkpoint.save(run.weights, average.state_dict(), about | changes)
    checkpoint.save(run.state, trainer.state(), about | changes)
    return run.weights
