import copy
import pickle

import pytest
import safetensors.torch
import torch

from sketchcli import checkpoint
from sketchcli.errors import CheckpointError, DataError
from sketchcli.weights_header import read_about

ABOUT = {"config": {"epochs": 3, "lr": 2e-4}, "name": "Zoë ✏️", "best": None}


@pytest.fixture
def tensors():
    random = torch.Generator().manual_seed(0)
    wide = torch.randn(2, 3, 4, 4, generator=random).to(memory_format=torch.channels_last)
    return {
        "generator.weight": wide,
        "generator.half": torch.randn(5, generator=random).bfloat16(),
        "discriminator.count": torch.tensor(7),
        "random": torch.arange(5, dtype=torch.uint8),
    }


@pytest.fixture
def path(tmp_path, tensors):
    path = tmp_path / "run" / "weights.safetensors"
    checkpoint.save(path, tensors, ABOUT)
    return path


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


def test_what_is_saved_comes_back_bit_for_bit(path, tensors):
    found, about = checkpoint.load(path)
    assert_equal(found, tensors)
    assert about == ABOUT | {"format": checkpoint.FORMAT}


def test_about_is_read_without_the_tensors(path):
    assert read_about(path).items() >= (ABOUT | {"format": checkpoint.FORMAT}).items()


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (["generator."], {"generator.weight", "generator.half"}),
        (["random", "discriminator"], {"random", "discriminator.count"}),
        (["nothing"], set()),
        ([], set()),
    ],
)
def test_only_the_wanted_tensors_are_read(path, only, names):
    assert checkpoint.load(path, only=only)[0].keys() == names


def test_saving_again_replaces_the_file_and_leaves_no_other(path):
    checkpoint.save(path, {"new": torch.ones(1)}, {})
    assert checkpoint.load(path)[0].keys() == {"new"}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_tensors_that_need_a_gradient_can_be_saved(tmp_path):
    layer = torch.nn.Linear(2, 2)
    checkpoint.save(tmp_path / "a.safetensors", dict(layer.named_parameters()), {})
    found, _ = checkpoint.load(tmp_path / "a.safetensors")
    assert torch.equal(found["weight"], layer.weight)
    assert not found["weight"].requires_grad


def test_a_place_that_cannot_be_written_is_a_data_error(tmp_path, tensors):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="below"):
        checkpoint.save(tmp_path / "file" / "below.safetensors", tensors, {})


def test_prefixes_part_and_join_a_file(tensors):
    joined = checkpoint.with_prefix("a", tensors) | checkpoint.with_prefix("ab", tensors)
    assert len(joined) == 2 * len(tensors)
    assert_equal(checkpoint.without_prefix("a", joined), tensors)


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".pkl", ".safetensors", ".bin"])
def test_a_pickle_is_refused_and_never_run(tmp_path, suffix):
    path, target = tmp_path / f"weights{suffix}", tmp_path / "was-run"
    path.write_bytes(pickle.dumps(Malicious(target)))
    with pytest.raises(CheckpointError, match="weights"):
        checkpoint.load(path)
    assert not target.exists()


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(path, share):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(path)


@pytest.mark.parametrize("content", [b"garbage", bytes(200), b"\xff" * 200, b"\x02" + bytes(7)])
def test_garbage_is_refused(tmp_path, content):
    path = tmp_path / "garbage.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="garbage"):
        read_about(path)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (None, "not written by sketch2img"),
        ({"format": "pt"}, "not written by sketch2img"),
        ({"sketch2img": "{"}, "damaged header"),
        ({"sketch2img": "[1]"}, "damaged header"),
        ({"sketch2img": "{}"}, "damaged header"),
        ({"sketch2img": '{"format": 99}'}, "format 99"),
    ],
)
def test_files_of_others_and_of_other_versions_are_refused(tmp_path, metadata, said):
    path = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(1)}, path, metadata)
    with pytest.raises(CheckpointError, match=f"foreign.*{said}"):
        checkpoint.load(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(CheckpointError, match="is missing or not a file"):
            checkpoint.load(path)


def take_steps(layer, optimizer, count):
    random = torch.Generator().manual_seed(count)
    for _ in range(count):
        optimizer.zero_grad()
        layer(torch.randn(4, 3, generator=random)).square().mean().backward()
        optimizer.step()


def adam(layer):
    return torch.optim.Adam(layer.parameters(), lr=0.01, betas=(0.5, 0.999))


def test_a_restored_optimizer_goes_on_bit_for_bit(tmp_path):
    layer = torch.nn.Linear(3, 2)
    optimizer = adam(layer)
    take_steps(layer, optimizer, 3)
    path = tmp_path / "state.safetensors"
    checkpoint.save(path, checkpoint.optimizer_tensors(optimizer), {})

    other = copy.deepcopy(layer)
    restored, fresh = adam(other), adam(copy.deepcopy(layer))
    checkpoint.restore_optimizer(restored, checkpoint.load(path)[0])
    assert fresh.state_dict()["state"] == {}
    take_steps(layer, optimizer, 4)
    take_steps(other, restored, 4)
    assert_equal(other.state_dict(), layer.state_dict())


def test_restoring_keeps_the_optimizers_own_settings():
    layer = torch.nn.Linear(3, 2)
    optimizer = adam(layer)
    take_steps(layer, optimizer, 1)
    slower = torch.optim.Adam(layer.parameters(), lr=1e-5)
    checkpoint.restore_optimizer(slower, checkpoint.optimizer_tensors(optimizer))
    assert slower.param_groups[0]["lr"] == 1e-5
