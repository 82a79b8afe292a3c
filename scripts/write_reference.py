"""Write the reference pages that come from the program itself: `make docs`.

A test compares them with the program, so that they cannot drift.
"""

import html
import inspect
import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Any

from sketchcli import config as settings
from sketchcli import registry, weights

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
SETTINGS_HEAD = """# Settings

These are all settings of `sketch2img train`: what each does, which values it accepts, and the \
values of each preset.
A value is looked up in this order; the later one wins:

1. the preset
2. a file with any of the settings, in TOML or JSON (`--config FILE`)
3. `--set KEY=VALUE`, with the names of the tables below (`--set loss.adversarial=lsgan`)
4. the options of `train` that have names of their own

Unknown names and unsuitable values are reported together, in one error. The settings that a run \
was trained with are
in its `config.toml`, ready for `--config`, and inside its weights.
"""
NETWORKS_HEAD = """## Options of the networks

Set an option with `--set model.generator_options.width=16`, or in a file:

```toml
[model.generator_options]
width = 16
```

A preset's options for its networks apply only to these networks.
"""
ROW = "| setting | default | may be | what it does |\n|---|---|---|---|\n"
ROOMS = {"generator": registry.GENERATORS, "discriminator": registry.DISCRIMINATORS}


def cli_page() -> str:
    """Return the command line reference, as Typer writes it."""
    command = [sys.executable, "-m", "typer", "sketchcli.cli.app", "utils", "docs"]
    made = subprocess.run(
        [*command, "--name", "sketch2img"], check=True, capture_output=True, text=True
    )
    return html.unescape(made.stdout).strip() + "\n"


def settings_page() -> str:
    """Return every setting, the options of every network, and every preset as TOML."""
    parts = [SETTINGS_HEAD, *sections(settings.TrainConfig()), NETWORKS_HEAD]
    for kind, room in ROOMS.items():
        parts += [network_section(kind, name, room) for name in registry.names(room)]
    for name, preset in settings.PRESETS.items():
        parts.append(f"## `--preset {name}`\n\n```toml\n{settings.to_toml(preset)}```\n")
    return "\n".join(parts)


def card_page() -> str:
    """Return the model card that is shipped next to the bundled model."""
    return weights.text()


def sections(config: Any, name: str = "") -> Iterator[str]:  # noqa: ANN401 - any config class
    """Yield a table of a section's settings, then those of the sections in it."""
    inner = {f.name: getattr(config, f.name) for f in fields(config)}
    own = [f for f in fields(config) if not is_dataclass(inner[f.name])]
    prefix = f"{name}." if name else ""
    rows = [row(prefix + f.name, inner[f.name], may_be(prefix, f), meaning(f)) for f in own]
    title = f"## `[{name}]`" if name else "## The run as a whole"
    yield f"{title}\n\n{first_line(config)}\n\n{ROW}{''.join(rows)}"
    for key, value in inner.items():
        if is_dataclass(value):
            yield from sections(value, prefix + key)


def network_section(kind: str, name: str, room: str) -> str:
    """Return a table of the options of one network."""
    module = registry.load(room, name)
    about, start = comments(module.Config), f"model.{kind}_options."
    rows = [
        row(f"{start}{f.name}", f.default, option_may_be(f.default), about.get(f.name, ""))
        for f in fields(module.Config)
    ]
    return f"### {kind} `{name}`\n\n{first_line(module)}\n\n{ROW}{''.join(rows)}"


def row(name: str, default: object, values: str, about: str) -> str:
    """Return one row of a table."""
    shown = json.dumps(default)
    return f"| `{name}` | `{shown}` | {values} | {about} |\n".replace("|  |", "| |")


def may_be(prefix: str, item: Field[Any]) -> str:
    """Describe the values that `merge` accepts for a setting."""
    limits = item.metadata
    names = {"preset": list(settings.PRESETS)}
    names |= {f"model.{kind}": registry.names(room) for kind, room in ROOMS.items()}
    choices = limits.get("choices", names.get(prefix + item.name))
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    if "least" in limits:
        upper = f" to {limits['most']:g}" if limits["most"] < math.inf else " or more"
        return f"{limits['least']:g}{upper}"
    kinds = {bool: "`true`, `false`", str: "text", float: "a number"}
    return kinds.get(type(item.default), "a table")


def option_may_be(default: object) -> str:
    """Describe the values that `models/building.py` accepts for a network's option."""
    accepted = {bool: "`true`, `false`", int: "1 or more", float: "from 0, below 1", str: "text"}
    return accepted[type(default)]


def meaning(item: Field[Any]) -> str:
    """Describe what a setting does."""
    if item.name.endswith("_options"):
        return "[options of the network](#options-of-the-networks)"
    return str(item.metadata["about"])


def comments(kind: type) -> dict[str, str]:
    """Return the comment beside each field of a class."""
    lines = re.findall(r"^\s+(\w+): .*?  # (.+)$", inspect.getsource(kind), re.MULTILINE)
    return dict(lines)


def first_line(documented: object) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(documented) or "").partition("\n")[0]


PAGES = {
    "bundled-model-card.md": card_page,
    "cli.md": cli_page,
    "settings.md": settings_page,
}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
