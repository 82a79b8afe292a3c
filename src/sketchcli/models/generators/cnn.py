"""The plain CNN that the source's article compares: its generator without the additions."""

from sketchcli.models.generators import resnet

Config = resnet.Config


class Generator(resnet.Generator):
    """The layers of `resnet`, one after the other."""

    is_additive = False
