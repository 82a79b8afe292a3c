"""The man page: made from the program, and right for `man`."""

import shutil
import subprocess

import pytest
import write_man_page

from sketchcli.cli.app import VERBS


def test_the_page_is_what_the_program_says():
    assert write_man_page.PAGE.read_text(encoding="utf-8") == write_man_page.page(), "make docs"


def test_it_formats_without_a_warning_and_shows_every_command():
    if not shutil.which("groff"):
        pytest.skip("no groff here")
    command = ["groff", "-man", "-ww", "-Tutf8", "-Kutf8", "-P-cbou", str(write_man_page.PAGE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not done.stderr
    shown = done.stdout.replace("\u2010", "-")
    assert all(f"sketch2img {verb}" in shown for verb in VERBS)
    for words in ("--skip-existing", "EXIT STATUS", "SKETCH2IMG_HOME", "[default: the newest"):
        assert words in " ".join(shown.split())
