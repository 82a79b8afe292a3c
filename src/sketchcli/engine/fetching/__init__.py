"""`fetch-data`: known sets and networks, verified, unpacked safely, and put in their place."""
