"""KID against torchmetrics, two loops in plain Python, and what an unbiased estimate promises."""

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from sketchcli.errors import DataError
from sketchcli.metrics import inception


@pytest.fixture
def draw():
    def normal(count, width=12, seed=0, shift=0.0):
        random = np.random.default_rng(seed)
        return (random.standard_normal((count, width)) + shift).astype(np.float32)

    return normal


def literal(x, y):
    """Equation 4 of Binkowski et al. 2018."""

    def kernel(a, b):
        return (float(np.dot(a.astype(float), b.astype(float))) / len(a) + 1) ** 3

    m, n = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i in range(m) for j in range(m) if i != j)
    yy = sum(kernel(y[i], y[j]) for i in range(n) for j in range(n) if i != j)
    xy = sum(kernel(a, b) for a in x for b in y)
    return xx / (m * (m - 1)) + yy / (n * (n - 1)) - 2 * xy / (m * n)


@pytest.mark.parametrize(("count", "other"), [(2, 2), (7, 5), (30, 40)])
def test_what_two_loops_say(draw, count, other):
    generated, real = draw(count, shift=0.5), draw(other, seed=1)
    assert inception.kid(generated, real) == pytest.approx(
        1000 * literal(generated, real), rel=1e-10
    )


def test_what_torchmetrics_says(draw):
    generated, real = np.abs(draw(60, 2048)), np.abs(draw(60, 2048, seed=1, shift=0.2))
    expected = poly_mmd(torch.from_numpy(real).double(), torch.from_numpy(generated).double())
    assert inception.kid(generated, real) == pytest.approx(1000 * float(expected), rel=1e-9)


def test_blocks_add_up_to_the_whole(draw, monkeypatch):
    generated, real = draw(23, shift=0.5), draw(31, seed=1)
    whole = inception.kid(generated, real)
    monkeypatch.setattr(inception, "KERNEL_BLOCK", 7)
    assert inception.kid(generated, real) == pytest.approx(whole, rel=1e-12)


def test_both_sides_count_alike_and_in_any_order(draw):
    generated, real = draw(23, shift=0.5), draw(31, seed=1)
    assert inception.kid(generated, real) == pytest.approx(
        inception.kid(real, generated), rel=1e-12
    )
    assert inception.kid(generated[::-1], real) == pytest.approx(inception.kid(generated, real))


def test_it_is_unbiased(draw):
    """Sets of five from one distribution: the mean of many is 0, whatever their size."""
    values = [inception.kid(draw(5, seed=2 * i), draw(5, seed=2 * i + 1)) for i in range(4000)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 4 * error
    assert min(values) < 0 < max(values)


def test_sets_farther_apart_score_worse(draw):
    real = draw(40, seed=1)
    near, far = (inception.kid(draw(40, shift=shift), real) for shift in (0.3, 1))
    assert near < far


def test_one_picture_has_no_partner(draw):
    for sizes in ((1, 5), (5, 1)):
        with pytest.raises(DataError, match="two or more images"):
            inception.kid(draw(sizes[0]), draw(sizes[1]))
