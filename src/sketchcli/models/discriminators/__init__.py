"""Discriminators, one per module.

A module contains `Config`, a frozen dataclass of the network's dimensions, and `Discriminator`,
built as `Discriminator(Config(...), image_size)` and called with a sketch and a photo; it returns
a `DiscriminatorOutput`.
"""
