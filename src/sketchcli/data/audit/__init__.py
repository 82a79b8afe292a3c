"""The pair audit, which examines the pairs of a dataset while it is being prepared.

`records` describes each pair in a few kilobytes, in any process. `findings` examines the records of
all pairs for bad images and near-duplicates, `matching` for wrong and misaligned pairs.
"""
