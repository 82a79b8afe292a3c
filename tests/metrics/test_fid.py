"""FID against closed forms, torchmetrics, and the square root that it does not take."""

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import _compute_fid

from sketchcli.errors import DataError
from sketchcli.metrics import inception


def with_moments(count, mean, deviations, seed=0):
    """Features whose mean, and whose diagonal covariance, are exactly these."""
    random = np.random.default_rng(seed).standard_normal((count, len(mean)))
    directions = np.linalg.qr(random - random.mean(axis=0))[0]
    return directions * np.sqrt(count - 1) * deviations + mean


def gaussian(count, width, seed, shift=0.0):
    random = np.random.default_rng(seed)
    mixed = random.standard_normal((count, width)) @ random.standard_normal((width, width))
    return (mixed + shift).astype(np.float32)


@pytest.mark.parametrize("count", [8, 50])
def test_two_diagonal_gaussians(count):
    """|m1 - m2|² + the sum of (s1 - s2)²."""
    means = np.array([1.0, 2, 3]), np.array([0.0, 4, 3])
    deviations = np.array([1.0, 2, 0.5]), np.array([3.0, 2, 0.25])
    first = with_moments(count, means[0], deviations[0])
    second = with_moments(count + 5, means[1], deviations[1], seed=1)
    expected = 1 + 4 + 0 + 4 + 0 + 0.0625
    assert inception.fid(first, second) == pytest.approx(expected, rel=1e-9)


def test_what_torchmetrics_says():
    first, second = gaussian(200, 10, 0, shift=1), gaussian(300, 10, 1)
    moments = []
    for features in (first, second):
        tensor = torch.from_numpy(features).double()
        moments += [tensor.mean(dim=0), torch.cov(tensor.T)]
    assert inception.fid(first, second) == pytest.approx(float(_compute_fid(*moments)), rel=1e-8)


@pytest.mark.parametrize("counts", [(5, 9), (12, 4), (40, 6)])
def test_fewer_pictures_than_features(counts):
    """The trace of a product's square root is the sum of the roots of its eigenvalues."""
    first, second = gaussian(counts[0], 20, 0), gaussian(counts[1], 20, 1, shift=0.3)
    covariances = [np.cov(f.T.astype(float)) for f in (first, second)]
    roots = np.sqrt(np.maximum(np.linalg.eigvals(covariances[0] @ covariances[1]).real, 0))
    away = ((first.mean(0, dtype=float) - second.mean(0, dtype=float)) ** 2).sum()
    expected = away + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * roots.sum()
    assert inception.fid(first, second) == pytest.approx(expected, rel=1e-5)


def test_equal_sets_are_at_no_distance():
    features = gaussian(50, 20, 0)
    assert 0 <= inception.fid(features, features) < 1e-9 * np.square(features).sum()
    assert 0 <= inception.fid(features[::-1], features) < 1e-9 * np.square(features).sum()


def test_both_sides_count_alike():
    first, second = gaussian(50, 20, 0, shift=1), gaussian(30, 20, 1)
    assert inception.fid(first, second) == pytest.approx(inception.fid(second, first), rel=1e-10)


def test_a_shift_adds_its_square():
    features = gaussian(50, 8, 0).astype(np.float64)
    assert inception.fid(features + 3, features) == pytest.approx(8 * 9, rel=1e-9)


def test_few_pictures_bias_it_upwards():
    """Why a figure is worth little without its count."""
    random = np.random.default_rng(0)
    few, many = (
        inception.fid(random.standard_normal((n, 10)), random.standard_normal((n, 10)))
        for n in (20, 5000)
    )
    assert few > 5 * many > 0


def test_one_picture_has_no_covariance():
    with pytest.raises(DataError, match="two or more images"):
        inception.fid(gaussian(1, 4, 0), gaussian(5, 4, 1))


def test_fewer_pictures_than_features_of_inception_are_few():
    assert inception.ENTRIES["fid"].FEW == 2048
