"""Networks, photos and training runs that would take absurd memory: refused before they take it."""

import dataclasses
import json
import resource
import time

import numpy as np
import pytest
from generating_fixtures import weights_of
from processes import bounded

from sketchcli import checkpoint, images
from sketchcli import config as settings
from sketchcli.config import ModelConfig
from sketchcli.engine.evaluating import references
from sketchcli.engine.generating import generate, sample
from sketchcli.engine.generating.inputs import Drawing
from sketchcli.engine.generating.prepare import load_model
from sketchcli.engine.runs import Run
from sketchcli.errors import CheckpointError, DeviceError, UsageError
from sketchcli.models.building import build_generator, spelled_out
from sketchcli.weights_header import KEY, read_about, read_header

VARIABLE = "SKETCH2IMG_MAX_MEMORY"
ABSURD = {
    "deep": ("unet", {"width": 1, "depth": 14}, (32, 32)),
    "deeper": ("unet", {"width": 1, "depth": 40}, (32, 32)),
    "large": ("resunet", {"width": 4, "blocks": 1}, (8192, 8192)),
    "large and plain": ("cnn", {"width": 8, "blocks": 1}, (8192, 8192)),
}


@pytest.fixture
def absurd(tmp_path, tiny):
    """Weights of a few kilobytes whose network is absurd."""

    def make(name, options, size):
        import torch

        model = spelled_out(ModelConfig(generator=name, generator_options=options))
        network = build_generator(dataclasses.replace(model))
        path = weights_of(tmp_path / "tiny", tiny)
        about = read_about(path) | {"size": size}
        about["config"] = settings.to_dict(dataclasses.replace(tiny, model=model))
        assert all(isinstance(t, torch.Tensor) for t in network.state_dict().values())
        checkpoint.save(path, network.state_dict(), about)
        return path

    return make


@pytest.mark.parametrize("case", ABSURD)
def test_an_absurd_network_is_refused_before_it_runs(absurd, cpu, case):
    path = absurd(*ABSURD[case])
    assert path.stat().st_size < 600_000
    said = bounded(lambda: load_model(path, cpu), memory=2**29, cpu_seconds=10)
    assert said.startswith(f"CheckpointError: {path} ({ABSURD[case][0]}, ")
    assert "of memory; at most" in said


def test_the_bound_is_lifted_by_the_option_of_the_hint(sketch2img, absurd, tmp_path, monkeypatch):
    path, sketch = absurd(*ABSURD["large"]), tmp_path / "a.png"
    images.write(sketch, np.full((32, 32), 255, np.uint8))
    done = sketch2img("generate", sketch, tmp_path / "b.png", "--model", path)
    assert done.code == CheckpointError.exit_code
    assert "would take" in done.stderr
    assert "--max-memory" in done.stderr
    monkeypatch.setenv(VARIABLE, "none")
    from sketchcli.device import resolve

    assert load_model(path, resolve("cpu", precision="fp32")).size == (8192, 8192)


@pytest.mark.parametrize("option", ["blocks", "width"])
def test_options_of_networks_have_a_limit_wherever_they_come_from(option):
    with pytest.raises(UsageError, match=f"'{option}' must be at most 2048"):
        spelled_out(ModelConfig(generator_options={option: 10**6}))


def test_little_memory_makes_smaller_batches_of_the_same_photos(
    tmp_path, tiny, cpu, noise, monkeypatch
):
    path = weights_of(tmp_path / "run", tiny, size=(64, 64))
    sketches = noise(8, 64)[..., 0]

    def drawn():
        preparer, sampler = generate.open_models([path], Drawing(), cpu)
        sampler.streams = 1
        return sampler.draw([preparer.prepare(sketch) for sketch in sketches])

    counts, original = [], sample.generate_batch

    def counting(generator, part, device):
        counts.append(len(part))
        return original(generator, part, device)

    monkeypatch.setattr(sample, "generate_batch", counting)
    expected = drawn()
    assert counts == [4, 4]
    monkeypatch.setenv(VARIABLE, "2M")
    counts.clear()
    found = drawn()
    assert max(counts) < 4
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(found, expected, strict=True))


