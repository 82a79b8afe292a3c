"""Many sketches at a time: streams that draw at once, and what they may take."""

import dataclasses
import threading

import numpy as np
import pytest
import torch

from sketchcli import images
from sketchcli.engine.generating import sample as sample_module
from sketchcli.engine.generating.generate import BATCH, generate
from sketchcli.engine.generating.inputs import Drawing, Naming, Request
from sketchcli.engine.generating.prepare import load_model
from sketchcli.engine.generating.sample import MOST_STREAMS, Sampler


@pytest.fixture
def many(tmp_path, stroke):
    """A folder with batches of drawings for several streams."""
    for index in range(4 * BATCH["cpu"]):
        images.write(tmp_path / "in" / f"{index:02d}.png", stroke(ink=5 * index))
    return tmp_path / "in"


def with_threads(device, count):
    return dataclasses.replace(device, threads=count)


def converted(weights, many, output, device):
    request = Request((str(many),), str(output), models=(weights,), naming=Naming())
    return generate(request, device=device)


def test_batches_are_drawn_at_the_same_time(weights, cpu, many, tmp_path, monkeypatch):
    meeting = threading.Barrier(2, timeout=30)  # that nobody passes alone
    threads = set()
    real = sample_module.generate_batch

    def together(*arguments):
        meeting.wait()
        threads.add(torch.get_num_threads())
        return real(*arguments)

    monkeypatch.setattr(sample_module, "generate_batch", together)
    result = converted(weights, many, tmp_path / "out", with_threads(cpu, 2))
    assert result.count("made") == 4 * BATCH["cpu"]
    assert threads == {1}


def test_photos_do_not_depend_on_the_number_of_streams(weights, cpu, many, tmp_path):
    for count in (1, 3):
        converted(weights, many, tmp_path / f"by-{count}", with_threads(cpu, count))
    photos = [
        [images.read_rgb(path) for path in sorted((tmp_path / f"by-{count}").iterdir())]
        for count in (1, 3)
    ]
    assert len(photos[0]) == len(photos[1]) == 4 * BATCH["cpu"]
    for one, other in zip(*photos, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


def test_threads_are_divided_among_a_few_streams(weights, dropping, cpu):
    for threads, streams in ((1, 1), (2, 2), (64, MOST_STREAMS)):
        model = load_model(weights, with_threads(cpu, threads))
        sampler = Sampler([model], Drawing(), 4)
        assert (sampler.streams, sampler.threads) == (streams, threads // streams)
    sampler = Sampler([load_model(weights, with_threads(cpu, 8))], Drawing(is_tiled=True), 4)
    assert (sampler.streams, sampler.threads) == (1, 8)
    noisy = load_model(dropping, with_threads(cpu, 8))
    sampler = Sampler([noisy], Drawing(variations=2), 4)  # whose noise is of one source
    assert (sampler.streams, sampler.threads) == (1, 8)


def test_a_stream_that_is_interrupted_tells_of_no_photo_that_is_not_there(
    weights, cpu, many, tmp_path
):
    told = []

    def stop_after_five(event):
        if type(event).__name__ == "Converted":
            told.append(event.file.output)
            if len(told) == 5:
                raise KeyboardInterrupt

    request = Request((str(many),), str(tmp_path / "out"), models=(weights,), naming=Naming())
    with pytest.raises(KeyboardInterrupt):
        generate(request, device=with_threads(cpu, 2), reporter=stop_after_five)
    written = sorted((tmp_path / "out").iterdir())
    assert written == sorted(told)
    assert 5 <= len(written) < 4 * BATCH["cpu"]
