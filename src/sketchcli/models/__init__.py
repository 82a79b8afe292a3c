"""Networks.

`sketch` is always the condition, `(B, 1, H, W) in [-1, 1]`; `photo` the target or the result,
`(B, 3, H, W) in [-1, 1]`.
"""
