"""The settings of a run, merged from a preset or earlier run, a file and options."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sketchcli import config as settings
from sketchcli.config import TrainConfig
from sketchcli.engine.runs import Run, find_weights, settings_to_resume
from sketchcli.errors import CheckpointError, UsageError
from sketchcli.weights_header import read_about

NETWORKS = ("generator", "discriminator")

Changes = dict[str, Any]


def resolve_config(
    preset: str | None,
    file: Path | None,
    flags: Mapping[str, Any],
    *,
    assignments: Sequence[str] = (),
    run: Run | None = None,
) -> TrainConfig:
    """Merge the preset, or the settings of a run to resume, with the file, `--set` and options.

    Later ones win. The preset is that of the option, else of `--set`, else of the file, else the
    default. A preset's network options apply only to its own networks; those of `--set` are added
    to existing ones. If a run starts from weights, it takes their generator, unless the file,
    `--set` or an option names one. `flags` have dotted names; those that are None were not given.
    """
    from_file, old = settings.without_removed({} if file is None else settings.read_file(file))
    flags = {name: value for name, value in flags.items() if value is not None}
    typed, removed = settings.without_removed(nested(parse_assignments(assignments) | flags))
    for name in (*removed, *settings.had_effect(old)):
        hint = settings.REMOVED[name]
        raise UsageError(f"the setting '{name}' no longer exists", hint=hint)
    if run is None:
        name = preset or typed.get("preset") or from_file.get("preset", TrainConfig.preset)
        base = settings.preset(str(name))
        typed["preset"] = base.preset
    else:  # a resumed run keeps its preset
        base = settings_to_resume(run)
    asked = overlay(_model(from_file), _model(typed))
    for name in NETWORKS:
        if asked.get(name, getattr(base.model, name)) != getattr(base.model, name):
            base = settings.merge(base, {"model": {f"{name}_options": {}}})
    chosen = settings.merge(base, from_file | {"preset": base.preset})
    present = {f"{name}_options": getattr(chosen.model, f"{name}_options") for name in NETWORKS}
    chosen = settings.merge(chosen, overlay({"model": present}, typed))
    is_asked_for = any(key.startswith("generator") for key in asked)
    if chosen.init_from and run is None and not is_asked_for:
        chosen = settings.merge(chosen, {"model": generator_of(chosen.init_from)})
    return chosen


def parse_assignments(
    texts: Sequence[str], *, name: str = "--set", example: str = "loss.adversarial=lsgan"
) -> Changes:
    """Parse texts such as `KEY=VALUE`, of the option of that name; later ones win.

    >>> parse_assignments(["epochs=3", "loss.adversarial=lsgan", "augmentation.flip=false"])
    {'epochs': 3, 'loss.adversarial': 'lsgan', 'augmentation.flip': False}
    """
    changes: Changes = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not key.strip() or not sign or key.count(".") > settings.DEEPEST:
            hint = f"write for example {name} {example}"
            raise UsageError(f"{name} '{text}' is not KEY=VALUE", hint=hint)
        changes[key.strip()] = parse_value(value)
    return changes


def parse_value(text: str) -> bool | int | float | str:
    """Parse a TOML boolean, number or string; return any other text unchanged.

    >>> [parse_value(text) for text in ("2e-4", "16", "true", "lsgan", '"16"')]
    [0.0002, 16, True, 'lsgan', '16']
    """
    try:
        found = tomllib.loads(f"value = {text.strip()}")
    except (ValueError, RecursionError):  # it is no TOML, or absurd
        return text
    value = found.pop("value")
    is_scalar = not found and isinstance(value, bool | int | float | str)
    return value if is_scalar else text


def nested(values: Mapping[str, Any]) -> Changes:
    """Return settings by their dotted names as nested changes.

    >>> nested({"epochs": 3, "loss.r1_weight": 1, "loss.r1_every": 4})
    {'epochs': 3, 'loss': {'r1_weight': 1, 'r1_every': 4}}
    """
    changes: Changes = {}
    for dotted, value in values.items():
        change: Any = value
        for name in reversed(dotted.split(".")):
            change = {name: change}
        changes = overlay(changes, change)
    return changes


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> Changes:
    """Return nested changes with others on top of them.

    >>> overlay({"loss": {"r1_weight": 1, "r1_every": 4}}, {"loss": {"r1_weight": 2}})
    {'loss': {'r1_weight': 2, 'r1_every': 4}}
    """
    laid = dict(below)
    for key, value in above.items():
        old = laid.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        laid[key] = overlay(old, value) if both else value  # type: ignore[arg-type]
    return laid


def generator_of(weights: str) -> Changes:
    """Return the name and the options of the generator that weights belong to."""
    file = find_weights(Path(weights))
    try:
        model = settings.from_dict(read_about(file)["config"]).model
    except (LookupError, TypeError, ValueError, UsageError) as error:
        hint = "choose other weights, or name their network with --generator"
        raise CheckpointError(f"{file} does not name its network", hint=hint) from error
    return {"generator": model.generator, "generator_options": dict(model.generator_options)}


def setting_names() -> list[str]:
    """Return the dotted name of every setting: `epochs`, `loss.adversarial`."""
    return list(settings.flat(TrainConfig()))


def _model(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    found = changes.get("model")
    return found if isinstance(found, Mapping) else {}
