"""Turn sketches into photographs with a conditional GAN, and train such translators."""

__version__ = "0.1.0.dev0"
