"""Precision and recall against the paper's definition, written as loops."""

import numpy as np
import pytest

from sketchcli.errors import DataError
from sketchcli.metrics import inception


def normal(count, width=6, seed=0, shift=0.0, spread=1.0):
    random = np.random.default_rng(seed)
    return (spread * random.standard_normal((count, width)) + shift).astype(np.float32)


def literal(points, manifold, k=3):
    """Equations 1 and 2 of Kynkaanniemi et al. 2019."""

    def distance(a, b):
        return np.sqrt(((a.astype(float) - b.astype(float)) ** 2).sum())

    inside = 0
    for point in points:
        for i, centre in enumerate(manifold):
            others = sorted(distance(centre, o) for j, o in enumerate(manifold) if j != i)
            if distance(point, centre) <= others[k - 1]:
                inside += 1
                break
    return inside / len(points)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("count", "other"), [(4, 4), (9, 14), (25, 18)])
def test_what_loops_say(seed, count, other):
    generated, real = normal(count, seed=seed, shift=0.7), normal(other, seed=seed + 100)
    assert inception.precision(generated, real) == literal(generated, real)
    assert inception.recall(generated, real) == literal(real, generated)


def test_by_hand():
    """The balls around 0, 1, 2, 3 reach 3, 2, 2 and 3 far: from -3 to 6."""
    real = np.array([[0], [1], [2], [3]], np.float32)
    generated = np.array([[-3.1], [-3], [0], [6], [6.1]], np.float32)
    assert inception.precision(generated, real) == 3 / 5


def test_equal_sets_are_perfect():
    features = normal(30, 2048)
    assert inception.precision(features, features[::-1]) == 1
    assert inception.recall(features, features[::-1]) == 1


def test_sets_far_apart_share_nothing():
    assert inception.precision(normal(30, shift=100), normal(30, seed=1)) == 0
    assert inception.recall(normal(30, shift=100), normal(30, seed=1)) == 0


def test_one_mode_of_many_is_precise_and_recalls_little():
    """Where the two are swapped, this says so."""
    real = np.concatenate([normal(40, seed=i, shift=20 * i) for i in range(4)])
    generated = normal(60, seed=9)
    assert inception.precision(generated, real) > 0.7
    assert inception.recall(generated, real) < 0.3


def test_copies_are_only_themselves():
    """Balls without extent: rounding must neither lose the copies nor take others in."""
    copies = np.repeat(normal(20, 2048, shift=3), 5, axis=0)
    others = copies + np.float32(1e-3)
    assert inception.recall(copies[::-1], copies) == 1
    assert inception.precision(copies[:7], copies) == 1
    assert inception.recall(copies, others) == 0


def test_blocks_say_what_the_whole_says(monkeypatch):
    generated, real = normal(23, shift=0.5), normal(31, seed=1)
    whole = inception.precision(generated, real)
    assert 0 < whole < 1
    monkeypatch.setattr(inception, "BALLS_BLOCK", 5)
    assert inception.precision(generated, real) == whole


def test_too_few_pictures_have_no_third_neighbour():
    few, enough = normal(3), normal(4, seed=1)
    with pytest.raises(DataError, match="4 or more images"):
        inception.precision(enough, few)
    with pytest.raises(DataError, match="4 or more images"):
        inception.recall(few, enough)
    assert inception.precision(few, enough) in {0, 1 / 3, 2 / 3, 1}
