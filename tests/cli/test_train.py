"""`train`: which settings, which set and which folder reach the engine."""

import contextlib
import functools
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from sketchcli import checkpoint, files
from sketchcli import config as settings
from sketchcli.cli import train_settings
from sketchcli.cli.main import main
from sketchcli.cli.train_run import invocation
from sketchcli.cli.train_settings import parse_assignments, resolve_config
from sketchcli.config import SKETCH_TO_PHOTO
from sketchcli.engine.results import TrainResult
from sketchcli.engine.runs import Run
from sketchcli.errors import ExitCode, TrainingError, UsageError
from sketchcli.weights_header import read_about

pytestmark = pytest.mark.usefixtures("plain_curves")

SMALL = (
    "--set=model.generator_options.width=4",
    "--set=model.generator_options.blocks=1",
    "--set=model.discriminator_options.width=4",
    "--batch-size=4",
)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory, leave_out):
    """A data folder with the prepared set `demo-32` and a run of one epoch on it, `first`."""
    home = tmp_path_factory.mktemp("made-once")
    fetch, prepare = "fetch-data demo --count 12 --size 32", "preprocess demo --size 32 --test 0.3"
    learn = ["train", "--precision", "fp32", "--epochs", "1", "--seed", "3", "--run-dir"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKETCH2IMG_HOME", str(home))
        leave_out(patch)
        for words in (fetch.split(), prepare.split(), [*learn, str(home / "runs/first"), *SMALL]):
            assert main(words) == ExitCode.OK
    return home


@pytest.fixture
def prepared(made_once, home):
    """A prepared set at home, `demo-32`."""
    for name in ("raw", "prepared"):
        shutil.copytree(made_once / name, home / name)


@pytest.fixture
def train(sketch2img):
    """Run `train` without the probe that finds the quicker precision."""
    return functools.partial(sketch2img, "train", "--precision", "fp32")


@pytest.fixture
def run(made_once, prepared, home):
    """A run of one epoch, `first`."""
    return shutil.copytree(made_once / "runs", home / "runs") / "first"


@pytest.fixture
def asked(monkeypatch):
    """What would have been trained: the arguments of the engine's `train`."""
    from sketchcli.engine.training import train as training

    calls = []

    def pretend(config, dataset, **rest):
        calls.append({"config": config, "dataset": dataset} | rest)
        nowhere = Path("nowhere")
        values = dict.fromkeys(TrainResult.__dataclass_fields__, nowhere)
        numbers = {"epochs": 1, "images_seen": 8, "seconds": 1.0, "skipped": 0, "best_epoch": 1}
        return TrainResult(**values | numbers | {"scores": {}, "domains": SKETCH_TO_PHOTO})

    monkeypatch.setattr(training, "train", pretend)
    return calls


# -- settings


def test_set_reaches_every_setting_and_keeps_its_type():
    chosen = resolve_config(
        None,
        None,
        {},
        assignments=[
            "epochs=7",
            "loss.adversarial=lsgan",
            "augmentation.elastic=0.04",
            "augmentation.flip=false",
            "optimizer.lr=1",
            "model.generator_options.width=16",
        ],
    )
    expected = {
        "epochs": 7,
        "loss": {"adversarial": "lsgan"},
        "augmentation": {"elastic": 0.04, "flip": False},
        "optimizer": {"lr": 1.0},
        "model": {"generator_options": {"width": 16}},
    }
    assert chosen == settings.merge(settings.preset("modern"), expected)


def test_set_lies_over_the_file_and_under_the_flags(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("epochs = 1\nseed = 1\n[data]\nbatch_size = 1\n")
    chosen = resolve_config(
        "paper", file, {"seed": 3, "epochs": None}, assignments=["seed=2", "data.batch_size=2"]
    )
    assert (chosen.epochs, chosen.seed, chosen.data.batch_size) == (1, 3, 2)


def test_the_last_of_two_assignments_wins():
    assert parse_assignments(["seed=1", "epochs=2", "seed=3"]) == {"seed": 3, "epochs": 2}


@pytest.mark.parametrize("text", ["epochs", "=3", " =3", ""])
def test_what_is_no_assignment_is_said(text):
    with pytest.raises(UsageError, match="--set") as caught:
        parse_assignments([text])
    assert "KEY=VALUE" in caught.value.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("-2", -2),
        ("true", True),
        ("True", "True"),
        ('"a b"', "a b"),
        ("runs/a b", "runs/a b"),
        ("2024-01-01", "2024-01-01"),
        ("[1, 2]", "[1, 2]"),
        ("1\nother = 2", "1\nother = 2"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_values_are_toml_scalars_and_else_words(text, value):
    found = parse_assignments([f"init_from={text}"])["init_from"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("loss.adverserial", "loss.adversarial"),
        ("adversarial", "loss.adversarial"),
        ("batchsize", "data.batch_size"),
        ("optimiser.lr", "optimizer.lr"),
        ("epoch", "epochs"),
        ("loss.patience", "validation.patience"),
    ],
)
def test_a_mistyped_setting_is_answered_with_the_one_that_is_meant(wrong, meant):
    with pytest.raises(UsageError, match=f"'{wrong.partition('.')[0]}") as caught:
        resolve_config(None, None, {}, assignments=[f"{wrong}=1"])
    assert f"did you mean '{meant}'" in caught.value.message


def test_a_mistyped_setting_in_a_file_is_answered_too(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[loss]\nadversarial_wait = 1\n")
    with pytest.raises(UsageError, match=r"loss\.adversarial_wait") as caught:
        resolve_config(None, file, {})
    assert "did you mean 'loss.adversarial_weight'" in caught.value.message


def test_what_is_like_no_setting_has_no_suggestion():
    with pytest.raises(UsageError) as caught:
        resolve_config(None, None, {}, assignments=["xyzzy=1"])
    assert caught.value.message == "settings: unknown key 'xyzzy'"
    assert caught.value.hint == "see docs/reference/settings.md"


@pytest.mark.parametrize("value", ["64", "0"])
def test_a_removed_setting_that_is_typed_is_answered_with_what_to_do_instead(value):
    with pytest.raises(UsageError, match=r"'data.grow_from' no longer exists") as caught:
        resolve_config(None, None, {}, assignments=[f"data.grow_from={value}"])
    assert "--init-from" in caught.value.hint


def test_a_file_of_an_older_version_is_read_where_its_removed_settings_are_off(tmp_path):
    file = tmp_path / "old.toml"
    file.write_text("epochs = 3\n[data]\nbatch_size = 2\ngrow_from = 0\ngrow_share = 0.3\n")
    chosen = resolve_config(None, file, {})
    assert (chosen.epochs, chosen.data.batch_size) == (3, 2)
    file.write_text("[data]\ngrow_from = 64\n")
    with pytest.raises(UsageError, match=r"'data.grow_from' no longer exists"):
        resolve_config(None, file, {})


def test_options_are_added_to_those_of_the_preset():
    chosen = resolve_config(
        "pix2pix", None, {}, assignments=["model.discriminator_options.width=8"]
    )
    assert chosen.model.discriminator_options == {"width": 8, "norm": "batch"}


def test_a_presets_options_go_with_its_network(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[model]\ndiscriminator = "dense"\n')
    from_file = resolve_config("pix2pix", file, {})
    from_flag = resolve_config("pix2pix", None, {"model.discriminator": "dense"})
    for chosen in (from_file, from_flag):
        assert (chosen.model.discriminator, chosen.model.discriminator_options) == ("dense", {})
        assert chosen.model.generator == "unet"


# -- the command to do it again


def test_the_command_names_set_and_seed(home):
    at_home, elsewhere = home / "prepared" / "faces", Path("/data/my faces")
    plain = invocation(["train", "--epochs", "3"], None, at_home, 5, is_named=False)
    assert plain == "sketch2img train faces --epochs 3 --seed 5"
    outside = invocation(["train"], None, elsewhere, 0, is_named=False)
    assert outside == "sketch2img train '/data/my faces' --seed 0"
    for said in (["--seed", "7"], ["--seed=7"]):
        named = invocation(["train", "faces", *said], None, at_home, 7, is_named=True)
        assert shlex.split(named) == ["sketch2img", "train", "faces", *said]
    resumed = invocation(["train", "--resume", "x"], Run(Path("x")), at_home, 7, is_named=False)
    assert resumed == f"sketch2img train faces --config {Path('x') / 'config.toml'}"


# -- through the entry point


@pytest.mark.parametrize(
    ("words", "precision"),
    [
        ((), "bf16"),
        (("--preset", "paper"), "fp32"),
        (("--preset", "paper", "--precision", "auto"), "bf16"),
        (("--preset", "paper", "--set", "run.precision=bf16"), "bf16"),
    ],
)
def test_the_source_s_system_is_trained_in_fp32_unless_asked_otherwise(
    sketch2img, prepared, asked, monkeypatch, words, precision
):
    monkeypatch.setattr("sketchcli.device.quickest_precision", lambda _: "bf16")
    outcome = sketch2img("train", *words)
    assert outcome.code == 0, outcome.stderr
    assert asked[0]["device"].precision == precision


def test_flags_reach_the_engine(train, prepared, asked):
    outcome = train(
        *shlex.split(
            "--optimizer adamw --schedule cosine --loss lsgan --patience 3 --accumulate 2 "
            "--validate-every 4 --compile --checkpointing --no-tensorboard "
            "--freeze trunk --set loss.r1_weight=0.5"
        )
    )
    assert outcome.code == 0, outcome.stderr
    changes = {
        "freeze": "trunk",
        "optimizer": {"name": "adamw", "schedule": "cosine"},
        "loss": {"adversarial": "lsgan", "r1_weight": 0.5},
        "validation": {"patience": 3, "every": 4},
        "data": {"accumulate": 2},
        "run": {"precision": "fp32", "compile": True, "checkpointing": True},
    }
    assert asked[0]["config"] == settings.merge(settings.preset("modern"), changes)
    assert asked[0]["dataset"].folder.name == "demo-32"


def test_a_wrong_setting_is_a_usage_error_that_trains_nothing(train, asked):
    outcome = train("--set", "loss.adverserial=lsgan", "--json")
    assert outcome.code == ExitCode.USAGE
    assert "loss.adversarial" in outcome.json["errors"][0]["message"]
    assert not asked


def test_a_run_goes_on_with_its_own_settings_and_set(train, sketch2img, run, home):
    assert sketch2img("fetch-data", "demo", "--name", "other", "--count", 4, "--size", 32).code == 0
    assert sketch2img("preprocess", "other", "--size", 32).code == 0  # now the newest set
    outcome = train("--resume", "first", "--epochs", 2, "--json")
    assert outcome.code == 0, outcome.stderr
    data = outcome.json["data"]
    assert (data["dataset"], data["epochs"], Path(data["run_dir"])) == ("demo-32", 2, run)
    chosen = settings.from_dict(settings.read_file(run / "config.toml"))
    assert (chosen.seed, chosen.model.generator_options["width"]) == (3, 4)
    assert "resuming after epoch 1/2" in outcome.stderr


def test_a_run_is_found_by_its_folder_and_its_set_by_its_pairs(train, run, home, asked):
    (home / "prepared" / "demo-32").rename(home / "prepared" / "renamed")
    assert train("--resume", run).code == 0
    assert asked[0]["dataset"].folder.name == "renamed"
    assert asked[0]["run_dir"] == run


def test_a_set_that_is_gone_is_named(train, run, home, asked):
    (home / "prepared" / "demo-32" / "dataset.json").unlink()
    outcome = train("--resume", run)
    assert outcome.code == ExitCode.DATA
    assert "('demo-32') was not found in" in outcome.stderr
    assert "train DATASET --resume RUN" in outcome.stderr
    assert not asked


def test_a_run_without_a_state_cannot_say_its_set(train, run, asked):
    for state in run.glob("state*"):
        state.unlink()
    assert train("--resume", run).code == ExitCode.DATA
    assert train("demo-32", "--resume", run).code == 0
    assert len(asked) == 1


def test_runs_that_are_not_there_are_answered_with_those_that_are(train, home, asked):
    (home / "runs" / "mine").mkdir(parents=True)
    (home / "runs" / "mine" / "config.toml").write_text("")
    outcome = train("--resume", "yours")
    assert outcome.code == ExitCode.CHECKPOINT
    assert "hint: runs: mine" in outcome.stderr


@pytest.mark.parametrize("other", [["--run-dir", "x"], ["--preset", "paper"]])
def test_resume_contradicts_another_folder_and_other_settings(train, other, asked):
    outcome = train("--resume", "mine", *other)
    assert outcome.code == ExitCode.USAGE
    assert f"--resume and {other[0]} contradict" in outcome.stderr


def as_older_versions_wrote(run, **data):
    """A run's settings file, weights and state with removed settings."""
    for name in ("state.safetensors", "weights.safetensors"):
        tensors, about = checkpoint.load(run / name)
        about["config"]["data"] |= data
        checkpoint.save(run / name, tensors, about)
    lines = [f"{name} = {value}" for name, value in data.items()]
    text = (run / "config.toml").read_text().replace("[data]", "\n".join(["[data]", *lines]))
    (run / "config.toml").write_text(text)


def test_a_run_of_an_older_version_is_resumed(train, run):
    as_older_versions_wrote(run, grow_from=0, grow_share=0.5)
    outcome = train("--resume", "first", "--epochs", 2, "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["data"]["epochs"] == 2
    assert "grow" not in (run / "config.toml").read_text()


def test_a_run_that_grew_is_not_resumed_but_its_weights_are_used(train, sketch2img, run, home):
    as_older_versions_wrote(run, grow_from=16, grow_share=0.5)
    for words in (("--resume", "first"), (*SMALL, "--seed", 3, "--run-dir", run)):
        outcome = train(*words, "--epochs", 2)
        assert outcome.code == ExitCode.CHECKPOINT
        assert "was trained with data.grow_from, which no longer exists" in outcome.stderr
        assert f"--init-from {run}" in outcome.stderr
    sketch = next((home / "raw" / "demo" / "sketches").iterdir())
    assert sketch2img("generate", sketch, home / "out.png", "--model", "first").code == 0
    assert sketch2img("eval", "--model", "first", "--metric", "mae", "--no-report").code == 0
    assert train("--init-from", "first", "--dry-run").code == 0


def test_weights_bring_their_generator_unless_one_is_asked_for(train, run, asked):
    for more in ((), ("--set", "model.generator_options.width=8"), ("--generator", "cnn")):
        assert train("--init-from", "first", *more).code == 0
    theirs, wider, other = (call["config"].model for call in asked)
    assert (theirs.generator, theirs.generator_options) == (
        "resunet",
        {"width": 4, "blocks": 1, "dropout": 0.0, "norm": "instance"},
    )
    assert theirs.discriminator_options == {}
    assert wider.generator_options == {"width": 8}
    assert other.generator == "cnn"


def test_weights_that_are_not_there_train_nothing(train, prepared, asked):
    outcome = train("--init-from", "nosuch")
    assert outcome.code == ExitCode.CHECKPOINT
    assert "nosuch" in outcome.stderr
    assert not asked


def test_every_setting_has_one_name():
    names = list(train_settings.setting_names())
    assert len(names) == len(set(names))
    assert {"epochs", "loss.r1_weight", "model.generator_options"} <= set(names)


# -- safely


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_run_prints_the_command_that_goes_on_with_it(
    sketch2img, programs, prepared, home, tmp_path, number
):
    folder = home / "runs" / "stopped"
    words = [programs / "sketch2img", "train", *SMALL, "--precision", "fp32"]
    words += ["--epochs", "4000", "--validate-every", "4000", "--run-dir", str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 240
        while not (log := Run(folder).log).exists() or '"batch"' not in log.read_text():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=240)
    finally:
        process.kill()
    assert (process.returncode, stdout) == (ExitCode.INTERRUPTED, "")
    assert "everything is saved" in stderr
    assert "Traceback" not in stderr
    command = shlex.split(stderr.split("to resume, run: ")[1].split(", or the same")[0])
    assert command == ["sketch2img", "train", "--resume", "stopped"]
    done = read_about(Run(folder).state)["epochs_done"]
    outcome = sketch2img(*command[1:], "--epochs", done + 1, "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["data"]["epochs"] == done + 1


def test_changed_pictures_are_refused_and_the_state_stays(train, sketch2img, run):
    before = Run(run).state.read_bytes()
    for command in ("fetch-data demo --count 12 --size 32 --seed 9", "preprocess demo --size 32"):
        assert sketch2img(*command.split(), "--overwrite").code == 0
    outcome = train("demo-32", *SMALL, "--epochs", 2, "--seed", 3, "--run-dir", run)
    assert outcome.code == ExitCode.CHECKPOINT
    assert "trained on another dataset" in outcome.stderr
    assert Run(run).state.read_bytes() == before


def test_other_settings_are_refused_and_named(train, run):
    before = Run(run).state.read_bytes()
    outcome = train(*SMALL, "--epochs", 2, "--seed", 4, "--lr", 1e-3, "--run-dir", run)
    assert outcome.code == ExitCode.CHECKPOINT
    assert "other settings (seed, optimizer.lr)" in outcome.stderr
    assert f"--config {run / 'config.toml'}" in outcome.stderr
    assert Run(run).state.read_bytes() == before


def test_a_run_that_is_being_trained_is_left_alone(train, run):
    with files.locked(run, doing="trained"):
        outcome = train(*SMALL, "--epochs", 2, "--seed", 3, "--run-dir", run)
    assert outcome.code == ExitCode.DATA
    assert "is being trained by another sketch2img" in outcome.stderr


def test_a_dry_run_says_what_a_run_would_cost_and_trains_nothing(train, prepared, home):
    outcome = train(*SMALL, "--dry-run", "--epochs", 7, "--json")
    assert outcome.code == 0, outcome.stderr
    found = outcome.json["data"]
    assert found["steps"] == 7 * max(1, found["pairs"] // 4)
    assert found["seconds_a_step"] > 0
    assert not list(home.glob("runs/*"))
    outcome = train(*SMALL, "--dry-run")
    assert outcome.stdout.startswith("time: ")  # the answer, before anything else
    assert len(outcome.stdout.splitlines()) < 10
    assert "\nepochs = 100\n" in train(*SMALL, "--dry-run", "-v").stdout


def test_a_dry_run_fits_the_epochs_into_the_budget(train, prepared, home):
    found = [train(*SMALL, "--dry-run", "--json", "--budget", time) for time in ("9s", "90s")]
    short, long = (outcome.json["data"] for outcome in found)
    assert short["seconds"] <= 9
    assert 9 < long["seconds"] <= 90
    for data in (short, long):
        assert data["steps"] == data["epochs"] * max(1, data["pairs"] // 4)
        assert f"\nepochs = {data['epochs']}\n" in data["settings"]
    assert not list(home.glob("runs/*"))


def test_runs_that_begin_in_the_same_second_have_folders_of_their_own(
    train, prepared, home, monkeypatch
):
    """One that does not begin leaves none behind."""
    from sketchcli.engine.training import train as training

    chosen = []

    def begin(*_, run_dir, **__):
        chosen.append(run_dir)
        if len(chosen) == 1:  # the other begins meanwhile
            train("demo-32")
        raise TrainingError("no")

    monkeypatch.setattr(training, "train", begin)
    assert train("demo-32").code == ExitCode.TRAINING
    assert len(set(chosen)) == 2
    assert {folder.parent for folder in chosen} == {home / "runs"}
    assert not any((home / "runs").iterdir())


def test_the_demo_set_that_another_process_made_meanwhile_is_used(made_once, home, monkeypatch):
    from sketchcli.engine.preprocessing import preprocess

    @contextlib.contextmanager
    def locked_late(*_, **__):
        shutil.copytree(made_once / "prepared/demo-32", home / "prepared/demo-64")
        yield

    monkeypatch.setattr(preprocess.files, "locked", locked_late)
    assert preprocess.set_to_train(None).folder == home / "prepared/demo-64"
