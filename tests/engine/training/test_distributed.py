"""Several processes that train one model; two of them are really started."""

import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from engine.training.interrupting import read_log, wait_for
from torch import nn

from sketchcli import config as settings
from sketchcli.engine.runs import Run
from sketchcli.engine.training.distributed import Ranks
from sketchcli.engine.training.train import train
from sketchcli.engine.training.trainer import Part, Trainer
from sketchcli.errors import ExitCode, UsageError
from sketchcli.weights_header import read_about

pytestmark = pytest.mark.usefixtures("plain_curves")

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture
def config(tmp_path, tiny):
    """Five pairs a step, which two processes cannot share equally; a penalty every second step."""
    changes = {"data": {"batch_size": 5}, "loss": {"r1_weight": 0.1, "r1_every": 2}}
    chosen = settings.merge(tiny, changes)
    (tmp_path / "config.toml").write_text(settings.to_toml(chosen))
    return chosen


@pytest.fixture
def command(dataset, tmp_path, config, home):
    """What each of two processes does: they train into `together`."""
    words = ["-m", "sketchcli", "train", dataset.folder, "--precision", "fp32"]
    words += ["--device", "cpu", "--json", "--config", tmp_path / "config.toml"]
    return [str(word) for word in [*words, "--run-dir", tmp_path / "together"]]


def together(programs, words):
    """What two processes print, forked with the variables that `torchrun` sets."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    place |= {"LOCAL_WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [programs / "python", *words],
            env=ENVIRONMENT | place | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    told = [process.communicate(timeout=240) for process in processes]
    stdout, stderr = map("".join, zip(*told, strict=True))
    assert [process.returncode for process in processes] == [0, 0], stderr
    return stdout, stderr


def batches(run: Run) -> list[dict]:
    return [line for line in read_log(run) if line["kind"] == "batch"]


@pytest.mark.slow
def test_two_processes_lose_what_one_does(command, programs, config, dataset, tmp_path, cpu):
    whole = train(config, dataset, run_dir=tmp_path / "whole", device=cpu)
    stdout, stderr = together(programs, command)
    data = json.loads(stdout)["data"]  # one of the two has printed
    assert data["images_seen"] == whole.images_seen
    assert data["scores"] == pytest.approx(whole.scores, rel=1e-3)
    pairs = zip(batches(Run(tmp_path / "whole")), batches(Run(tmp_path / "together")), strict=True)
    for one, two in pairs:
        figures = ("generator_loss", "discriminator_loss")
        assert [two[n] for n in figures] == pytest.approx([one[n] for n in figures], rel=1e-5)
        assert two["parts"] == pytest.approx(one["parts"], rel=1e-4)
        assert two["judging"] == pytest.approx(one["judging"], rel=1e-4)
    assert "2 processes" in stderr
    assert stderr.count("epoch 2/2  batch") == 1
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_figures_are_those_of_all_processes(programs):
    stdout, _ = together(programs, [str(Path(__file__).with_name("together.py"))])
    assert stdout.count("all of both\n") == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "rank", "codes"),
    [
        (signal.SIGINT, 1, {ExitCode.INTERRUPTED}),
        (signal.SIGKILL, 0, {-signal.SIGKILL, ExitCode.LOST_PROCESS}),
    ],
)
def test_what_ends_one_process_ends_both_and_leaves_a_state(
    command, tmp_path, config, dataset, cpu, number, rank, codes
):
    long = settings.merge(config, {"epochs": 4000, "validation": {"every": 1}})
    (tmp_path / "config.toml").write_text(settings.to_toml(long))
    (tmp_path / "sitecustomize.py").write_text(SAVES_OFTEN)
    process = start_saving_often(command, tmp_path)
    run, children = Run(tmp_path / "together"), {}
    try:
        wait_for(lambda: len(batches(run)) > 3 and run.states, process)
        children = processes_of(process.pid)
        os.kill(children[rank], number)
        _, errors = process.communicate(timeout=240)
    finally:
        for left in filter(is_alive, [process.pid, *children.values()]):
            os.kill(left, signal.SIGKILL)
    assert process.returncode != 0
    assert set(exit_codes(errors)) == codes, errors
    assert not any(is_alive(child) for child in children.values())
    if number == signal.SIGINT:
        assert errors.count("everything is saved") == 1
    goes_on(run, long, dataset, cpu)


SAVES_OFTEN = "from sketchcli.engine.training import loop\nloop.SAVE_EVERY_SECONDS = 0.2\n"


def start_saving_often(command, folder):
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    return subprocess.Popen(
        [*TORCHRUN, *command],
        env=ENVIRONMENT | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def processes_of(parent: int) -> dict[int, int]:
    """Rank -> process id."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    found = {}
    for child in children:
        variables = Path(f"/proc/{child}/environ").read_text().split("\0")
        named = dict(variable.partition("=")[::2] for variable in variables)
        if "RANK" in named:
            found[int(named["RANK"])] = int(child)
    return found


