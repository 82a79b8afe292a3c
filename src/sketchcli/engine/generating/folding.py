"""Batch norms folded into the convolutions before them: the same photos with less work."""

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(network: nn.Module) -> int:
    """Fold, in place, every batch norm that follows a convolution in a sequence.

    In evaluation a batch norm is a scale and a shift of each channel, which the convolution's
    weights can hold (Jacob et al. 2018, section 3.2). The network must be in evaluation mode.

    Returns:
        How many were folded.
    """
    sequences = [module for module in network.modules() if isinstance(module, nn.Sequential)]
    return sum(_fold(sequence) for sequence in sequences)


def _fold(sequence: nn.Sequential) -> int:
    count = 0
    for index in range(len(sequence) - 1):
        layer, norm = sequence[index], sequence[index + 1]
        if not isinstance(norm, nn.BatchNorm2d):
            continue
        if isinstance(layer, nn.Conv2d):
            sequence[index] = fuse_conv_bn_eval(layer, norm)
        elif isinstance(layer, nn.ConvTranspose2d):
            sequence[index] = fuse_conv_bn_eval(layer, norm, transpose=True)
        else:
            continue
        sequence[index + 1] = nn.Identity()
        count += 1
    return count
