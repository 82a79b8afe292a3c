import json
from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from sketchcli import config as settings
from sketchcli.config import TrainConfig, merge
from sketchcli.errors import UsageError

OPTIONS = {"width": 4, "is_additive": True, "rate": 0.25, "kind": 'A "quoted" \\ NÄME 😀'}


@pytest.fixture(params=settings.PRESETS)
def preset(request):
    return settings.preset(request.param)


@pytest.fixture
def with_options(preset):
    return settings.merge(preset, {"model": {"generator_options": OPTIONS}})


def leaves(config, prefix=()):
    """Every setting's path and value."""
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value):
            yield from leaves(value, (*prefix, item.name))
        else:
            yield (*prefix, item.name), value


def nested(path, value):
    """`{"a": {"b": value}}` for the path `("a", "b")`."""
    for name in reversed(path):
        value = {name: value}
    return value


def test_a_preset_knows_its_own_name():
    assert {name: settings.preset(name).preset for name in settings.PRESETS} == {
        name: name for name in settings.PRESETS
    }


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(UsageError, match="'classic'") as caught:
        settings.preset("classic")
    assert caught.value.hint == "choose from: modern, paper, pix2pix"


def test_configs_cannot_be_changed(preset):
    with pytest.raises(FrozenInstanceError):
        preset.optimizer.lr = 1.0


def test_toml_gives_back_the_same_config(tmp_path, with_options):
    path = tmp_path / "settings.toml"
    path.write_text(settings.to_toml(with_options), encoding="utf-8")
    assert settings.from_dict(settings.read_file(path)) == with_options


def test_json_gives_back_the_same_config(tmp_path, with_options):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings.to_dict(with_options)), encoding="utf-8")
    assert settings.from_dict(settings.read_file(path)) == with_options


def test_what_is_missing_takes_its_default():
    assert settings.from_dict({}) == TrainConfig()
    assert settings.from_dict({"seed": 3}) == settings.merge(TrainConfig(), {"seed": 3})


def test_merging_changes_what_is_named_and_nothing_else(preset):
    merged = settings.merge(preset, {"epochs": 7, "loss": {"adversarial": "vanilla"}})
    expected = dict(leaves(preset)) | {("epochs",): 7, ("loss", "adversarial"): "vanilla"}
    assert dict(leaves(merged)) == expected


def test_later_changes_win(preset):
    from_file = {"epochs": 5, "optimizer": {"lr": 1e-3, "beta1": 0.0}}
    from_flags = {"optimizer": {"lr": 1e-5}}
    merged = settings.merge(settings.merge(preset, from_file), from_flags)
    assert (merged.epochs, merged.optimizer.lr, merged.optimizer.beta1) == (5, 1e-5, 0.0)
    assert merged.optimizer.beta2 == preset.optimizer.beta2


def test_all_mistakes_are_listed_in_one_message():
    mistakes = {
        "epoch": 3,
        "seed": "zero",
        "model": 5,
        "loss": {"adversarial": 1, "l1": 2.0},
        "optimizer": {"lr": "fast"},
        "data": {"batch_size": 8.0},
    }
    with pytest.raises(UsageError) as caught:
        settings.merge(TrainConfig(), mistakes)
    assert caught.value.message.split("; ") == [
        "settings: unknown key 'epoch' (did you mean 'epochs'?)",
        "'seed' must be a whole number, not 'zero'",
        "'model' must be a table",
        "'loss.adversarial' must be text, not 1",
        "unknown key 'loss.l1'",
        "'optimizer.lr' must be a number, not 'fast'",
        "'data.batch_size' must be a whole number, not 8.0",
    ]


WRONG = {
    bool: [1, "true", 0.0, None],
    int: [True, 1.0, "1", None],
    float: [True, "1", None],
    str: [1, True, None],
    dict: [1, "width=4", None, [4]],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(path, value, id=f"{'.'.join(path)}-{value!r}")
        for path, default in leaves(TrainConfig())
        for value in WRONG[type(default)]
    ],
)
def test_no_setting_takes_a_value_of_another_type(path, value):
    with pytest.raises(UsageError, match=f"'{'.'.join(path)}' must be"):
        settings.merge(TrainConfig(), nested(path, value))


@pytest.mark.parametrize(
    "path", [path for path, default in leaves(TrainConfig()) if isinstance(default, float)]
)
def test_a_whole_number_will_do_for_a_float_and_becomes_one(path):
    merged = settings.merge(TrainConfig(), nested(path, 0))
    value = dict(leaves(merged))[path]
    assert value == 0
    assert type(value) is float


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("broken.toml", "epochs = "),
        ("broken.json", "{"),
        ("list.json", "[1, 2]"),
        ("bytes.toml", b"epochs = \xff"),
        ("missing.toml", None),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, text):
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=name):
        settings.read_file(tmp_path / name)


@pytest.mark.parametrize(
    "bad",
    [
        {"seed": -1},
        {"epochs": 0},
        {"data": {"batch_size": 0}},
        {"optimizer": {"lr": float("inf")}},
        {"loss": {"reconstruction_weight": float("nan")}},
    ],
)
def test_values_out_of_range_are_usage_errors(bad):
    with pytest.raises(UsageError):
        merge(TrainConfig(), bad)


