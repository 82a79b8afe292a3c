import dataclasses
import shutil

import pytest
import torch
from conftest import network_file
from engine.training.interrupting import interrupt_after, read_log

from sketchcli import checkpoint
from sketchcli import config as settings
from sketchcli.engine.events import Note
from sketchcli.engine.runs import Run
from sketchcli.engine.training import networks
from sketchcli.engine.training.train import kept_bytes, train
from sketchcli.engine.training.trainer import Part, Trainer
from sketchcli.errors import CheckpointError, InterruptedRunError, UsageError
from sketchcli.weights_header import read_about

pytestmark = pytest.mark.usefixtures("plain_curves")


@pytest.fixture
def earlier(tiny, dataset, tmp_path, cpu):
    """A run to start from."""
    return train(tiny, dataset, run_dir=tmp_path / "earlier", device=cpu)


def part(count=4, size=32):
    random = torch.Generator().manual_seed(1)
    sketch = torch.rand(count, 1, size, size, generator=random) * 2 - 1
    return Part(sketch, sketch.expand(-1, 3, -1, -1) * 0.5)


def start(config, cpu, **changes):
    return Trainer(dataclasses.replace(config, **changes), image_size=(32, 32), device=cpu)


def test_a_run_starts_from_anothers_weights_and_discriminator(tiny, earlier, cpu):
    trainer = start(tiny, cpu, init_from=str(earlier.run_dir))
    weights, _ = checkpoint.load(earlier.weights)
    found = trainer.generator.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())
    state, _ = checkpoint.load(Run(earlier.run_dir).state)
    judge = trainer.discriminator.state_dict()
    assert torch.equal(judge["output.weight"], state["discriminator.output.weight"])


def test_a_run_that_starts_from_weights_is_resumed_from_its_own_state(
    tiny, dataset, earlier, tmp_path, cpu
):
    config = dataclasses.replace(tiny, init_from=str(earlier.run_dir), seed=1)
    train(config, dataset, run_dir=tmp_path / "tuned", device=cpu)
    first, before = checkpoint.load(tmp_path / "tuned" / "weights.safetensors")
    shutil.rmtree(earlier.run_dir)  # all that is needed of it is in the state
    longer = dataclasses.replace(config, epochs=3)
    result = train(longer, dataset, run_dir=tmp_path / "tuned", device=cpu)
    after = read_about(result.weights)
    assert after["dataset"] == before["dataset"]
    assert after["config"]["init_from"] == str(earlier.run_dir)
    assert result.epochs == 3
    assert result.images_seen == 3 * 3 * 2
    assert not torch.equal(checkpoint.load(result.weights)[0]["output.bias"], first["output.bias"])


def test_a_discriminator_of_another_kind_learns_anew_as_a_whole(tiny, earlier, cpu):
    plain = settings.merge(tiny, {"model": {"discriminator_options": {"norm": "none"}}})
    new = start(plain, cpu).discriminator.state_dict()
    found = start(plain, cpu, init_from=str(earlier.run_dir)).discriminator.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in new.items())


def test_weights_of_another_generator_are_refused(tiny, earlier, cpu):
    wider = settings.merge(tiny, {"model": {"generator_options": {"width": 8, "blocks": 1}}})
    with pytest.raises(CheckpointError, match="another generator"):
        start(wider, cpu, init_from=str(earlier.weights))


def test_frozen_parts_stay_as_they_are(tiny, dataset, earlier, tmp_path, cpu):
    changes = {"init_from": str(earlier.run_dir), "freeze": "encode, trunk"}
    config = settings.merge(tiny, changes)
    tuned = train(config, dataset, run_dir=tmp_path / "tuned", device=cpu)
    before, after = (checkpoint.load(run.weights)[0] for run in (earlier, tuned))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert {name.split("_")[0] for name in changed} == {"decode", "output"}


@pytest.mark.parametrize(
    ("parts", "said"), [("encoder", "encoder"), ("encode,trunk,decode,output", "no parameters")]
)
def test_parts_that_are_not_there_or_all_of_them_are_refused(tiny, cpu, parts, said):
    with pytest.raises(UsageError, match=said):
        start(tiny, cpu, freeze=parts)


def test_a_batch_in_parts_teaches_the_same(tiny, cpu):
    # Spectral norm's estimate moves with every look: without it, both see the same discriminator.
    plain = settings.merge(tiny, {"model": {"discriminator_options": {"width": 4, "norm": "none"}}})
    whole, parts = start(plain, cpu), start(plain, cpu)
    whole.step([part()], 0)
    judged, drawn = parts.step(list(part().split(2)), 0)
    assert not judged.is_skipped
    assert not drawn.is_skipped
    for first, second in zip(
        whole.generator.parameters(), parts.generator.parameters(), strict=True
    ):
        torch.testing.assert_close(first.grad, second.grad, rtol=1e-3, atol=1e-5)


def test_activations_that_are_computed_twice_change_nothing(tiny, cpu):
    kept = start(tiny, cpu)
    twice = start(settings.merge(tiny, {"run": {"checkpointing": True}}), cpu)
    sketch = part().sketch
    held = [kept_bytes(t.generator, lambda t=t: t.generator(sketch)) for t in (kept, twice)]
    assert held[1] < 0.8 * held[0]
    for trainer in (kept, twice):
        trainer.step([part()], 0)
    pairs = zip(kept.generator.parameters(), twice.generator.parameters(), strict=True)
    assert all(torch.equal(first.grad, second.grad) for first, second in pairs)


