"""Weights of untrained models, and a call of `generate` in one line."""

import dataclasses

import numpy as np
import pytest
from generating_fixtures import weights_of

from sketchcli.data import appearance
from sketchcli.engine.generating.generate import generate
from sketchcli.engine.generating.inputs import Drawing, Naming, Request, Selection, Shard


@pytest.fixture
def weights(tiny, tmp_path):
    """Weights of an untrained model of 32 pixels."""
    return weights_of(tmp_path / "run", tiny)


@pytest.fixture
def dropping(tiny, tmp_path):
    """The same, of a model that drops channels: it has noise."""
    options = tiny.model.generator_options | {"dropout": 0.5}
    model = dataclasses.replace(tiny.model, generator_options=options)
    return weights_of(tmp_path / "dropping", dataclasses.replace(tiny, model=model))


@pytest.fixture
def looks(folders):
    """What the drawn sketches look like, as weights carry it."""
    from sketchcli import images

    files = sorted((folders / "sketches").iterdir())
    return appearance.look(images.luma(images.read(file)) for file in files)


@pytest.fixture
def convert(weights, cpu):
    """Run `generate`: fields of the request's parts may be given by name."""

    def run(sources, output, *, models=None, reporter=None, **given):
        parts = {}
        for name, kind in (("selection", Selection), ("naming", Naming), ("drawing", Drawing)):
            known = {f.name for f in dataclasses.fields(kind)} & given.keys()
            parts[name] = kind(**{key: given.pop(key) for key in known})
        many = sources if isinstance(sources, list) else [sources]
        request = Request(
            tuple(map(str, many)),
            str(output),
            models=tuple(models or [weights]),
            shard=given.pop("shard", Shard()),
            **parts,
            **given,
        )
        reporting = {} if reporter is None else {"reporter": reporter}
        return generate(request, device=cpu, **reporting)

    return run


@pytest.fixture
def stroke():
    """A drawing: dark strokes on white."""

    def draw(height=48, width=40, *, paper=255, ink=20):
        picture = np.full((height, width), paper, np.uint8)
        picture[height // 4 : height // 4 + 2, width // 5 : -width // 5] = ink
        picture[height // 4 : -height // 4, width // 2 : width // 2 + 2] = ink
        return picture

    return draw
