"""Turn image files into an audited prepared dataset, as the `preprocess` command does."""
