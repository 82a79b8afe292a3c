"""`-q`, `-v`, `--no-progress` and `NO_COLOR`: how much is told, and how."""

import os
import pty
import re
import subprocess
import sys

import pytest

from sketchcli.errors import ExitCode

DEMO = ("fetch-data", "demo", "--count", 3, "--size", 32)
ESCAPE = "\x1b"
RESULT = r"6 images in .*/raw/demo\nlicence: .*\ninputs: .*\nnext: sketch2img preprocess demo\n"


def test_quietly_the_result_alone_is_told(sketch2img):
    told, quiet = sketch2img(*DEMO), sketch2img(*DEMO, "--overwrite", "-q")
    assert "pairs: 3" in told.stderr
    assert quiet.stderr == ""
    assert re.fullmatch(RESULT, quiet.stdout)


def test_quietly_warnings_and_errors_are_told(sketch2img, capfd):
    from sketchcli.cli import progress, verbosity
    from sketchcli.engine.events import Found, Note

    def verb():
        for event in (Note("fine"), Note("careful", is_warning=True), Found(1, "x", "bad")):
            progress.print_plain(event)

    verbosity.with_verbosity(verb)(
        quiet=True, verbose=False, no_progress=False, help_all=False, max_memory=None
    )
    assert capfd.readouterr().err == "warning: careful\nwarning: epoch 1: bad\n"
    outcome = sketch2img("preprocess", "nosuch", "-q")
    assert outcome.code == ExitCode.DATA
    assert outcome.stderr.startswith("error: nosuch")


def test_verbosely_version_home_time_and_traceback_are_told(sketch2img, home):
    outcome = sketch2img(*DEMO, "-v")
    first, *_, last = outcome.stderr.splitlines()
    assert first.startswith("sketch2img 0")
    assert first.endswith(f"data folder {home}")
    assert re.fullmatch(r"took \d+\.\d s", last)
    assert re.fullmatch(RESULT, outcome.stdout)
    assert "Traceback" in sketch2img("preprocess", "nosuch", "--verbose").stderr


def test_quiet_and_verbose_contradict_one_another(sketch2img):
    outcome = sketch2img("models", "-q", "-v")
    assert (outcome.code, outcome.stdout) == (ExitCode.USAGE, "")


def on_a_terminal(*arguments, home, **variables):
    """What a command writes to a terminal, of 80 columns, as text."""
    own, other = pty.openpty()
    command = [sys.executable, "-m", "sketchcli", *map(str, arguments)]
    dropped = {"NO_COLOR", "FORCE_COLOR"}
    environment = {key: value for key, value in os.environ.items() if key not in dropped}
    environment |= {"SKETCH2IMG_HOME": str(home), "TERM": "xterm-256color", "COLUMNS": "80"}
    process = subprocess.Popen(
        command, stdin=other, stdout=other, stderr=other, env=environment | variables
    )
    os.close(other)
    parts = []
    while True:
        try:
            part = os.read(own, 65536)
        except OSError:  # Linux: its other end is closed
            part = b""
        if not part:
            break
        parts.append(part)
    process.wait(timeout=60)
    os.close(own)
    return b"".join(parts).decode()


def colours(text):
    return re.findall(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7])(?:;[0-9;]*)?m", text)


def test_bars_move_on_a_terminal_and_not_where_that_is_refused(home):
    assert f"{ESCAPE}[" in on_a_terminal(*DEMO, home=home)
    plain = on_a_terminal(*DEMO, "--overwrite", "--no-progress", home=home)
    assert ESCAPE not in plain
    assert "pairs: 3" in plain


def test_no_colour_where_that_is_asked(home):
    assert colours(on_a_terminal("train", "--help", home=home))
    assert not colours(on_a_terminal("train", "--help", home=home, NO_COLOR="1"))
    assert not colours(on_a_terminal("fetch-data", "--list", home=home, NO_COLOR="1"))
    assert ESCAPE not in on_a_terminal("fetch-data", "--list", home=home, TERM="dumb")


@pytest.mark.parametrize("arguments", [["--help"], ["fetch-data", "--list"], ["models"], ["trian"]])
def test_no_escape_codes_in_a_pipe(arguments, monkeypatch):
    for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    done = subprocess.run(
        [sys.executable, "-m", "sketchcli", *arguments], capture_output=True, check=False
    )
    assert ESCAPE.encode() not in done.stdout + done.stderr