def exit_codes(errors: str) -> list[int]:
    """As `torchrun` tells them."""
    return [int(code) for code in re.findall(r"exitcode  : (-?\d+)", errors)]


def is_alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def goes_on(run: Run, config, dataset, cpu):
    """One process goes on where two have stopped, and trains no batch twice."""

    done = read_about(run.state)["epochs_done"]
    longer = dataclasses.replace(config, epochs=done + 1)
    result = train(longer, dataset, run_dir=run.folder, device=cpu)
    assert result.epochs == done + 1
    assert not list(run.folder.glob(".*"))
    assert len(batches(run)) * config.data.batch_size == result.images_seen


# -- without starting any


def test_a_batch_that_is_too_small_to_be_shared_is_refused(tiny, dataset, tmp_path, cpu):
    with pytest.raises(UsageError, match="2 pairs is too small for 3") as caught:
        train(tiny, dataset, run_dir=tmp_path / "run", device=cpu, ranks=Ranks(0, 3))
    assert "--batch-size of at least 3" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_batch_norm_over_processes_is_refused_on_a_cpu(dataset, tmp_path, cpu):
    narrow = {"model": {"generator_options": {"width": 4, "depth": 4}}, "data": {"batch_size": 2}}
    config = settings.merge(settings.preset("pix2pix"), narrow)
    with pytest.raises(UsageError, match="GPUs only") as caught:
        train(config, dataset, run_dir=tmp_path / "run", device=cpu, ranks=Ranks(0, 2))
    assert "--preset modern" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_on_gpus_it_is_pytorchs_with_the_same_names_and_has_no_penalty():
    network, gpu = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), torch.device("cuda:0")
    names = network.state_dict().keys()
    shared = Ranks(0, 2, gpu).share_batch_norms(network)
    assert isinstance(shared[1], nn.SyncBatchNorm)
    assert shared.state_dict().keys() == names
    with pytest.raises(UsageError, match="r1_weight"):
        Ranks(0, 2, gpu).share_batch_norms(nn.BatchNorm2d(2), has_penalty=True)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_row_is_of_one_process(count):
    rows = [Ranks(rank, count).rows(5) for rank in range(count)]
    assert [row for start, stop in rows for row in range(start, stop)] == list(range(5))
    assert max(b - a for a, b in rows) - min(b - a for a, b in rows) <= 1


@pytest.mark.parametrize("loss", ["hinge", "vanilla", "lsgan"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_mean_of_unequal_shares_is_the_whole_batch(tiny, cpu, loss, accumulate):
    """Gradients and losses of five pairs, and of two and three of them."""
    weights = {"structure_weight": 1.0, "gradient_weight": 1.0, "r1_weight": 0.5}
    model = {"discriminator_options": {"norm": "none"}}  # spectral norm's changes with every part
    config = settings.merge(tiny, {"loss": {"adversarial": loss} | weights, "model": model})
    random = torch.Generator().manual_seed(0)
    sketch, photo = torch.rand(5, 1, 32, 32, generator=random), torch.rand(5, 3, 32, 32)
    whole = steps(config, cpu, Ranks(), Part(sketch, photo), accumulate)
    shares = [steps(config, cpu, Ranks(n, 2), Part(sketch, photo), accumulate) for n in (0, 1)]
    for name, value in whole.items():
        mean = (shares[0][name] + shares[1][name]) / 2
        tolerance = 1e-6 + 1e-5 * value.abs().max().item()
        torch.testing.assert_close(mean, value, rtol=0, atol=tolerance, msg=name)


def steps(config, cpu, ranks, part, accumulate):
    """Losses and gradients of both networks in the first step, from the same weights."""
    trainer = Trainer(config, image_size=(32, 32), device=cpu, ranks=ranks)
    parts = list(part.rows(*ranks.rows(len(part))).split(accumulate))
    with torch.no_grad():
        drawn = [trainer.generate(p.sketch, p.photo) for p in parts]
    found = {}
    before = {k: v.clone() for k, v in trainer.discriminator.state_dict().items()}
    judged = trainer.discriminator_step(parts, drawn, 0)
    found |= gradients("discriminator", trainer.discriminator)
    trainer.discriminator.load_state_dict(before)  # as every process would have it
    learnt = trainer.generator_step(parts)
    found |= gradients("generator", trainer.generator)
    for name, figures in (("judged", judged), ("learnt", learnt)):
        own = {k: v for k, v in figures.parts.items() if k != "gradient_norm"}
        found |= {f"{name}.{k}": torch.tensor(v) for k, v in own.items()}
        found[name] = torch.tensor(figures.loss)
    return found


def gradients(name, network):
    return {f"{name}.{n}": p.grad.clone() for n, p in network.named_parameters()}
