"""One pair in one record."""

import numpy as np

from sketchcli.assets.demo import draw_pair
from sketchcli.data.audit.records import FEATURES, SIDE, describe


def record(source, sketch=None, photo=None):
    drawn, shot = draw_pair(0, size=32)
    return describe(source, shot, drawn if sketch is None else sketch, shot)


def paper(red, green, blue, *, size=(90, 70)):
    return np.full((*size, 3), (red, green, blue), np.uint8)


def test_a_record_is_small_and_of_one_size():
    made = record(paper(255, 255, 255))
    assert made.shape == ()
    assert made.dtype == FEATURES
    assert FEATURES.itemsize <= 10_000


def test_it_keeps_the_sizes_of_files_and_store():
    made = record(paper(255, 255, 255, size=(90, 70)))
    assert made["sketch_source"].tolist() == [90, 70]
    assert made["photo_source"].tolist() == [32, 32]
    assert made["size"].tolist() == [32, 32]
    assert made["sketch"].shape == (SIDE, SIDE)


def test_chroma_is_the_spread_of_the_channels():
    assert record(paper(250, 240, 220))["chroma"] == 30
    assert record(paper(99, 99, 99))["chroma"] == 0


def test_the_paper_is_measured_at_the_border():
    source = paper(240, 240, 240)
    source[20:70, 15:55] = 10
    made = record(source)
    assert made["paper"] == 240
    assert made["middle"] == 240
    source[5:85, 5:65] = 10
    assert record(source)["middle"] == 10


def test_thin_lines_keep_their_darkness():
    sketch = np.full((128, 128), 255, np.uint8)
    sketch[64] = 40
    assert record(paper(255, 255, 255), sketch)["sketch_range"] == 215


def test_any_size_of_source_will_do():
    for size in ((1, 1), (1, 500), (63, 64), (65, 129)):
        assert record(paper(9, 9, 9, size=size))["middle"] == 9


def test_the_same_pair_gives_the_same_record():
    assert record(paper(1, 2, 3)).tobytes() == record(paper(1, 2, 3)).tobytes()


def test_colours_of_one_luma_keep_their_edge_and_sides_may_be_grey_or_colour():
    red_and_green = np.zeros((64, 64, 3), np.uint8)
    red_and_green[:, :32, 0], red_and_green[:, 32:, 1] = 196, 100  # a luma of 59 each
    grey = np.repeat(np.arange(64, dtype=np.uint8)[None], 64, axis=0)
    made = describe(red_and_green, grey, red_and_green, grey)
    assert np.ptp(made["sketch"]) == 196
    assert made["sketch_range"] <= 1
    assert made["size"].tolist() == [64, 64]
    assert np.ptp(made["photo"]) > 60
