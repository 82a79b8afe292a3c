"""Changes to a config: checked as a whole, with all problems reported at once."""

import difflib
import json
import math
import reprlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from sketchcli import errors, files
from sketchcli.config.settings import LARGEST, Options, TrainConfig
from sketchcli.errors import DataError, UsageError

DEEPEST = 4  # levels of nested tables, of which the settings have three
MOST_TOLD = 20  # problems that an error lists
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def merge(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """Return a config with nested changes applied; one error lists everything wrong with them.

    >>> merge(TrainConfig(), {"optimizer": {"lr": 1}}).optimizer.lr
    1.0
    """
    problems = list(_problems(type(config), changes, ""))
    if problems:
        more = [f"and {len(problems) - MOST_TOLD} more"] if len(problems) > MOST_TOLD else []
        told = "; ".join(problems[:MOST_TOLD] + more)
        raise UsageError(f"settings: {told}", hint="see docs/reference/settings.md")
    merged: TrainConfig = _merge(config, changes)
    return merged


def from_dict(data: Mapping[str, Any]) -> TrainConfig:
    """Return the config that `to_dict` was given; missing settings take their defaults.

    Removed settings, which older files contain, are dropped.
    """
    return merge(TrainConfig(), without_removed(data)[0])


def to_dict(config: TrainConfig) -> dict[str, Any]:
    """Return plain nested dictionaries, ready for JSON or TOML."""
    return asdict(config)


def flat(config: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401 - any config class
    """Return the value of every setting by its dotted name: `epochs`, `loss.adversarial`."""
    found: dict[str, Any] = {}
    for item in fields(config):
        name, value = prefix + item.name, getattr(config, item.name)
        found |= flat(value, f"{name}.") if is_dataclass(value) else {name: value}
    return found


def _merge(config: Any, changes: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any config class
    values = {}
    for name, value in changes.items():
        old = getattr(config, name)
        values[name] = _merge(old, value) if is_dataclass(old) else value
        if isinstance(old, float):
            values[name] = float(value)
    return replace(config, **values)


# A removed setting still stands in the files that older versions wrote.
GROW_INSTEAD = (
    "train on a smaller prepared dataset first, and start from that run's weights (--init-from RUN)"
)
REMOVED = {"data.grow_from": GROW_INSTEAD, "data.grow_share": GROW_INSTEAD}  # what to do instead
WITHOUT_EFFECT = {"data.grow_from": 0}  # of the others, every value is without effect by itself


def without_removed(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return nested settings without removed ones, and the removed ones by their dotted names.

    >>> without_removed({"epochs": 3, "data": {"grow_from": 64, "accumulate": 2}})
    ({'epochs': 3, 'data': {'accumulate': 2}}, {'data.grow_from': 64})
    """
    kept, removed = dict(values), {}
    for name in REMOVED:
        section, _, key = name.partition(".")
        if isinstance(kept.get(section), Mapping) and key in kept[section]:
            kept[section] = dict(kept[section])
            removed[name] = kept[section].pop(key)
    return kept, removed


def had_effect(removed: Mapping[str, Any]) -> list[str]:
    """Return the names of the removed settings whose values had an effect."""
    return [name for name, value in removed.items() if WITHOUT_EFFECT.get(name, value) != value]


def _problems(kind: type, changes: Mapping[str, Any], prefix: str) -> Iterator[str]:
    hints = get_type_hints(kind)
    limits = {item.name: item.metadata for item in fields(kind)}
    for key, value in changes.items():
        hint, name = hints.get(key), prefix + key
        if hint is None:
            inner = [*value][:1] if isinstance(value, Mapping) else []  # of an unknown table
            yield f"unknown key '{name}'{_question(_meant('.'.join([name, *inner])))}"
        elif is_dataclass(hint) or hint == Options:
            if not isinstance(value, Mapping):
                yield f"'{name}' must be a table"
            elif isinstance(hint, type) and is_dataclass(hint):
                yield from _problems(hint, value, f"{name}.")
        elif isinstance(value, bool) != (hint is bool) or not isinstance(
            value, (int, float) if hint is float else hint
        ):
            yield f"'{name}' must be {KINDS[hint]}, not {reprlib.repr(value)}"
        else:
            yield from _out_of_bounds(name, value, limits[key])


def _out_of_bounds(name: str, value: Any, limits: Mapping[str, Any]) -> Iterator[str]:  # noqa: ANN401
    if "choices" in limits and value not in limits["choices"]:
        question = _question(errors.similar(str(value), limits["choices"]))
        yield f"'{name}' must be one of {', '.join(limits['choices'])}, not '{value}'{question}"
    is_number = isinstance(value, int | float)
    if is_number and not abs(value) < LARGEST:  # true for NaN, too
        yield f"'{name}' is out of range"
    elif "least" in limits and not limits["least"] <= value <= limits["most"]:
        upper = f" and at most {limits['most']}" if limits["most"] < math.inf else ""
        yield f"'{name}' must be at least {limits['least']}{upper}, not {value!r}"


def _question(meant: Sequence[str]) -> str:
    return f" (did you mean {' or '.join(map(repr, meant))}?)" if meant else ""


def _meant(wrong: str) -> list[str]:
    """Return at most three settings similar to a wrong name; its section may be missing.

    >>> _meant("adverserial")[0]
    'loss.adversarial'
    """
    known = flat(TrainConfig())
    own = {name: name.rpartition(".")[2] for name in known}
    close = errors.similar(wrong.rpartition(".")[2], own.values())
    found = [name for word in close for name in known if own[name] == word]
    whole = difflib.get_close_matches(wrong, known, n=1, cutoff=0.8)
    return list(dict.fromkeys([*whole, *found]))[:3]


MOST_TEXT = 2**14  # characters: long dotted keys of TOML take time and memory that grow as squares


def read_file(path: Path) -> dict[str, Any]:
    """Read settings from a .toml or .json file, without checking them."""
    try:
        text = files.read_text(path)
        if len(text) > MOST_TEXT:
            raise ValueError(f"it is larger than {MOST_TEXT >> 10} KB")  # noqa: TRY301 - one boundary
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return _checked(data)
    except (OSError, ValueError, RecursionError, DataError) as error:
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, RecursionError):
            reason = "it is nested too deeply"
        hint = "write TOML, or JSON if its name ends in .json; see docs/reference/settings.md"
        raise UsageError(f"cannot read settings from {path}: {reason}", hint=hint) from error


def _checked(data: Any) -> dict[str, Any]:  # noqa: ANN401 - what a file may hold
    """Return settings, if they are a table that is not deeper than tables of settings are."""
    if not isinstance(data, dict):
        raise ValueError("the file is not a table of settings")  # noqa: TRY004 - not a bug
    repr(data)  # an error could not quote a number of thousands of digits
    level: list[Any] = [data]
    for _ in range(DEEPEST):
        level = [value for table in level if isinstance(table, dict) for value in table.values()]
    if any(isinstance(value, dict) for value in level):
        raise RecursionError
    return data


def to_toml(config: TrainConfig) -> str:
    """Return TOML text that `read_file` and `from_dict` turn back into the same config."""
    return "\n".join(_toml_lines(to_dict(config), ())) + "\n"


def _toml_lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    if path:
        yield f"\n[{'.'.join(path)}]"
    for key, value in table.items():
        if not isinstance(value, Mapping):
            # TOML writes scalars and strings as JSON does, except for JSON's surrogate escapes.
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _toml_lines(value, (*path, key))
