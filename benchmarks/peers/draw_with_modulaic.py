"""Generate photos with a checkpoint of `modulaic`, as its `infer` does, by its own Python.

VENV/bin/python draw_with_modulaic.py CHECKPOINT SKETCHES PHOTOS
"""

import sys
from pathlib import Path

import numpy as np
import torch
from modulaic.models import ConditionalUNetGenerator
from PIL import Image

checkpoint, sketches, photos = map(Path, sys.argv[1:])
generator = ConditionalUNetGenerator(
    in_channels=3, out_channels=3, condition_dim=4, depth=5, base_channels=64
)
generator.load_state_dict(torch.load(checkpoint, map_location="cpu")["generator_state_dict"])
generator.eval()
photos.mkdir(exist_ok=True)
for path in sorted(sketches.glob("*.png")):
    sketch = np.array(Image.open(path).convert("RGB")).astype("float32")
    x = torch.from_numpy(sketch / 127.5 - 1.0).permute(2, 0, 1).unsqueeze(0)
    with torch.no_grad():
        photo = generator(x, torch.zeros(1, 4))[0].permute(1, 2, 0).numpy()
    pixels = ((photo + 1.0) * 127.5).clip(0, 255).astype("uint8")
    Image.fromarray(pixels).save(photos / path.name)
