"""Discriminators, one per module.

A module contains `Config`, a frozen dataclass of the network's dimensions, and `Discriminator`,
built as `Discriminator(Config(...), image_size, inputs, outputs)` for sketches and photos of 1 or 3
channels, and called with a sketch and a photo; it returns a `DiscriminatorOutput`.
"""
