"""What sketch2img did when `scripts/record_golden.py` was last run, which it must still do.

The recordings in `tests/golden/` are: a dataset, three small runs stopped halfway and the ends of
these runs, photos that `generate` drew, and the outcomes of some 300 command lines. The tests use
the public command line alone, so that they outlast changes of internal modules.

They are strict about exit codes, JSON keys, JSON values, file names, pixels and weights. They do
not look at the wording of messages, nor at times, versions and facts about the machine. Floats
and weights are compared exactly only on a machine that computes as the recording one did
(`tests/golden/machine.json`).
"""

import json
import tomllib
from pathlib import Path

import golden
import numpy as np
import pytest
import record_golden
from golden import GOLDEN, PRESETS
from PIL import Image


@pytest.fixture
def call(sketch2img):
    def run(arguments):
        outcome = sketch2img(*arguments)
        assert outcome.code != 1, outcome.stderr  # a bug
        return int(outcome.code), outcome.stdout

    return run


@pytest.fixture
def workspace(tmp_path):
    with golden.workspace(tmp_path / "workspace") as root:
        yield root


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("session", golden.sessions())
def test_every_command_ends_as_it_was_recorded(session, workspace, call, plain_curves):
    recorded = read_json(GOLDEN / "outcomes" / f"{session}.json")
    lines = golden.sessions()[session]
    assert [outcome["command"] for outcome in recorded] == lines, "record_golden.py was not run"
    found = [golden.replay(line, workspace, call) for line in lines]
    changed = [
        f"{old['command']}: {line}"
        for old, new in zip(recorded, found, strict=True)
        for line in golden.differences(old, new, golden.float_tolerance())
    ]
    assert not changed, "\n".join(changed)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_run_that_was_stopped_halfway_ends_as_it_was_recorded(preset, workspace, call):
    run, end = workspace / "home" / "runs" / f"half-{preset}", GOLDEN / "finished" / preset
    start = GOLDEN / "halfway" / preset
    options = ["--device", "cpu", "--precision", "fp32", "--json"]
    code, output = call(["train", "--resume", run.name, *options])
    assert code == 0

    # The result, the log, the settings and the metadata of the weights.
    text = (end / "result.json").read_text(encoding="utf-8")
    told = json.loads(text.replace(f"/golden/home/runs/{preset}", str(run)))
    assert all(Path(value).exists() for value in told.values() if str(run) in str(value))
    pairs = {
        "result": (
            golden.normalise(each, workspace) for each in (told, json.loads(output)["data"])
        ),
        "log": (golden.read_log(folder / "log.jsonl", workspace) for folder in (end, run)),
        "config": (
            tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
            for folder in (end, run)
        ),
        "metadata": (
            golden.metadata(folder / "weights.safetensors", workspace) for folder in (end, run)
        ),
    }
    changed = [
        line
        for what, (old, new) in pairs.items()
        for line in golden.differences(old, new, golden.float_tolerance(), what)
    ]
    assert not changed, "\n".join(changed)

    # The log is continued, and the report draws curves from it.
    before = golden.read_log(start / "log.jsonl", workspace)
    assert golden.read_log(run / "log.jsonl", workspace)[: len(before)] == before
    assert "<svg" in (run / "report.html").read_text(encoding="utf-8")

    # The tensors of the weights and of the training state.
    if golden.is_recording_machine():
        digests = read_json(GOLDEN / "digests.json")[preset]
        assert digests == {name: golden.digest(run / f"{name}.safetensors") for name in digests}
    weights = [folder / "weights.safetensors" for folder in (end, run, start)]
    error = golden.relative_error(*weights)
    assert error <= golden.WEIGHTS_TOLERANCE[preset]


@pytest.mark.parametrize("name", record_golden.PHOTOS)
def test_photos_are_those_that_were_recorded(name, workspace, call):
    code, _ = call(golden.photos()[name].split())
    assert code == 0
    recorded = sorted((GOLDEN / "photos" / name).iterdir())
    found = sorted((workspace / "photos" / name).iterdir())
    assert [path.name for path in found] == [path.name for path in recorded]
    for old, new in zip(recorded, found, strict=True):
        before, after = golden.pixels(old), golden.pixels(new)
        assert after.shape == before.shape, new.name
        assert np.abs(after - before).max() <= golden.PIXEL_TOLERANCE, new.name


def test_the_dataset_is_prepared_as_it_was_recorded(tmp_path, call):
    """The recorded images are put in the place of the drawn ones, which later versions changed."""
    with golden.workspace(tmp_path / "workspace", is_empty=True) as root:
        assert call(record_golden.FETCH.split())[0] == 0
        for split in ("train", "val", "test"):
            pairs = read_json(GOLDEN / "dataset" / "dataset.json")["pairs"]
            names = [f"{pair['id']}.png" for pair in pairs if pair["split"] == split]
            for kind in ("sketches", "photos"):
                stored = np.load(GOLDEN / "dataset" / f"{split}-{kind}.npy")
                for name, pixels in zip(names, stored, strict=True):
                    Image.fromarray(pixels.squeeze()).save(
                        root / "home/raw" / golden.DATASET / kind / name
                    )
        assert call(record_golden.PREPROCESS.split())[0] == 0
        prepared = root / "home" / "prepared" / golden.DATASET
        about = golden.normalise(read_json(prepared / "dataset.json"), root)
    expected = golden.normalise(read_json(GOLDEN / "dataset" / "dataset.json"), root)
    names = sorted(path.name for path in (GOLDEN / "dataset").glob("*.npy"))
    assert sorted(path.name for path in prepared.glob("*.npy")) == names
    for name in names:
        before = np.load(GOLDEN / "dataset" / name).astype(int)
        after = np.load(prepared / name).astype(int)
        assert after.shape == before.shape, name
        assert np.abs(after - before).max() <= golden.PIXEL_TOLERANCE, name
    expected, about = comparable(expected), comparable(about)
    assert (expected.pop("schema"), about.pop("schema")) == (2, 3)  # 3 added the domains
    assert about.pop("domains")["input"] == {"name": "sketch", "channels": 1}
    assert not golden.differences(expected, about, golden.EXACT)


def comparable(about):
    """A dataset's description without what depends on its folder, or on one value of a pixel."""
    about = json.loads(json.dumps(about).replace("/golden", "<TMP>"))
    about.pop("recipe", None)  # older versions wrote a hash of options and files
    if golden.is_recording_machine():
        return about
    pairs = [{**pair, "sha256": ""} for pair in about["pairs"]]
    return about | {"pairs": pairs, "fingerprint": ""}
