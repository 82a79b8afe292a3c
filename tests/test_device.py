import pytest
import torch
from torch import nn

from sketchcli import device
from sketchcli.errors import DeviceError, UsageError
from sketchcli.machine import ProcessRank


def test_the_cpu_is_always_there():
    found = device.resolve("cpu", precision="fp32")
    assert (found.name, found.precision) == ("cpu", "fp32")
    assert found.torch == torch.device("cpu")
    assert found.threads == torch.get_num_threads()


def test_auto_chooses_what_this_machine_has():
    found = device.resolve()
    assert found.torch.type in {"cpu", "cuda"}
    assert found.precision in {"fp32", "bf16", "fp16"}
    torch.zeros(1, device=found.torch)


@pytest.mark.parametrize("name", ["tpu", "", "cpu:x", "cuda:99", "vulkan"])
def test_a_device_that_is_not_there_is_an_error_with_a_way_out(name):
    with pytest.raises(DeviceError, match=f"'{name}'") as caught:
        device.resolve(name, precision="fp32")
    assert "--device cpu" in caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("precision", ["fp8", "", "FP32"])
def test_an_unknown_precision_lists_the_known_ones(precision):
    with pytest.raises(UsageError, match=f"'{precision}'") as caught:
        device.resolve("cpu", precision=precision)
    assert all(known in caught.value.hint for known in device.PRECISIONS)


def test_probing_leaves_the_users_seed_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    device.resolve("cpu", precision="auto")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(("setting", "set_to"), [("1", []), (None, [5])])
def test_all_usable_cores_are_used_unless_the_user_sets_the_threads(monkeypatch, setting, set_to):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if setting:
        monkeypatch.setenv("OMP_NUM_THREADS", setting)
    monkeypatch.setattr(device, "usable_cores", lambda: 5)
    calls = []
    monkeypatch.setattr(torch, "set_num_threads", calls.append)
    device.resolve("cpu", precision="fp32")
    assert calls == set_to


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_networks_run_in_the_devices_precision_and_keep_fp32_weights(precision, dtype):
    found = device.Device("cpu", precision, 1)
    network = found.place(nn.Conv2d(2, 2, 3))
    with found.autocast():
        assert network(torch.zeros(1, 2, 4, 4)).dtype == dtype
    assert network.weight.dtype == torch.float32


def test_a_placed_network_is_channels_last_and_computes_the_same(cpu):
    network = nn.Conv2d(2, 4, 3)
    pixels = torch.rand(1, 2, 6, 6)
    expected = network(pixels)
    placed = cpu.place(network)
    assert placed.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(placed(pixels), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["hpu", "privateuseone", "meta", "", "gpu:0"])
def test_odd_devices_are_named(name):
    with pytest.raises(DeviceError):
        device.resolve(name, precision="fp32")


@pytest.mark.parametrize(
    ("capability", "precision"),
    [((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16"), ((7, 0), "fp16"), ((6, 1), "fp32")],
)
def test_cuda_is_taken_where_there_is_one_in_its_generations_precision(
    monkeypatch, capability, precision
):
    """The choice alone: no GPU is needed, and none is used."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(device, "_check_exists", lambda _: None)
    chosen = device.resolve()
    assert (chosen.name, chosen.precision) == ("cuda", precision)
    second = device.resolve(place=ProcessRank(rank=5, count=8, local_rank=1, local_count=4))
    assert second.name == "cuda:1"
    assert device.resolve("cuda:0", place=ProcessRank(1, 2, 1, 2)).name == "cuda:0"


def test_fp16_is_for_gpus():
    with pytest.raises(DeviceError, match="fp16 needs a CUDA GPU"):
        device.resolve("cpu", precision="fp16")


@pytest.mark.parametrize(("threads", "said"), [(1, "1 thread"), (2, "2 threads")])
def test_a_device_is_told_in_words(threads, said):
    assert device.Device("cpu", "bf16", threads).describe() == f"cpu, bf16, {said}"


def test_only_fp16_scales_its_losses():
    assert device.Device("cpu", "fp16", 1).scaler().is_enabled()
    assert not device.Device("cpu", "bf16", 1).scaler().is_enabled()


def test_processes_of_one_machine_share_its_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(device, "usable_cores", lambda: 6)
    before = torch.get_num_threads()
    try:
        counts = [
            device.resolve("cpu", precision="fp32", place=ProcessRank(0, 8, 0, local_count)).threads
            for local_count in (1, 4, 8)
        ]
    finally:
        torch.set_num_threads(before)
    assert counts == [6, 1, 1]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_placed_instance_norm_learns_the_same_from_pictures_one_by_one(precision):
    """PyTorch itself gives another gradient there: see the device's `_guard_gradient`."""
    torch.manual_seed(0)
    place = device.Device("cpu", precision, 1)
    network = place.place(nn.Sequential(nn.Conv2d(1, 8, 3), nn.InstanceNorm2d(8, affine=True)))
    pixels, wanted = torch.rand(2, 1, 9, 9), torch.randn(2, 8, 7, 7)
    wanted = wanted.contiguous(memory_format=torch.channels_last)
    found = []
    for size in (2, 1):
        network.zero_grad()
        for start in range(0, 2, size):
            with place.autocast():
                drawn = network(pixels[start : start + size])
            (drawn * wanted[start : start + size]).sum().backward()
        named = network.named_parameters()  # a bias before a norm changes nothing
        found.append([p.grad.clone() for name, p in named if name != "0.bias"])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.02 * one.abs().max().item())


def test_a_gpu_convolves_in_whole_float32_where_that_is_asked_for():
    before = torch.backends.cudnn.allow_tf32
    with device.exactly():
        assert torch.backends.cudnn.enabled
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before
