"""Generators, a module for each.

A module holds `Config`, a frozen dataclass of the network's dimensions, and `Generator`, built
as `Generator(Config(...))` and called with a sketch of any size.
"""
