"""Sketch styles: each public module draws sketches from photos and is named after its style."""
