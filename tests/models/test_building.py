from dataclasses import fields

import pytest
from torch import nn

from sketchcli import config as settings
from sketchcli import registry
from sketchcli.config import ModelConfig
from sketchcli.errors import UsageError
from sketchcli.models.blocks import keras_batch_norm
from sketchcli.models.building import (
    build_discriminator,
    build_generator,
    count_parameters,
    spelled_out,
)


def test_neither_running_statistics_nor_frozen_weights_count_as_parameters():
    network = nn.Sequential(nn.Linear(3, 2), keras_batch_norm(4))
    assert count_parameters(network) == 8 + 8
    network[0].requires_grad_(requires_grad=False)
    assert count_parameters(network) == 8


def test_options_reach_the_network():
    narrow, wide = (
        build_generator(ModelConfig(generator_options={"width": width, "blocks": 1}))
        for width in (4, 8)
    )
    assert count_parameters(narrow) < count_parameters(wide) / 3
    config = ModelConfig(discriminator_options={"width": 4})
    assert build_discriminator(config, (32, 32)).output.in_channels == 32


@pytest.mark.parametrize("value", [0, -4])
def test_a_network_has_at_least_one_of_everything(value):
    said = f"'width' must be at least 1, not {value}"
    with pytest.raises(UsageError, match=said):
        build_generator(ModelConfig(generator_options={"width": value}))
    with pytest.raises(UsageError, match=said):
        build_discriminator(ModelConfig(discriminator_options={"width": value}), (64, 64))


@pytest.mark.parametrize("value", [True, 4.0, "4"])
def test_an_option_of_another_type_is_an_error(value):
    with pytest.raises(UsageError, match="'width' must be a whole number"):
        build_generator(ModelConfig(generator_options={"width": value}))


def test_a_whole_number_will_do_for_a_fraction():
    model = spelled_out(ModelConfig(generator_options={"dropout": 0}))
    assert isinstance(model.generator_options["dropout"], float)


@pytest.mark.parametrize("preset", settings.PRESETS)
def test_spelled_out_a_model_is_the_same_and_leaves_nothing_to_defaults(preset):
    model = settings.preset(preset).model
    whole = spelled_out(model)
    generator = registry.load(registry.GENERATORS, model.generator)
    assert set(whole.generator_options) == {f.name for f in fields(generator.Config)}
    shapes = [
        {name: value.shape for name, value in build_generator(m).state_dict().items()}
        for m in (model, whole)
    ]
    assert shapes[0] == shapes[1]
    assert spelled_out(whole) == whole
