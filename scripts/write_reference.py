"""Write the reference pages that are made from the program itself: `make docs`.

A test compares them with the program, so that they cannot drift.
"""

import html
import subprocess
import sys
from pathlib import Path

from sketchcli import config as settings

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
SETTINGS_HEAD = """# Settings

Every setting of `sketch2img train`, with the values of each preset. A file with any of these
keys, in TOML or JSON, is laid over the preset with `--config FILE`; flags are laid over the file.
An unknown key or a value of the wrong type is an error that lists all of them. What a run was
trained with stands in its `config.toml`, ready for `--config`, and inside its weights.

`generator_options` and `discriminator_options` take the fields of the `Config` class in
`src/sketchcli/models/generators/<name>.py` and `.../discriminators/<name>.py`: for instance
`generator_options = { width = 16 }`.
"""


def cli_page() -> str:
    """The command line, as Typer documents it."""
    command = [sys.executable, "-m", "typer", "sketchcli.cli.app", "utils", "docs"]
    made = subprocess.run(
        [*command, "--name", "sketch2img"], check=True, capture_output=True, text=True
    )
    return html.unescape(made.stdout).strip() + "\n"


def settings_page() -> str:
    """Every preset as TOML."""
    parts = [SETTINGS_HEAD]
    for name, preset in settings.PRESETS.items():
        parts.append(f"## `--preset {name}`\n\n```toml\n{settings.to_toml(preset)}```\n")
    return "\n".join(parts)


PAGES = {"cli.md": cli_page, "settings.md": settings_page}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
