"""Training: the loop, its checkpoints, its validation and its reports."""
