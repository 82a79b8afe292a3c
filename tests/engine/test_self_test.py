"""A device that computes wrongly, played by the CPU: what it does is spoiled until it is moved."""

import dataclasses

import pytest
import torch
from generating_fixtures import weights_of
from torch import nn

from sketchcli.device import Device, check_device
from sketchcli.engine.generating.prepare import load_model
from sketchcli.engine.training.train import train
from sketchcli.errors import DeviceError, ExitCode
from sketchcli.models.building import build_generator

FAULTS = {
    "unchanged": lambda sketch, _: sketch.expand(-1, 3, -1, -1),
    "grey": lambda _, photo: torch.zeros_like(photo),
    "nan": lambda _, photo: torch.full_like(photo, float("nan")),
    "shifted": lambda _, photo: photo.roll(8, dims=-1),
    "another shape": lambda sketch, _: sketch,
}


class Spoiled(nn.Module):
    """A network that draws wrongly until it is moved to another device."""

    def __init__(self, network, fault):
        super().__init__()
        self.network, self.fault = network, fault
        self.is_elsewhere = True

    def _apply(self, fn, recurse=True):
        self.is_elsewhere = False
        return super()._apply(fn, recurse)

    def forward(self, sketch):
        photo = self.network(sketch)
        return self.fault(sketch, photo) if self.is_elsewhere else photo


@dataclasses.dataclass(frozen=True)
class Elsewhere(Device):
    """Called MPS; computes on the CPU, wrongly where a fault is given."""

    fault: object = None

    @property
    def torch(self):
        return torch.device("cpu")

    def place(self, network):
        placed = super().place(network)
        return Spoiled(placed, self.fault) if self.fault else placed


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_device_that_draws_wrongly_is_refused(tiny, tmp_path, fault):
    weights = weights_of(tmp_path / "run", tiny)
    with pytest.raises(DeviceError, match=r"^mps generates a different image") as caught:
        load_model(weights, Elsewhere("mps", "fp32", 1, fault))
    assert "--device cpu" in caught.value.hint
    assert caught.value.exit_code == ExitCode.DEVICE


def test_a_device_that_cannot_draw_is_an_error_with_a_way_out(tiny, tmp_path):
    def lacking(*_):
        raise NotImplementedError("The operator 'aten::x' is not implemented for MPS\nmore")

    weights = weights_of(tmp_path / "run", tiny)
    with pytest.raises(DeviceError, match=r"mps cannot run the model: The operator") as caught:
        load_model(weights, Elsewhere("mps", "fp32", 1, lacking))
    assert "\n" not in caught.value.message
    assert "--device cpu" in caught.value.hint


def test_nothing_is_trained_on_a_device_that_draws_wrongly(tiny, dataset, tmp_path, cpu):
    wrong = Elsewhere("mps", "fp32", 1, FAULTS["grey"])
    with pytest.raises(DeviceError, match="a different image"):
        train(tiny, dataset, run_dir=tmp_path / "run", device=wrong)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", ["resunet", "resnet", "cnn", "unet"])
def test_rounding_is_no_fault(tiny, name, precision):
    torch.manual_seed(0)
    model = dataclasses.replace(tiny.model, generator=name, generator_options={"width": 4})
    network = build_generator(model).train()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    check_device(network, Elsewhere("mps", precision, 1), (48, 64))
    assert network.training
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())


def test_on_a_cpu_nothing_is_compared(cpu):
    def forward(_):
        raise AssertionError

    network = nn.Module()
    network.forward = forward
    check_device(network, cpu, (32, 32))
