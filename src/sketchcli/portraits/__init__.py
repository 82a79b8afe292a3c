"""Portraits: faces found and framed, backdrops, light, and the liberties of somebody who draws."""
