"""Networks.

In all of them `sketch` is the input and `photo` the target or the generated photo, each
`(B, C, H, W)` in [-1, 1] with 1 channel (grey) or 3 (RGB).
"""
