"""The short form of scripts/torture.py, and that it finds the faults that it looks for."""

import random
import re
import signal
import sys

import pytest
import torture
import torture_damage
import torture_names
import torture_world
from torture_world import Outcome

# The numbers of attempts that take little time: the quick verbs, and `train` once.
SHORT = {
    "kill": (0, 4, 5),
    "signal": (1, 9, 11),
    "bytes": (0, 4, 15, 16, 18, 19, 21, 23),
    "disk": (0, 2, 5, 15),
    "names": range(8),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return torture_world.World(tmp_path_factory.mktemp("tortured"))


@pytest.fixture
def tortured(world):
    yield torture.Torture(world, seed=3)
    world.fault = ""


@pytest.mark.slow
@pytest.mark.parametrize("kind", torture.KINDS)
def test_nothing_is_found(tortured, kind):
    assert list(map(str, torture.attempts(tortured, kind, SHORT[kind]))) == []
    assert tortured.counts[kind, "attempts"] == len(SHORT[kind])


class Late(random.Random):
    """Moments so late that what comes before them has been done, on any machine."""

    def uniform(self, *_):
        return 1.5


HALF = """
import time
from sketchcli import files

def write_whole(path, save, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half")
    time.sleep(9)

files.write_whole = write_whole
"""
KEY = """
from sketchcli import images

def read_stream(*arguments, **options):
    raise KeyError("size")

images.read_stream = read_stream
"""
DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal = lambda *_: None
"""


def test_a_half_written_file_is_found(tortured):
    tortured.world.expected(torture.VERBS[5])
    tortured.world.fault = HALF
    verb, what = next(torture.kill(tortured, Late(), 5))
    assert verb == "generate"
    assert what.startswith("half-written: photos/0")


def test_what_is_left_over_or_missing_is_found(tortured):
    expected = tortured.world.expected(torture.VERBS[5])
    tortured.world.refresh()
    tortured.world.out.joinpath("photos").mkdir()
    tortured.world.out.joinpath("photos", ".left.part.png").touch()
    found = expected.differences(tortured.world.out)
    assert {"left over: photos/.left.part.png", "missing: photos/00000.png"} <= set(found)


def test_a_traceback_is_found(tortured):
    tortured.world.fault = KEY
    (finding,) = torture.attempts(tortured, "bytes", [0])
    assert re.match(r"bytes 0: generate: .*KeyError: 'size'", str(finding))
    assert tortured.counts["bytes", "findings"] == 1


def test_a_deaf_command_is_found(tortured, monkeypatch):
    monkeypatch.setattr(torture_world, "HANG", 1.2)
    monkeypatch.setattr(torture, "SOON", 0.3)
    monkeypatch.setattr(torture, "TRIES", 1)
    tortured.world.fault = DEAF
    watch = torture_world.Verb(
        "watch", f"generate --watch {torture_world.SKETCHES} out/p --model run"
    )
    how = torture.Interruption(0.5, signal.SIGTERM, None, 0)
    found = list(torture.interrupted(tortured, watch, how))
    assert any(what.startswith("ends 1.") for what in found)


def test_a_raw_escape_is_found(tortured):
    tortured.world.fault = "import sys; sys.stderr.write(chr(27))"
    tortured.world.refresh()
    assert list(torture.faults_of(tortured.world.run(["models"]))) == [
        "a raw '\\x1b' in the output"
    ]


@pytest.mark.parametrize(
    ("outcome", "start"),
    [
        (Outcome(None, "", "", 30), "hangs, over 30 s"),
        (Outcome(-11, "", "Fatal Python error: Segmentation fault", 1), "Fatal Python error"),
        (Outcome(-6, "", "terminate called without an active exception", 1), "terminate called"),
        (Outcome(3, "", "Traceback (most recent call last):\nKeyError", 1), "Traceback"),
        (Outcome(1, "", "error: bug: KeyError: 'size'", 1), "error: bug: KeyError"),
        (Outcome(77, "", "error: x", 1), "exit code 77"),
        (Outcome(3, "", "", 1), "exit code 3 with 0 errors"),
        (Outcome(3, "", "error: x\nerror: y", 1), "exit code 3 with 2 errors"),
        (Outcome(0, "a\x1b[31m", "", 1), "a raw"),
        (Outcome(0, "", "", 1, cpu=99), "99 s of processor time"),
        (Outcome(0, "", "", 1, taken=1 << 30), "1024 MB of memory"),
    ],
)
def test_an_outcome_is_judged(outcome, start):
    found = list(torture.faults_of(outcome, Outcome(0, "", "", 1)))
    assert found
    assert found[0].startswith(start)


def test_a_good_outcome_is_let_be():
    told = [Outcome(0, "a\n", "warning: b\n", 1), Outcome(3, "", "error: x\nhint: y\n", 1)]
    told.append(Outcome(2, "", "Usage: sketch2img\n| no such option |\n", 1))
    assert [list(torture.faults_of(outcome)) for outcome in told] == [[], [], []]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", "<p><torture onload=torture>"),
        ("a.html", "<p title=''torture x=''>"),
        ("a.html", "<a href='javascript:torture'>"),
        ("a.md", "# <torture onload=torture>"),
        ("a.md", "[torture](javascript:torture)"),
        ("a.csv", "id,x\n=torture,1\n"),
    ],
)
def test_live_markup_is_found(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert len(list(torture_names.live_markup(tmp_path))) == 1


def test_escaped_markup_is_let_be(tmp_path):
    (tmp_path / "a.html").write_text("&lt;torture&gt; <p title='&quot;torture'>")
    (tmp_path / "a.md").write_text("&lt;torture&gt; \\[torture\\](javascript:torture)")
    (tmp_path / "a.csv").write_text("id,x\n'=torture,1\n")
    assert list(torture_names.live_markup(tmp_path)) == []


def test_the_same_seed_makes_the_same_damage(world, tmp_path):
    template = world.folder.parent / "template"
    files = [file for file, *_ in torture_damage.READERS if (template / file).exists()]
    made = []
    for number, seed in enumerate((1, 1, 2)):
        rng, kept = random.Random(seed), []  # noqa: S311
        for index, file in enumerate(files):
            path = tmp_path / f"{number}-{index}" / file.rpartition("/")[2]
            path.parent.mkdir()
            path.write_bytes((template / file).read_bytes())
            way = torture_damage.damage(path, rng)
            is_whole = not path.is_symlink() and path.is_file()
            kept.append((way, path.read_bytes() if is_whole else None))
        made.append(kept)
    assert made[0] == made[1] != made[2]


def test_findings_are_printed_kept_and_counted(world, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TORTURE_MOUNTS", "1")  # no mounts here
    monkeypatch.setattr(torture, "World", lambda _: world)
    monkeypatch.setattr(world, "fault", KEY)
    command = ["torture.py", "--only", "bytes", "--number", "0", "--keep", str(tmp_path / "kept")]
    monkeypatch.setattr(sys, "argv", command)
    assert torture.main() == 1
    finding, _, counts = capsys.readouterr().out.splitlines()
    assert re.match(r"bytes 0: generate: .*KeyError", finding)
    assert counts.split() == ["bytes", "1", "1", "generate", "1"]
    assert (tmp_path / "kept" / "bytes-0" / "run" / "log.jsonl").exists()
