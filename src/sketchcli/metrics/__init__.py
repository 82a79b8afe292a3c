"""Scores of generated against real photos; a module in this package for each."""
