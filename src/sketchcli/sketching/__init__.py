"""Sketch styles: a module in this package draws a sketch from a photo, named by its file."""