@pytest.mark.parametrize(
    ("path", "choices"),
    [
        (("loss", "adversarial"), settings.ADVERSARIAL_LOSSES),
        (("loss", "reconstruction"), settings.RECONSTRUCTION_LOSSES),
        (("optimizer", "schedule"), settings.SCHEDULES),
    ],
)
def test_an_unknown_word_is_an_error_that_lists_the_choices(path, choices):
    for choice in choices:
        merged = settings.merge(TrainConfig(), nested(path, choice))
        assert dict(leaves(merged))[path] == choice
    said = f"'{'.'.join(path)}' must be one of {', '.join(choices)}, not 'huber'"
    for word in ("huber", "", choices[0].upper()):
        with pytest.raises(UsageError, match=said.replace("huber", word)):
            settings.merge(TrainConfig(), nested(path, word))


@pytest.mark.parametrize(
    ("path", "inside", "outside", "said"),
    [
        (("epochs",), [1], [0, -3], "at least 1"),
        (("seed",), [0], [-1], "at least 0"),
        (("validation", "every"), [1], [0], "at least 1"),
        (("ema_half_life",), [0], [-0.5], "at least 0"),
        (("data", "batch_size"), [1], [0], "at least 1"),
        (("data", "validation_pairs"), [0], [-1], "at least 0"),
        (("loss", "adversarial_weight"), [0], [-1e-9], "at least 0"),
        (("loss", "feature_matching_weight"), [0], [-1], "at least 0"),
        (("optimizer", "lr"), [0, 5], [-1e-4], "at least 0"),
        (("optimizer", "beta1"), [0, 0.9999], [-0.1, 1], "at least 0 and at most 0.9999"),
        (("optimizer", "beta2"), [0, 0.9999], [-0.1, 1.0], "at least 0 and at most 0.9999"),
        (("optimizer", "decay_from"), [0, 1], [-0.1, 1.1], "at least 0 and at most 1"),
    ],
)
def test_numbers_have_bounds_that_the_error_tells(path, inside, outside, said):
    for value in inside:
        assert dict(leaves(settings.merge(TrainConfig(), nested(path, value))))[path] == value
    for value in outside:
        with pytest.raises(UsageError, match=f"'{'.'.join(path)}' must be {said}, not {value!r}"):
            settings.merge(TrainConfig(), nested(path, value))


def test_values_out_of_bounds_are_listed_with_the_other_mistakes():
    mistakes = {"epochs": 0, "nosuch": 1, "loss": {"reconstruction": "l2"}, "seed": "one"}
    with pytest.raises(UsageError) as caught:
        settings.merge(TrainConfig(), mistakes)
    assert len(caught.value.message.split("; ")) == 4


SETTINGS = "epochs = 3\r\n[loss]\r\nr1_weight = 1\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("name", "text"),
    [("a.toml", SETTINGS), ("a.json", '{"epochs": 3,\r\n"loss": {"r1_weight": 1}}')],
)
def test_settings_from_any_editor_are_read(tmp_path, name, text, encoding):
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert settings.read_file(tmp_path / name) == {"epochs": 3, "loss": {"r1_weight": 1}}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("no-mark.toml", SETTINGS.encode("utf-16-le")),
        ("latin.toml", b"# caf\xe9"),
        ("deep.json", b'{"a":' * 5000 + b"1" + b"}" * 5000),
        ("deeper-than-settings.json", b'{"a":' * 400 + b"1" + b"}" * 400),
        ("deep-list.json", b'{"epochs":' + b"[" * 900 + b"]" * 900 + b"}"),
        ("dotted.toml", b".".join([b"a"] * 3000) + b" = 1"),
        ("digits.json", b'{"epochs": ' + b"9" * 9000 + b"}"),
        ("digits.toml", b"run.compile = 0x" + b"f" * 9000),
        ("list.json", b"[]"),
        ("many.toml", b"".join(b"key%d = 1\n" % number for number in range(5000))),
        ("long.toml", b'epochs = "' + b"x" * 100_000 + b'"'),
    ],
)
def test_any_damage_of_a_settings_file_is_one_short_error(sketch2img, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    outcome = sketch2img("train", "--config", tmp_path / name)
    assert outcome.code == 2
    error, hint = outcome.stderr.splitlines()
    assert error.startswith("error: ")
    assert len(error) < 1000
    assert hint.startswith("hint: ")


def test_a_deep_key_is_one_error(sketch2img):
    deep = ".".join(["a"] * 3000)
    outcome = sketch2img("train", "--set", f"{deep}=1", "--set", f"{deep}=2")
    assert outcome.code == 2


def test_a_large_settings_file_is_refused_at_once(tmp_path):
    """A key of 200,000 parts, 400 KB, took more than a minute."""
    path = tmp_path / "dots.toml"
    path.write_text("a." * 20_000 + "a = 1")
    with pytest.raises(UsageError, match="larger than 16 KB"):
        settings.read_file(path)
