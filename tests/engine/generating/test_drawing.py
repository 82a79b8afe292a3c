"""Networks, alone and together: as they are, varied, in tiles."""

import copy

import numpy as np
import pytest
import torch
from generating_fixtures import weights_of

from sketchcli import config as settings
from sketchcli import images
from sketchcli.device import to_images, to_tensor
from sketchcli.engine.evaluating.references import model_candidate
from sketchcli.engine.generating import sample as sample_module
from sketchcli.engine.generating.inputs import Drawing, Scale
from sketchcli.engine.generating.prepare import Preparer, Tiled, load_model, natural_size
from sketchcli.engine.generating.sample import Sampler
from sketchcli.errors import UsageError
from sketchcli.models.building import fold_batch_norms


@pytest.fixture
def sketch(folders):
    return images.to_rgb(images.luma(images.read(folders / "sketches/face-0.png")))


def drawn(models, rgb, *, batch=8, variation=0, **options):
    """The photo that models draw of one picture."""
    drawing = Drawing(**options)
    preparer, sampler = Preparer(models, drawing), Sampler(models, drawing, batch)
    ready = preparer.prepare(rgb)
    (parts,) = sampler.draw([ready], variation)
    return sampler.finish(ready, parts)


def test_a_sketch_is_prepared_as_in_training(weights, cpu, sketch):
    model = load_model(weights, cpu)
    with torch.no_grad():
        (expected,) = to_images(model.generator(to_tensor(images.luma(sketch)[None], cpu.torch)))
    assert np.array_equal(drawn([model], sketch), expected)


def test_a_batch_draws_what_one_by_one_does(weights, cpu, folders):
    models = [load_model(weights, cpu)]
    preparer, sampler = Preparer(models, Drawing()), Sampler(models, Drawing(), 3)
    ready = [preparer.prepare(images.read_rgb(p)) for p in sorted((folders / "sketches").iterdir())]
    together = sampler.draw(ready)
    for one, parts in zip(ready, together, strict=True):
        alone = sampler.draw([one])[0][0]
        assert np.abs(parts[0].astype(int) - alone).max() <= 1


def test_several_models_draw_their_mean(weights, tiny, tmp_path, cpu, sketch):
    other = weights_of(tmp_path / "other", tiny, seed=5)
    models = [load_model(path, cpu) for path in (weights, other)]
    first, second = (drawn([model], sketch).astype(float) for model in models)
    assert np.abs(first - second).mean() > 2
    assert np.abs(drawn(models, sketch) - (first + second) / 2).max() <= 0.5


def test_models_of_other_sizes_agree_on_the_first_ones(weights, tiny, tmp_path, cpu, sketch):
    larger = weights_of(tmp_path / "larger", tiny, size=(64, 64))
    models = [load_model(path, cpu) for path in (weights, larger)]
    assert drawn(models, sketch).shape == (32, 32, 3)
    assert drawn(models[::-1], sketch).shape == (64, 64, 3)


def test_variations_differ_and_come_again_with_their_seed(dropping, cpu, sketch):
    models = [load_model(dropping, cpu)]

    def vary(variation, seed=0):
        return drawn(models, sketch, variations=3, variation=variation, seed=seed)

    assert not np.array_equal(vary(0), vary(1))
    assert not np.array_equal(vary(0), vary(0, seed=1))
    assert np.array_equal(vary(1), vary(1))
    before = torch.random.get_rng_state()
    vary(2)
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.array_equal(drawn(models, sketch), drawn(models, sketch))  # without them: no noise


def test_variations_of_a_folder_do_not_depend_on_their_neighbours(
    convert, dropping, folders, tmp_path
):
    options = {"models": [dropping], "variations": 2, "seed": 3}
    convert(folders / "sketches", tmp_path / "all", **options)
    convert(folders / "sketches/face-4.png", tmp_path / "one.png", **options)
    for number in (1, 2):
        alone = (tmp_path / f"one-{number}.png").read_bytes()
        assert (tmp_path / "all" / f"face-4-{number}.png").read_bytes() == alone


def test_a_model_without_noise_says_so(convert, folders, tmp_path):
    with pytest.raises(UsageError, match="deterministic") as caught:
        convert(folders / "sketches/face-0.png", tmp_path / "a.png", variations=2)
    assert "--variations" in caught.value.hint


@pytest.mark.parametrize("generator", ["unet", "resnet", "cnn", "resunet"])
def test_folded_batch_norms_draw_the_same(generator):
    from sketchcli.models.building import build_generator

    options = {"unet": {"width": 4, "depth": 5}}.get(generator, {"width": 4, "blocks": 1})
    torch.manual_seed(0)
    network = build_generator(settings.ModelConfig(generator=generator, generator_options=options))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -1, 1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.uniform_(module.bias, -1, 1)
    folded = copy.deepcopy(network.eval())
    norms = sum(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    assert (
        fold_batch_norms(folded)
        == norms
        == sum(isinstance(m, torch.nn.Identity) for m in folded.modules())
    )
    pixels = torch.rand(2, 1, 32, 32) * 2 - 1
    with torch.inference_mode():
        assert (folded(pixels) - network(pixels)).abs().max() < 1e-4


@pytest.mark.parametrize("shape", [(32, 32), (90, 70), (20, 75), (33, 32)])
def test_tiles_of_what_is_copied_are_the_picture_itself(shape):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, shape, np.uint8)
    tiled = Tiled((32, 32), shape)
    frames = tiled.cut(picture)
    assert frames.shape[1:] == (32, 32)
    joined = tiled.join(np.repeat(frames[..., None], 3, axis=3))
    assert np.array_equal(joined, images.to_rgb(picture))


