"""Pairs, splits, prepared arrays, augmentation and batches."""
