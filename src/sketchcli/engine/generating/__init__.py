"""`generate`: sketches in, photos out.

`inputs` and `plan` decide what to read and where to write; they import nothing heavy, so that a
wrong path fails at once. `prepare` loads models and prepares sketches for them, `sample` turns them
into photos, and `generate` does so for many sketches at a time.
"""