def test_a_photo_is_refused_before_it_is_made(sketch2img, tmp_path, tiny, monkeypatch):
    monkeypatch.setenv(VARIABLE, "40M")
    model, sketch = weights_of(tmp_path / "run", tiny), tmp_path / "a.png"
    images.write(sketch, np.tile(np.arange(256, dtype=np.uint8), (256, 1)))
    done = sketch2img("generate", sketch, tmp_path / "b.png", "--model", model, "--size", 3000)
    assert done.code == CheckpointError.exit_code - 1
    assert "a photo of 3000x3000 pixels would take 100 MB of memory" in done.stderr
    assert "choose a smaller --size" in done.stderr


def test_few_large_sketches_are_read_ahead(tmp_path, tiny, cpu, monkeypatch):
    monkeypatch.setenv(VARIABLE, "4M")
    model = weights_of(tmp_path / "run", tiny)
    folder = tmp_path / "sketches"
    for index in range(20):
        images.write(folder / f"{index}.png", np.tile(np.arange(600, dtype=np.uint8), (600, 1)))
    read, seen, original = [], [], images.read

    def reading(path, **options):
        read.append(path)
        return original(path, **options)

    draw = sample.generate_batch

    def slowly(*arguments):
        if not seen:
            time.sleep(0.5)
        seen.append(len(read))
        return draw(*arguments)

    monkeypatch.setattr(images, "read", reading)
    monkeypatch.setattr(sample, "generate_batch", slowly)
    from sketchcli.engine.generating.inputs import Request

    request = Request(sources=(str(folder),), output=str(tmp_path / "out"), models=(model,))
    result = generate.generate(request, device=cpu)
    assert all(file.status == "made" for file in result.files)
    assert seen[0] < 8


@pytest.mark.parametrize("verb", ["train", "dry_run"])
def test_training_that_does_not_fit_is_refused_before_the_first_step(
    dataset, tiny, cpu, tmp_path, monkeypatch, verb
):
    from sketchcli.engine.training import train

    monkeypatch.setenv(VARIABLE, "1M")
    with pytest.raises(DeviceError, match=r"training with a batch of 2 pairs of 32x32") as caught:
        getattr(train, verb)(tiny, dataset, run_dir=tmp_path / "run", device=cpu)
    assert caught.value.hint.startswith("add --checkpointing, or add --accumulate 4, or use a smal")
    assert "--max-memory" in caught.value.hint
    assert not Run(tmp_path / "run").config.exists()


def test_a_discriminator_is_compared_with_its_file_before_it_is_built(tmp_path, tiny, dataset, cpu):
    model = load_model(weights_of(tmp_path / "run", tiny), cpu)
    state = Run(tmp_path / "run").state
    tensors, about = checkpoint.load(state)
    about["config"]["model"]["discriminator_options"]["width"] = 512
    checkpoint.save(state, tensors, about)
    split = dataset.split("test")

    def kilobytes():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(CheckpointError):
            references._discriminator_of(model.path, split.size, model.domains)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert int(bounded(kilobytes, memory=2**33, cpu_seconds=20)) < 300_000


def crafted(path, text):
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    return path


@pytest.mark.parametrize("spelling", ["dtype", "\\u0064type"])
def test_too_many_tensors_are_refused_however_they_are_spelled(tmp_path, spelling):
    one = f'"%d":{{"{spelling}":"F32","shape":[0],"data_offsets":[0,0]}}'
    text = "{" + ",".join(one % index for index in range(120_000)) + "}"
    path = crafted(tmp_path / "a.safetensors", text.encode())
    said = bounded(lambda: read_header(path), memory=2**28, cpu_seconds=2)
    assert "header is too large" in said


@pytest.mark.parametrize("item", ["[]", "{}", "0", '""'])
def test_a_long_description_is_refused_before_it_unfolds(tmp_path, item):
    about = '{"format": 1, "a": [' + ",".join([item] * 2 * 10**5) + "]}"
    header = json.dumps({"__metadata__": {KEY: about}})
    path = crafted(tmp_path / "a.safetensors", header.encode())
    with pytest.raises(CheckpointError, match=r"too long a description|header is too large"):
        read_about(path)


def test_a_number_of_thousands_of_digits_is_no_number(sketch2img, dataset):
    done = sketch2img("train", dataset.folder, "--dry-run", "--set", f"epochs={'9' * 5000}")
    assert done.code == UsageError.exit_code
    assert "'epochs' must be a whole number" in done.stderr
