"""ONNX files, and weights out of pickles."""

import dataclasses
import json
import pickle

import numpy as np
import pytest
import torch
from generating_fixtures import weights_of

from sketchcli import checkpoint, images, load_generator
from sketchcli.config import ModelConfig
from sketchcli.engine.generating import onnx
from sketchcli.engine.generating.onnx import export
from sketchcli.engine.generating.prepare import load_model
from sketchcli.errors import DataError, DeviceError, ExitCode, UsageError
from sketchcli.models.building import build_generator


def narrow(tiny, generator):
    options = {"width": 4, "depth": 4} if generator == "unet" else {"width": 4, "blocks": 1}
    plain = ModelConfig(
        generator=generator,
        generator_options=options,
        discriminator_options=tiny.model.discriminator_options,
    )
    return dataclasses.replace(tiny, model=plain)


@pytest.mark.parametrize("generator", ["resunet", "resnet", "unet"])
def test_an_exported_model_draws_the_same_at_any_size(tiny, tmp_path, cpu, generator):
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    weights = weights_of(tmp_path / generator, narrow(tiny, generator))
    out = tmp_path / "model.onnx"
    result = export(weights, out, device=cpu)
    assert result.largest_difference < 1e-4
    assert result.mean_difference < 1e-5
    assert result.compared == 7
    assert result.multiple == {"resunet": 8, "resnet": 4, "unet": 16}[generator]
    about = json.loads({p.key: p.value for p in onnx.load(out).metadata_props}["sketch2img"])
    assert (about["size"], about["fit"]) == ([32, 32], "stretch")
    assert about["multiple"] == result.multiple
    assert about["dataset"]["licence"] == "MIT"


def test_the_metadata_are_enough_to_draw_what_generate_draws(weights, tmp_path, cpu, folders):
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    export(weights, tmp_path / "model.onnx", device=cpu)
    session = runtime.InferenceSession(
        str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    sketch = images.luma(images.read(folders / "sketches/face-0.png"))
    floats = (sketch / np.float32(127.5) - 1)[None, None].astype(np.float32)
    (photo,) = session.run(["photo"], {"sketch": floats})
    drawn = np.clip(np.rint((photo[0].transpose(1, 2, 0) + 1) * 127.5), 0, 255)
    assert np.abs(drawn - load_generator(weights)(sketch)).max() <= 1


def test_what_cannot_be_exported_is_said_first(weights, tmp_path, cpu, monkeypatch):
    with pytest.raises(UsageError, match="ONNX"):
        export(weights, tmp_path / "model.pt", device=cpu)
    (tmp_path / "there.onnx").write_bytes(b"mine")
    with pytest.raises(DataError, match="exists"):
        export(weights, tmp_path / "there.onnx", device=cpu)
    monkeypatch.setattr(onnx.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DeviceError, match="onnx") as caught:
        export(weights, tmp_path / "model.onnx", device=cpu)
    assert "sketch2img[onnx]" in caught.value.hint


def state_of(weights):
    return checkpoint.load(weights)[0]


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"epoch": 3, "net": {"ema": s}}])
@pytest.mark.parametrize("generator", ["resunet", "resnet"])
def test_weights_of_another_program_draw_the_same(
    sketch2img, tiny, tmp_path, stroke, generator, wrap
):
    weights = weights_of(tmp_path / "run", narrow(tiny, generator))
    torch.save(wrap(state_of(weights)), tmp_path / "theirs.pth")
    out = tmp_path / "ours.safetensors"
    outcome = sketch2img("import-weights", tmp_path / "theirs.pth", out, "--like", weights)
    assert outcome.code == 0, outcome.stderr
    assert np.array_equal(load_generator(out)(stroke()), load_generator(weights)(stroke()))
    again = sketch2img("import-weights", tmp_path / "theirs.pth", out, "--like", weights)
    assert again.code == ExitCode.DATA
    assert "--overwrite" in again.stderr


def test_other_names_in_the_same_order_will_do(sketch2img, weights, tmp_path, cpu, stroke):
    state = state_of(weights)
    names = load_model(weights, cpu).generator.state_dict()  # the layers' order
    torch.save({f"layer{i}": state[n] for i, n in enumerate(names)}, tmp_path / "theirs.pt")
    out = tmp_path / "ours.safetensors"
    options = ("--generator", "resunet", "--option", "width=4", "--option", "blocks=1")
    outcome = sketch2img(
        "import-weights", tmp_path / "theirs.pt", out, *options, "--size", 32, "--json"
    )
    assert outcome.json["data"]["tensors"] == len(state)
    assert np.array_equal(load_generator(out)(stroke()), load_generator(weights)(stroke()))


def test_another_networks_tensors_are_refused(sketch2img, tmp_path):
    other = build_generator(ModelConfig(generator="resunet", generator_options={"width": 6}))
    torch.save(other.state_dict(), tmp_path / "theirs.pt")
    outcome = sketch2img("import-weights", tmp_path / "theirs.pt", tmp_path / "a.safetensors")
    assert outcome.code == ExitCode.CHECKPOINT
    assert "--option" in outcome.stderr
    assert not (tmp_path / "a.safetensors").exists()


class Trap:
    """A pickle that would run a command."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import os

        return os.system, (f"touch '{self.path}'",)


def test_a_pickle_that_would_run_something_is_refused_and_not_run(sketch2img, tmp_path):
    (tmp_path / "trap.pth").write_bytes(pickle.dumps({"a": Trap(tmp_path / "sprung")}))
    outcome = sketch2img("import-weights", tmp_path / "trap.pth", tmp_path / "a.safetensors")
    assert outcome.code == ExitCode.DATA
    assert not (tmp_path / "sprung").exists()
    assert not (tmp_path / "a.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["no.pth", "a.safetensors"], ExitCode.DATA),
        ([__file__, "a.pth"], ExitCode.USAGE),
        ([__file__, "a.safetensors", "--fit", "explode"], ExitCode.USAGE),
        ([__file__, "a.safetensors", "--option", "width"], ExitCode.USAGE),
        ([__file__, "a.safetensors", "--generator", "vae"], ExitCode.USAGE),
        ([__file__, "a.safetensors"], ExitCode.DATA),
    ],
)
def test_wrong_arguments_are_named(sketch2img, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    outcome = sketch2img("import-weights", *arguments)
    assert outcome.code == code, outcome.stderr
    assert not (tmp_path / "a.safetensors").exists()
