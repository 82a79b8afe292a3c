"""The settings of a run, merged from a preset or earlier run, a file and options."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sketchcli import config as settings
from sketchcli import errors
from sketchcli.config import TrainConfig
from sketchcli.engine.runs import Run, check_can_resume, find_weights
from sketchcli.errors import CheckpointError, UsageError
from sketchcli.weights_header import read_about

NETWORKS = ("generator", "discriminator")
SUGGESTIONS = 3
PAGE = "docs/reference/settings.md"

Changes = dict[str, Any]


def resolve_config(
    preset: str | None,
    file: Path | None,
    flags: Changes,
    *,
    assignments: Sequence[str] = (),
    run: Run | None = None,
) -> TrainConfig:
    """Merge the preset, or the settings of a run to resume, with the file, `--set` and options.

    Later ones win. The preset is that of the option, else of `--set`, else of the file, else the
    default. A preset's network options apply only to its own networks; those of `--set` are added
    to existing ones. If a run starts from weights, it takes their generator, unless the file,
    `--set` or an option names a generator or its options. Flags that are None were not given.
    """
    from_file, old = settings.without_removed({} if file is None else settings.read_file(file))
    typed = overlay(parse_assignments(assignments), given(flags))
    typed, removed = settings.without_removed(typed)
    for name in (*removed, *settings.had_effect(old)):
        hint = settings.REMOVED[name]
        raise UsageError(f"the setting '{name}' no longer exists", hint=hint)
    start = _base(preset or typed.get("preset"), from_file, run)
    if run is None:  # a resumed run keeps its preset
        typed["preset"] = start.preset
    base = _without_options_of_others(start, from_file, typed)
    chosen = _merge(base, from_file | {"preset": base.preset})
    chosen = _merge(chosen, with_present_options(chosen, typed))
    is_asked_for = any(key.startswith("generator") for c in (from_file, typed) for key in _model(c))
    if chosen.init_from and run is None and not is_asked_for:
        chosen = settings.merge(chosen, {"model": generator_of(chosen.init_from)})
    return chosen


def parse_assignments(texts: Sequence[str]) -> Changes:
    """Parse texts such as `KEY=VALUE` into nested changes; later ones win.

    >>> parse_assignments(["epochs=3", "loss.adversarial=lsgan", "augmentation.flip=false"])
    {'epochs': 3, 'loss': {'adversarial': 'lsgan'}, 'augmentation': {'flip': False}}
    """
    changes: Changes = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not key.strip() or not sign:
            raise UsageError(
                f"--set '{text}' is not KEY=VALUE",
                hint="write for example --set loss.adversarial=lsgan",
            )
        nested: Any = parse_value(value)
        for name in reversed(key.strip().split(".")):
            nested = {name: nested}
        changes = overlay(changes, nested)
    return changes


def parse_value(text: str) -> bool | int | float | str:
    """Parse a TOML boolean, number or string; return any other text unchanged.

    >>> [parse_value(text) for text in ("2e-4", "16", "true", "lsgan", '"16"')]
    [0.0002, 16, True, 'lsgan', '16']
    """
    try:
        found = tomllib.loads(f"value = {text.strip()}")
    except tomllib.TOMLDecodeError:
        return text
    value = found.pop("value")
    is_scalar = not found and isinstance(value, bool | int | float | str)
    return value if is_scalar else text


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


def given(flags: Changes) -> Changes:
    """Return changes without those that are None."""
    nested = {key: given(v) if isinstance(v, dict) else v for key, v in flags.items()}
    return {key: value for key, value in nested.items() if value is not None and value != {}}


def with_present_options(config: TrainConfig, changes: Changes) -> Changes:
    """Return changes with the network options of a config added to theirs."""
    model = dict(_model(changes))
    for name in NETWORKS:
        key = f"{name}_options"
        if isinstance(model.get(key), Mapping):
            model[key] = {**getattr(config.model, key), **model[key]}
    return changes | {"model": model} if model else changes


def generator_of(weights: str) -> Changes:
    """Return the name and the options of the generator that weights belong to."""
    file = find_weights(Path(weights))
    try:
        model = settings.from_dict(read_about(file)["config"]).model
    except (LookupError, TypeError, UsageError) as error:
        raise CheckpointError(f"{file} does not name its network") from error
    return {"generator": model.generator, "generator_options": dict(model.generator_options)}


def _base(preset: Any, from_file: Changes, run: Run | None) -> TrainConfig:  # noqa: ANN401
    if run is not None:
        values = settings.read_file(run.config)
        check_can_resume(run, values)
        return settings.from_dict(values)
    return settings.preset(str(preset or from_file.get("preset", TrainConfig.preset)))


def _without_options_of_others(base: TrainConfig, *sources: Changes) -> TrainConfig:
    """Return a config without the options of networks that the sources replace by others."""
    asked = overlay(*map(_model, sources))
    others = [
        name
        for name in NETWORKS
        if asked.get(name, getattr(base.model, name)) != getattr(base.model, name)
    ]
    return settings.merge(base, {"model": {f"{name}_options": {} for name in others}})


def _merge(config: TrainConfig, changes: Changes) -> TrainConfig:
    """Merge as `settings.merge` does, with a hint about mistyped names."""
    try:
        return settings.merge(config, changes)
    except UsageError as error:
        known = setting_names()
        meant = [name for wrong in _unknown(changes, known) for name in _similar(wrong, known)]
        hint = f"did you mean {' or '.join(meant[:SUGGESTIONS])}? see {PAGE}" if meant else ""
        raise UsageError(error.message, hint=hint or error.hint) from error


def setting_names() -> list[str]:
    """Return the dotted name of every setting: `epochs`, `loss.adversarial`."""
    return list(settings.flat(TrainConfig()))


def _unknown(changes: Mapping[str, Any], known: Sequence[str], prefix: str = "") -> Iterator[str]:
    for key, value in changes.items():
        name = prefix + key
        is_section = any(other.startswith(f"{name}.") for other in known)
        if isinstance(value, Mapping) and name not in known:
            yield from _unknown(value, known, f"{name}.")
        elif name not in known and not is_section:
            yield name


def _similar(wrong: str, known: Sequence[str]) -> list[str]:
    """Return settings similar to a wrong name, best first; its section may be missing.

    >>> _similar("adverserial", ["loss.adversarial", "loss.r1_every"])
    ['loss.adversarial']
    """
    own = {name: name.rpartition(".")[2] for name in known}
    close = errors.similar(wrong.rpartition(".")[2], own.values())
    found = [name for word in close for name in known if own[name] == word]
    whole = difflib.get_close_matches(wrong, known, n=1, cutoff=0.8)
    return list(dict.fromkeys([*whole, *found]))[:SUGGESTIONS]


def _model(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    found = changes.get("model")
    return found if isinstance(found, Mapping) else {}
