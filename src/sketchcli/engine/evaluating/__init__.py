"""The engine of `eval`: generated photos compared with real photos and with simple baselines."""
