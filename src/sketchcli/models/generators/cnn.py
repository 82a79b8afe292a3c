"""The plain CNN that the source's article compares: `resnet` without its residual additions."""

from sketchcli.models.generators import resnet

Config = resnet.Config


class Generator(resnet.Generator):
    """The layers of `resnet` in sequence."""

    is_additive = False
