"""Export of a generator to ONNX, and comparison of the file with the original."""

import importlib
import importlib.util
import json
import math
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from sketchcli import __version__, files, limits
from sketchcli.device import Device
from sketchcli.engine.generating.prepare import LoadedModel, load_model
from sketchcli.engine.results import ExportResult
from sketchcli.errors import DataError, DeviceError, UsageError
from sketchcli.models.building import fold_batch_norms
from sketchcli.weights_header import read_about

INPUT, OUTPUT = "sketch", "photo"
SIZES = ((1, 1.0, 1.0), (3, 1.0, 1.0), (2, 2.0, 1.0), (1, 1.0, 3.0))  # batch, then size factors
EXTRA = "run: pipx inject sketch2img onnx onnxruntime, or pip install 'sketch2img[onnx]'"


def export(weights: Path, output: Path, *, device: Device, overwrite: bool = False) -> ExportResult:
    """Write a model as ONNX for any batch and image size, and compare both on the same sketches.

    `device` must be the CPU in fp32. The name of `output` must end with `.onnx`.
    """
    if output.suffix.lower() != ".onnx":
        raise UsageError(f"{output} is not an ONNX file name", hint="end the name with .onnx")
    if output.exists() and not overwrite:
        raise DataError(f"{output} exists", hint="add --overwrite, or choose another name")
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise DeviceError(f"export needs {package}, which is not installed", hint=EXTRA)
    model = load_model(weights, device)
    largest_batch = max(math.prod(size) for size in SIZES)
    limits.check_memory(  # both networks hold it
        2 * largest_batch * model.pixel_bytes * math.prod(model.size), f"exporting {weights}"
    )
    fold_batch_norms(model.generator)
    multiple = int(getattr(model.generator, "stride", 1))
    files.write_whole(output, lambda part: _write(model, multiple, part))
    largest, mean, count = _compare(model, multiple, output)
    return ExportResult(
        weights, output, "onnx", model.size, multiple, count, largest, mean, model.domains
    )


def _write(model: LoadedModel, multiple: int, part: Path) -> None:
    onnx = importlib.import_module("onnx")  # optional, and without type hints
    axes = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings():
        # PyTorch warns that this exporter is deprecated, but only this one takes mere seconds for
        # every generator; the comparison afterwards shows whether the result is right.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.generator,
            (_sketches(model, multiple, SIZES[1], seed=0),),
            part,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: axes, OUTPUT: axes},
            opset_version=17,
            dynamo=False,
        )
    known = read_about(model.path)
    inputs, outputs = model.domains.channels
    values = {1: "luma", 3: "RGB"}
    about = {  # how to prepare an image for the file, and what the model is
        "version": __version__,
        "input": f"{INPUT}: float32 (batch, {inputs}, height, width) in [-1, 1]: "
        f"{values[inputs]} / 127.5 - 1",
        "luma": "0.299 R + 0.587 G + 0.114 B; alpha on white",
        "output": f"{OUTPUT}: float32 (batch, {outputs}, height, width) in [-1, 1], "
        f"{values[outputs]}",
        "domains": asdict(model.domains),
        "size": model.size,
        "fit": model.fit,
        "align": model.align,
        "multiple": multiple,
        "reduce_with": "area averages, which keep thin strokes; enlarge bicubically",
        "looks": known.get("looks"),
        "dataset": {k: known["dataset"].get(k) for k in ("name", "licence", "citation")},
        "scores": known.get("scores", {}),
    }
    graph = onnx.load(part)
    onnx.helper.set_model_props(graph, {"sketch2img": json.dumps(about)})
    onnx.save(graph, part)


def _compare(model: LoadedModel, multiple: int, output: Path) -> tuple[float, float, int]:
    """Return the largest and the mean difference of both, and the number of compared sketches."""
    onnxruntime = importlib.import_module("onnxruntime")
    session = onnxruntime.InferenceSession(str(output), providers=["CPUExecutionProvider"])
    differences = []
    for seed, size in enumerate(SIZES):
        sketches = _sketches(model, multiple, size, seed=seed)
        with torch.inference_mode():
            expected = model.generator(sketches).numpy()
        (found,) = session.run([OUTPUT], {INPUT: sketches.numpy()})
        differences += [np.abs(a - b) for a, b in zip(found, expected, strict=True)]
    largest = max(float(difference.max()) for difference in differences)
    mean = float(np.mean([difference.mean() for difference in differences]))
    return largest, mean, len(differences)


def _sketches(
    model: LoadedModel, multiple: int, size: tuple[int, float, float], *, seed: int
) -> torch.Tensor:
    """Return random dots on white, `(B, C, H, W)` in [-1, 1]; sides are divisible by `multiple`."""
    batch, *factors = size
    sides = [
        multiple * max(1, round(side * factor / multiple))
        for side, factor in zip(model.size, factors, strict=True)
    ]
    rng = np.random.default_rng(seed)
    pixels = np.ones((batch, model.domains.input.channels, *sides), np.float32)
    pixels[rng.random(pixels.shape) < 0.1] = -1
    return torch.from_numpy(pixels)
