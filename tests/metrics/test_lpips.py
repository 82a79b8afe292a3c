"""LPIPS against torchmetrics' copy of the official formula and heads, and against plain numpy."""

import pickle

import numpy as np
import pytest
import torch
from metrics.published import converted, published
from metrics.references import drawn, spoiled
from torch import nn
from torchmetrics.functional.image import lpips as reference

from sketchcli.errors import CheckpointError
from sketchcli.metrics import lpips
from sketchcli.metrics.lpips import Lpips

METRICS = {"lpips-alex": lpips.ENTRIES["lpips-alex"], "lpips-vgg": lpips.ENTRIES["lpips-vgg"]}


@pytest.fixture(scope="module", params=METRICS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def metric(name):
    return METRICS[name]


@pytest.fixture(scope="module")
def network(name, metric, tmp_path_factory):
    return metric.load(converted(name, tmp_path_factory.mktemp("networks")))


@pytest.fixture(scope="module")
def photos():
    """Five pictures, of which the last is black."""
    base = drawn(80, 64)
    return np.stack([base, base[::-1], base[:, ::-1], 255 - base, 0 * base])


@pytest.fixture(scope="module")
def copies(photos):
    return np.stack([spoiled(photo) for photo in photos])


def noisy(photos, strength):
    noise = np.random.default_rng(0).standard_normal(photos.shape)
    return np.clip(photos + strength * noise, 0, 255).astype(np.uint8)


def build(metric):
    return lpips.build_alex() if metric is lpips.ENTRIES["lpips-alex"] else lpips.build_vgg()


def untrained(metric, seed=0):
    """The metric's graph with random tensors."""
    network = build(metric).to_empty(device="cpu")
    random = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.05, generator=random)
    return network.requires_grad_(requires_grad=False)


def backbone(name):
    """torchvision's `features`, written out, with the tensors of the package's own pickle."""
    alex = [(3, 64, 11, 4, 2), "P3", (64, 192, 5, 1, 2), "P3", (192, 384, 3, 1, 1)]
    alex += [(384, 256, 3, 1, 1), (256, 256, 3, 1, 1)]
    channels = [3, 64, 64, "P2", 128, 128, "P2", 256, 256, 256, "P2", 512, 512, 512]
    channels += ["P2", 512, 512, 512]
    vgg, before = [], 3
    for item in channels[1:]:
        vgg.append(item if isinstance(item, str) else (before, item, 3, 1, 1))
        before = before if isinstance(item, str) else item
    layers, index = [], 0
    tensors = pickle.loads(published(name).read_bytes())  # noqa: S301 - a known file
    tensors = tensors["AlexNet_0" if name == "lpips-alex" else "VGG16_0"]
    for item in alex if name == "lpips-alex" else vgg:
        if isinstance(item, str):
            layers.append(nn.MaxPool2d(int(item[1]), 2))
            continue
        before, after, size, stride, padding = item
        convolution = nn.Conv2d(before, after, size, stride, padding)
        theirs = tensors[f"Conv_{index}"]
        convolution.weight.data = torch.from_numpy(theirs["kernel"].copy()).permute(3, 2, 0, 1)
        convolution.bias.data = torch.from_numpy(theirs["bias"].copy())
        layers += [convolution, nn.ReLU()]
        index += 1
    return nn.Sequential(*layers)


def test_what_torchmetrics_says(name, metric, network, photos, copies, monkeypatch):
    """Its formula, its slices and its copy of the official heads share nothing with ours."""
    monkeypatch.setattr(reference, "_get_tv_model_features", lambda *_, **__: backbone(name))
    theirs = reference._LPIPS(net=name.removeprefix("lpips-"))
    ours, real = (torch.from_numpy(p).permute(0, 3, 1, 2) / 127.5 - 1 for p in (copies, photos))
    expected = theirs(ours, real).flatten().numpy()
    np.testing.assert_allclose(metric.score(copies, photos, network), expected, rtol=1e-4)


def test_the_formula_in_plain_numpy():
    """One stage with a single 1x1 convolution: every number can be followed by hand."""
    random = np.random.default_rng(0)
    weight, head = random.standard_normal((4, 3)), random.random(4)
    network = Lpips([nn.Conv2d(3, 4, 1, bias=False)], [4], smallest=1)
    network.stages[0].weight.data = torch.from_numpy(weight[:, :, None, None]).float()
    network.heads[0].data = torch.from_numpy(head).float()
    pictures = random.integers(0, 256, (2, 3, 5, 4, 3)).astype(np.uint8)

    def features(picture):
        found = np.zeros((5, 4, 4))
        for place in np.ndindex(5, 4):
            pixel = picture[place] / 127.5 - 1
            pixel = (pixel - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
            at = np.maximum(weight @ pixel, 0)
            found[place] = at / (np.sqrt((at**2).sum()) + 1e-10)
        return found

    expected = [
        ((features(a) - features(b)) ** 2 @ head).mean() for a, b in zip(*pictures, strict=True)
    ]
    np.testing.assert_allclose(
        lpips.distances(pictures[0], pictures[1], network), expected, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("metric", "count"),
    [
        (lpips.ENTRIES["lpips-alex"], 2_469_696 + 1152),
        (lpips.ENTRIES["lpips-vgg"], 14_714_688 + 1472),
    ],
)
def test_the_graphs_have_the_published_numbers_of_parameters(metric, count):
    assert sum(parameter.numel() for parameter in build(metric).parameters()) == count


@pytest.mark.parametrize(
    ("metric", "smallest"), [(lpips.ENTRIES["lpips-alex"], 31), (lpips.ENTRIES["lpips-vgg"], 16)]
)
def test_the_smallest_picture(metric, smallest):
    network = untrained(metric)
    assert metric.SMALLEST_SIDE == network.smallest == smallest
    fits = np.zeros((1, smallest, smallest + 9, 3), np.uint8)
    assert metric.score(fits, fits + 99, network).shape == (1,)
    for small in (fits[:, :-1], fits.swapaxes(1, 2)[:, :, :-1]):  # eval skips the metric
        with pytest.raises(RuntimeError):
            metric.score(small, small, network)


def test_an_identical_picture_is_at_no_distance(metric, network, photos):
    assert metric.score(photos, photos, network).tolist() == [0] * len(photos)


def test_it_does_not_matter_which_picture_is_the_real_one(metric, network, photos, copies):
    np.testing.assert_allclose(
        metric.score(copies, photos, network), metric.score(photos, copies, network), rtol=1e-6
    )


def test_more_noise_is_farther_away(metric, network, photos):
    mild, strong = (metric.score(noisy(photos, s), photos, network) for s in (8, 60))
    assert (strong > mild).all()
    assert (mild > 0).all()


def test_any_number_of_pictures_at_a_time(metric, network, photos, copies, monkeypatch):
    monkeypatch.setattr(lpips, "BATCH", 2)
    whole = metric.score(copies, photos, network)
    assert whole.dtype == np.float64
    alone = [
        metric.score(g[None], r[None], network)[0] for g, r in zip(copies, photos, strict=True)
    ]
    np.testing.assert_allclose(whole, alone, rtol=1e-5)
    assert metric.score(copies[:0], photos[:0], network).shape == (0,)


def test_the_pictures_are_left_as_they_were(metric, network, photos, copies):
    before = photos.copy(), copies.copy()
    metric.score(copies, photos, network)
    np.testing.assert_array_equal(photos, before[0])
    np.testing.assert_array_equal(copies, before[1])


def test_the_tensors_of_another_network_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="another network"):
        METRICS["lpips-vgg"].load(converted("lpips-alex", tmp_path))
