"""Portraits: face detection and alignment, backdrops, lighting and freely drawn faces."""
