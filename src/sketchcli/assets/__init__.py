"""Known data sets: a module in this package, named on the command line by its file name.

Each module holds one `ASSET`. A set that is drawn rather than fetched also holds
`draw_pair(index, *, size, seed)`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Asset:
    """What `fetch-data --list` says of a set, and what travels with the data made from it."""

    title: str
    licence: str
    citation: str
    is_local: bool = False  # copied from a folder that the user names with --from
