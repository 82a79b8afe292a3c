"""`generate`: sketches in, photographs out.

What to read and where to write is planned in `inputs` and `outputs`, which import nothing heavy, so
that a wrong path fails at once. `loading` reads models, `preparing` makes a file's pixels what a
model takes, `drawing` turns them into photos, `pipeline` does that for many at a time.
"""
