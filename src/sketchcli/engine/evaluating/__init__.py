"""`eval`: generated against real photos, pair by pair, with the trivial baselines beside them."""
