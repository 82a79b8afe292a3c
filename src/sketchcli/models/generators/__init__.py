"""Generators, one per module.

A module contains `Config`, a frozen dataclass of the network's dimensions, and `Generator`, built
as `Generator(Config(...), inputs, outputs)` for images of 1 or 3 channels, and called with a sketch
of any size.
"""
