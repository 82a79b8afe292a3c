"""`generate`: sketches in, photos out.

`inputs` and `plan` decide what to read and where to write, and import nothing heavy: a wrong path
fails at once. `prepare` prepares sketches, `sample` turns them into photos, `generate` many.
"""
