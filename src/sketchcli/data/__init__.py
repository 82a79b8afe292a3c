"""Sources, pairing, splits, prepared datasets, the pair audit, augmentation and batches."""
