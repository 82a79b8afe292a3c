"""An optimiser's step, where loss and gradient are finite, in fp16 too."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from sketchcli.engine.training.figures import Sums
from sketchcli.engine.training.ranks import Ranks

SMALLEST_SCALE = 1.0  # below it, gradients that are not finite are no matter of scale


def update(
    optimizer: torch.optim.Optimizer,
    network: nn.Module,
    figures: Sums,
    *,
    scaler: GradScaler,
    ranks: Ranks,
) -> bool:
    """Let an optimiser step where loss and gradient are finite.

    In fp16 the loss is scaled up, so that small gradients do not vanish (Micikevicius et al. 2018,
    section 3.2). Where the scale was too high the gradient is not finite, the step is left out and
    the scale halved: that is how the scale is found, and nothing is wrong with the run.

    Args:
        optimizer: Has the network's parameters.
        network: With its gradients, scaled.
        figures: With the loss; the gradient's norm is added.
        scaler: Its `update` is left to the caller.
        ranks: The processes that train together: none skips a step that the others take.

    Returns:
        False where the step was left out for another reason than the scale.
    """
    scaler.unscale_(optimizer)
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    figures.add(1.0, gradient_norm=norm)
    finite = torch.isfinite(torch.stack([norm, figures.loss.to(norm.device)]))
    has_gradient, has_loss = finite.tolist()  # waits for the device once
    if ranks.all(has_gradient and has_loss):
        scaler.step(optimizer)
        return True
    is_scaled = scaler.is_enabled() and scaler.get_scale() > SMALLEST_SCALE
    return ranks.all(has_loss) and is_scaled


def scaler_tensors(scaler: GradScaler) -> dict[str, Tensor]:
    """The scale, and how long it has held; nothing where nothing is scaled."""
    state = scaler.state_dict()
    names = {"scale": "scale", "held": "_growth_tracker"}
    return {
        name: torch.tensor(float(state[key]), dtype=torch.float64)
        for name, key in names.items()
        if key in state
    }


def restore_scaler(scaler: GradScaler, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `scaler_tensors` took; a run that was not scaled before starts anew."""
    if scaler.is_enabled() and tensors:
        found = {"scale": tensors["scale"].item(), "_growth_tracker": int(tensors["held"].item())}
        scaler.load_state_dict(scaler.state_dict() | found)
