"""Networks.

In all of them `sketch` is the input, `(B, 1, H, W) in [-1, 1]`, and `photo` the target or the
generated photo, `(B, 3, H, W) in [-1, 1]`.
"""