def test_layers_that_count_batches_keep_their_activations(cpu):
    pix2pix = settings.merge(
        settings.preset("pix2pix"), {"model": {"generator_options": {"width": 4}}}
    )
    trainer = Trainer(pix2pix, image_size=(32, 32), device=cpu)
    before = {n: b.clone() for n, b in trainer.generator.named_buffers() if n.endswith("tracked")}
    networks.recompute_activations(trainer.generator)
    trainer.step([part()], 0)
    counted = {n: int(b) for n, b in trainer.generator.named_buffers() if n in before}
    assert set(counted.values()) == {1}


@pytest.fixture
def perceptive(tiny):
    """With the perceptual loss of the default recipe."""
    return settings.merge(tiny, {"loss": {"perceptual_weight": 20.0}})


def test_without_its_network_a_run_goes_without_the_perceptual_loss_and_says_so(
    perceptive, dataset, tmp_path, cpu
):
    events = []
    train(perceptive, dataset, run_dir=tmp_path / "run", device=cpu, reporter=events.append)
    warnings = [e.message for e in events if isinstance(e, Note) and e.is_warning]
    assert ["fetch-data lpips-alex" in message for message in warnings] == [True]
    about = read_about(Run(tmp_path / "run").weights)
    assert perceptive.loss.perceptual_weight > 0
    assert about["config"]["loss"]["perceptual_weight"] == 0


@pytest.fixture
def network(home):
    """The perceptual network, where the tests have it."""
    file = network_file("alexnet.ckpt")
    shutil.copytree(file.parent, home / "assets" / "lpips-alex")


@pytest.mark.usefixtures("network")
def test_with_its_network_the_perceptual_loss_is_trained_on(perceptive, dataset, tmp_path, cpu):
    train(perceptive, dataset, run_dir=tmp_path / "run", device=cpu)
    batches = [x for x in read_log(Run(tmp_path / "run")) if x["kind"] == "batch"]
    assert all(0 < line["parts"]["perceptual"] < 2 for line in batches)


def test_a_run_that_was_begun_without_it_goes_on_without_it(
    perceptive, dataset, tmp_path, cpu, home
):
    train(perceptive, dataset, run_dir=tmp_path / "run", device=cpu)
    shutil.copytree(network_file("alexnet.ckpt").parent, home / "assets" / "lpips-alex")
    longer = dataclasses.replace(perceptive, epochs=3)
    assert train(longer, dataset, run_dir=tmp_path / "run", device=cpu).epochs == 3
    assert "perceptual" not in read_log(Run(tmp_path / "run"))[-3].get("parts", {})


@pytest.mark.usefixtures("network")
def test_another_weight_of_the_perceptual_loss_is_refused(perceptive, dataset, tmp_path, cpu):
    train(perceptive, dataset, run_dir=tmp_path / "run", device=cpu)
    heavier = settings.merge(perceptive, {"epochs": 3, "loss": {"perceptual_weight": 30.0}})
    with pytest.raises(CheckpointError, match=r"loss\.perceptual_weight"):
        train(heavier, dataset, run_dir=tmp_path / "run", device=cpu)


def test_a_run_that_has_lost_its_network_says_how_to_get_it(
    perceptive, dataset, tmp_path, cpu, home, network
):
    train(perceptive, dataset, run_dir=tmp_path / "run", device=cpu)
    shutil.rmtree(home)
    with pytest.raises(UsageError, match="lpips-alex") as caught:
        train(
            dataclasses.replace(perceptive, epochs=3), dataset, run_dir=tmp_path / "run", device=cpu
        )
    assert "fetch-data lpips-alex" in caught.value.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": {"adversarial": "relativistic", "r1_weight": 1.0, "r1_every": 2}},
        {"loss": {"structure_weight": 1.0, "gradient_weight": 1.0, "adversarial_weight": 0.0}},
        {"optimizer": {"name": "adamw", "weight_decay": 0.01, "schedule": "cosine"}},
        {"optimizer": {"name": "rmsprop", "schedule": "step"}},
        {"augmentation": {"adaptive": True, "mixing": 0.5, "sketch_stroke": 0.5}},
        {"data": {"accumulate": 2}},
        {"model": {"generator_options": {"width": 4, "blocks": 1, "dropout": 0.2}}},
    ],
    ids=lambda changes: next(iter(changes)) + "-" + next(iter(next(iter(changes.values())))),
)
def test_every_kind_of_run_goes_on_bit_for_bit(tiny, dataset, tmp_path, cpu, changes):
    config = settings.merge(tiny, changes)
    train(config, dataset, run_dir=tmp_path / "whole", device=cpu)
    half = {"run_dir": tmp_path / "halves", "device": cpu}
    with pytest.raises(InterruptedRunError):
        train(config, dataset, reporter=interrupt_after(4), **half)
    train(config, dataset, **half)
    whole, halves = (
        checkpoint.load(tmp_path / n / "state.safetensors") for n in ("whole", "halves")
    )
    assert all(torch.equal(whole[0][name], halves[0][name]) for name in whole[0])
    assert whole[1]["progress"]["strength"] == halves[1]["progress"]["strength"]
