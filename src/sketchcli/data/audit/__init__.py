"""The pair audit: what is wrong with a set of pairs, found while it is prepared.

`features` describes a pair in a few kilobytes, in whichever process reads it. `findings` examines
the records of all pairs together: each picture by itself (`looks`), what occurs twice
(`duplicates`), sketches that belong to another photo (`matching`), and pairs that do not lie on
each other (`shifts`).
"""
