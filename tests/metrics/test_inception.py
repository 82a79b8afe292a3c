"""Our Inception against the published TorchScript, whose code is another's."""

import cv2
import numpy as np
import pytest
import torch
from conftest import extract
from metrics.published import converted, published
from metrics.references import drawn, spoiled
from torch import nn

from sketchcli.errors import CheckpointError
from sketchcli.metrics import inception
from sketchcli.metrics.inception import InceptionNetwork

NOWHERE = np.empty((0, 0))  # the places are not used


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return converted("fid-inception", tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def network(file):
    return inception.Inception({"fid-inception": file})


@pytest.fixture(scope="module")
def photos():
    base = drawn(70, 50)
    noise = np.random.default_rng(0).integers(0, 256, base.shape, np.uint8)
    return np.stack([base, spoiled(base), 255 - base, 0 * base, noise])


def test_the_published_network_says_the_same(network, photos):
    theirs = torch.jit.load(published("fid-inception")).eval()
    large = np.stack([cv2.resize(photo, (299, 299)) for photo in photos])
    with torch.inference_mode():
        planes = torch.from_numpy(large).permute(0, 3, 1, 2)
        expected = theirs((planes.float() - 128) / 128).numpy()
    found = network.describe(large, NOWHERE)
    assert found.shape == (5, 2048)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())


@pytest.mark.parametrize("size", [(128, 128), (250, 200), (32, 48), (299, 299), (400, 310)])
def test_pictures_are_resized_as_opencv_does(noise, size):
    picture = noise(1, 400)[0, : size[0], : size[1]]
    expected = cv2.resize(picture.astype(np.float32), (299, 299), interpolation=cv2.INTER_LINEAR)
    planes = inception._prepared(picture[None])
    found = planes[0].permute(1, 2, 0).numpy() * 128 + 128
    np.testing.assert_allclose(found, expected, atol=0.01)
    rounded = cv2.resize(picture, (299, 299), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(found, rounded, atol=1)


def test_the_graph_has_the_published_numbers_of_parameters():
    """Of torchvision's Inception v3 without its classifiers, which counts two for each beta."""
    with torch.device("meta"):
        parts = [m for m in InceptionNetwork().modules() if isinstance(m, nn.Conv2d)]
    assert len(parts) == 94
    assert sum(m.weight.numel() + 2 * m.bias.numel() for m in parts) == 21_785_568


def test_both_sides_are_described(file, network, photos):
    generated, real = extract(inception.EXTRACTOR, photos[:1], photos[:2], {"fid-inception": file})
    assert generated.dtype == real.dtype == np.float32
    np.testing.assert_allclose(real, network.describe(photos[:2], NOWHERE), rtol=1e-5)
    np.testing.assert_allclose(generated, real[:1], atol=1e-5)
    assert np.isfinite(real).all()


def test_any_number_of_pictures_at_a_time(network, photos, monkeypatch):
    monkeypatch.setattr(inception, "BATCH", 2)
    whole = network.describe(photos[2:], NOWHERE)
    alone = np.concatenate([network.describe(photo[None], NOWHERE) for photo in photos[2:]])
    np.testing.assert_allclose(whole, alone, atol=1e-4)
    assert network.describe(photos[:0], NOWHERE).shape == (0, 2048)


def test_a_picture_that_is_broadcast_is_as_one_that_is_repeated(network, photos):
    shown = np.broadcast_to(photos[0], (3, *photos[0].shape))
    np.testing.assert_allclose(
        network.describe(shown, NOWHERE), network.describe(shown.copy(), NOWHERE), atol=1e-4
    )


def test_the_pictures_are_left_as_they_were(network, photos):
    before = photos.copy()
    network.describe(photos[:1], NOWHERE)
    np.testing.assert_array_equal(photos, before)


def test_the_tensors_of_another_network_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="another network"):
        inception.Inception({"fid-inception": converted("lpips-alex", tmp_path)})