def test_no_seam_is_left_between_tiles():
    shape = (96, 160)
    tiled = Tiled((32, 32), shape)
    levels = np.random.default_rng(0).integers(60, 200, len(tiled.cut(np.zeros(shape, np.uint8))))
    photos = np.repeat(levels, 32 * 32 * 3).reshape(-1, 32, 32, 3).astype(np.uint8)
    joined = tiled.join(photos).astype(int)  # each tile of another grey: the worst case
    steps = max(np.abs(np.diff(joined, axis=axis)).max() for axis in (0, 1))
    assert steps < 0.15 * np.ptp(levels)
    assert np.ptp(joined) > 0.5 * np.ptp(levels)


def test_a_large_sketch_is_drawn_at_its_own_size_in_tiles(weights, cpu, folders, monkeypatch):
    big = images.resize(images.read_rgb(folders / "sketches/face-0.png"), (200, 150))
    shown = []

    def echo(generator, sketches, device):
        shown.append(sketches.shape)
        return np.repeat(sketches[..., None], 3, axis=3)

    monkeypatch.setattr(sample_module, "generate_batch", echo)
    models = [load_model(weights, cpu)]
    tiled = drawn(models, big, is_tiled=True, batch=16)
    assert np.abs(tiled.astype(int) - images.to_rgb(images.luma(big))).max() <= 1
    assert {shape[1:] for shape in shown} == {(32, 32)}
    assert max(shape[0] for shape in shown) <= 16
    reduced = drawn(models, big, size=Scale.INPUT)
    assert reduced.shape == tiled.shape == (200, 150, 3)
    assert (
        np.abs(np.diff(reduced.astype(int), axis=1)).mean()
        < np.abs(np.diff(tiled.astype(int), axis=1)).mean()
    )  # enlarged again, it is smoother
    assert drawn(models, big, is_tiled=True, size=(100, 100)).shape == (100, 75, 3)


def test_the_natural_size_is_the_models_in_the_sketchs_shape():
    assert natural_size((250, 200, 3), (128, 160)) == (160, 128)


def test_a_batch_that_fails_is_drawn_one_by_one(convert, folders, tmp_path, monkeypatch):
    real = sample_module.generate_batch

    def short_of_memory(generator, sketches, device):
        if len(sketches) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return real(generator, sketches, device)

    monkeypatch.setattr(sample_module, "generate_batch", short_of_memory)
    assert convert(folders / "sketches", tmp_path / "out").count("made") == 8


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)."),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


@pytest.fixture
def room_for(monkeypatch):
    """Let batches of more than so many frames run out of memory; a list of all that were tried."""

    def limit(frames, error=OUT_OF_MEMORY[0]):
        real, tried = sample_module.generate_batch, []

        def limited(generator, sketches, device):
            tried.append(len(sketches))
            if len(sketches) > frames:
                raise error
            return real(generator, sketches, device)

        monkeypatch.setattr(sample_module, "generate_batch", limited)
        return tried

    return limit


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: str(error)[:12])
def test_tiles_that_do_not_fit_into_memory_are_drawn_a_few_at_a_time(
    weights, cpu, folders, room_for, error
):
    models = [load_model(weights, cpu)]
    big = images.resize(images.read_rgb(folders / "sketches/face-0.png"), (100, 90))
    expected = drawn(models, big, is_tiled=True, batch=1)
    tried = room_for(3, error)
    found = drawn(models, big, is_tiled=True, batch=16)
    assert tried[:5] == [16, 8, 4, 2, 2]
    assert max(tried[3:]) == 2  # what did not fit is not tried again
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_other_failures_are_not_tried_again(weights, cpu, folders, room_for):
    tried = room_for(0, RuntimeError("expected 1 channel, got 3"))
    big = images.resize(images.read_rgb(folders / "sketches/face-0.png"), (100, 90))
    with pytest.raises(RuntimeError, match="channel"):
        drawn([load_model(weights, cpu)], big, is_tiled=True, batch=16)
    assert tried == [16]


def test_pictures_to_be_scored_are_drawn_in_parts_where_memory_is_short(
    weights, cpu, dataset, room_for
):
    training = dataset.split("train")
    rows = range(len(training))
    read = model_candidate("model", load_model(weights, cpu), training).read
    expected = np.concatenate([read(range(row, row + 1)) for row in rows])
    tried = room_for(2)
    found = model_candidate("model", load_model(weights, cpu), training).read(rows)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert tried[0] == len(training)
    assert tried[-1] <= 2


def test_what_is_too_large_alone_is_a_failed_file(convert, folders, tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(sample_module, "generate_batch", broken)
    result = convert(folders / "sketches", tmp_path / "out")
    assert len(result.failed) == 8
    assert "memory" in result.failed[0].error


def test_sketches_of_many_shapes_are_all_drawn(convert, tiny, tmp_path, stroke):
    cropped = weights_of(tmp_path / "cropped", tiny, fit="crop")
    for index in range(30):
        images.write(tmp_path / "in" / f"{index}.png", stroke(40 + index, 40))
    result = convert(tmp_path / "in", tmp_path / "out", models=[cropped])
    assert result.count("made") == 30
    assert images.read_rgb(tmp_path / "out/20.png").shape == (48, 32, 3)
