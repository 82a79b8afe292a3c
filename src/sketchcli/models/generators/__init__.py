"""Generators, one per module.

A module contains `Config`, a frozen dataclass of the network's dimensions, and `Generator`, built
as `Generator(Config(...))` and called with a sketch of any size.
"""
