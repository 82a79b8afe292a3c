"""`--compile`: what cannot be compiled is trained as it is, and gives the same weights."""

import pytest
import torch

from sketchcli import checkpoint
from sketchcli import config as settings
from sketchcli.engine.events import Note
from sketchcli.engine.runs import Run
from sketchcli.engine.training import trainer
from sketchcli.engine.training.train import dry_run, train
from sketchcli.models.blocks import DiscriminatorOutput
from sketchcli.weights_header import read_about

pytestmark = pytest.mark.usefixtures("plain_curves")

COMPILED = {"run": {"compile": True}}


def state(folder):
    return checkpoint.load(Run(folder).state)[0]


def warnings(events):
    return [event.message for event in events if isinstance(event, Note) and event.is_warning]


@pytest.fixture
def failing(monkeypatch):
    """A compiler that fails in a forward or in a backward pass."""

    class Compiled(torch.nn.Module):
        def __init__(self, network, when):
            super().__init__()
            self.network, self.when = [network], when

        def forward(self, *images):
            if self.when == "forward":
                raise RuntimeError("No working C++ compiler found\nin any of ...")
            output = self.network[0](*images)
            if isinstance(output, torch.Tensor) and output.requires_grad:
                output.register_hook(self.fail)
            return output

        def fail(self, _):
            raise AssertionError("expected size 4==4, stride 1==1024 at dim=1\nError in op")

    def fail(when):
        monkeypatch.setattr(torch, "compile", lambda network: Compiled(network, when))

    return fail


@pytest.mark.parametrize("when", ["forward", "backward"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_where_compiling_fails_the_run_is_the_one_without_it(
    tiny, dataset, tmp_path, cpu, failing, when, accumulate
):
    # With dropout, which takes random numbers, and spectral norm, which changes in every step.
    changes = {
        "model": {"generator_options": {"width": 4, "blocks": 1, "dropout": 0.3}},
        "data": {"accumulate": accumulate},
    }
    config, events = settings.merge(tiny, changes), []
    train(config, dataset, run_dir=tmp_path / "eager", device=cpu)
    failing(when)
    compiled = settings.merge(config, COMPILED)
    train(compiled, dataset, run_dir=tmp_path / "run", device=cpu, reporter=events.append)
    (warning,) = warnings(events)
    assert warning.startswith("training without torch.compile: ")
    assert "\n" not in warning
    eager, fallen_back = state(tmp_path / "eager"), state(tmp_path / "run")
    assert eager.keys() == fallen_back.keys()
    assert all(torch.equal(eager[name], fallen_back[name]) for name in eager)


def test_a_budget_a_dry_run_and_resuming_fall_back_with_one_warning_each(
    tiny, dataset, tmp_path, cpu, failing
):
    failing("backward")
    config, run = settings.merge(tiny, COMPILED), {"run_dir": tmp_path / "run", "device": cpu}
    events = []
    dry_run(config, dataset, device=cpu, reporter=events.append)
    train(config, dataset, budget=1.0, reporter=events.append, **run)
    done = read_about(Run(tmp_path / "run").state)["epochs_done"]
    longer = settings.merge(config, {"epochs": done + 1})
    assert train(longer, dataset, reporter=events.append, **run).epochs == done + 1
    assert len(warnings(events)) == 3


class Draw(torch.nn.Conv2d):
    """A generator of one layer."""

    def forward(self, sketch):
        return super().forward(sketch).tanh()


class Judge(torch.nn.Conv2d):
    """A discriminator of one layer."""

    def forward(self, sketch, photo):
        return DiscriminatorOutput(super().forward(torch.cat([sketch, photo], dim=1)))


@pytest.mark.slow
def test_a_compiled_run_loses_what_one_without_does_and_is_resumed(
    tiny, dataset, tmp_path, cpu, monkeypatch
):
    """The real compiler, on networks whose backward pass it can compile on every CPU.

    Trying out which vector instructions it may use takes it as long as all else.
    """
    from torch._inductor import config as inductor

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(inductor.cpp, "vec_isa_ok", False)
    monkeypatch.setattr(trainer, "build_generator", lambda *_: Draw(1, 3, 3, padding=1))
    monkeypatch.setattr(trainer, "build_discriminator", lambda *_: Judge(4, 1, 4, stride=2))
    changes = {"epochs": 1, "loss": {"r1_weight": 0.5, "r1_every": 2}, "data": {"batch_size": 4}}
    config, events = settings.merge(tiny, changes), []
    eager = train(config, dataset, run_dir=tmp_path / "eager", device=cpu)
    compiled = settings.merge(config, COMPILED)
    run = {"run_dir": tmp_path / "run", "device": cpu, "reporter": events.append}
    result = train(compiled, dataset, **run)
    assert warnings(events) == []
    assert result.generator_loss == pytest.approx(eager.generator_loss, rel=1e-3)
    assert state(tmp_path / "run").keys() == state(tmp_path / "eager").keys()
    longer = settings.merge(config, {"epochs": 2})
    assert train(longer, dataset, run_dir=tmp_path / "run", device=cpu).epochs == 2
