"""Training: the loop, what it keeps on disk, what it says of itself."""
