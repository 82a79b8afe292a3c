"""Discriminators, a module for each.

A module holds `Config`, a frozen dataclass of the network's dimensions, and `Discriminator`,
built as `Discriminator(Config(...), image_size)` and called with a sketch and a photo; it
returns a `DiscriminatorOutput`. One that takes no other size than that says so:
`is_of_one_size = True`.
"""
