"""What is printed cannot act on a terminal, and streams that fail are said once, or ignored."""

import collections.abc
import dataclasses
import enum
import errno
import io
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import types
import typing
import warnings
from pathlib import Path

import pytest

from sketchcli import weights
from sketchcli.cli import progress, render
from sketchcli.cli.main import main
from sketchcli.config import Domain
from sketchcli.engine import events, results
from sketchcli.errors import ExitCode

GOLDEN = Path(__file__).parent.parent / "golden"
# A title, colours, a bell, the 8-bit CSI, text turned around, hidden text, markup, and a new line.
EVIL = "\x1b]0;x\x07\x1b[31m\x9b2J\b\u202e\u200b[red]\r\nerror: fake"
RICH = re.compile(r"\x1b\[[\d;?]*[a-zA-Z]")  # Rich's own escape codes


def is_harmless(printed: str) -> bool:
    lines = re.split("[\r\n]", RICH.sub("", printed))
    return all(line.isprintable() and not line.startswith("error: fake") for line in lines)


def filled(kind):
    """A value of a type, hostile wherever it has text."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and kind is not Domain:
        hints = typing.get_type_hints(kind)
        return kind(**{f.name: filled(hints[f.name]) for f in dataclasses.fields(kind)})
    if origin in {types.UnionType, typing.Union}:
        return filled(parts[0])
    if origin is tuple:
        return (filled(parts[0]),) if parts[-1] is ... else tuple(map(filled, parts))
    if origin in {dict, collections.abc.Mapping}:
        foreign = () if parts[1] is float else (EVIL,)  # the names of numbers are ours
        return {key: filled(parts[1]) for key in ("ssim", "mae", *foreign)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind))
    known = {str: EVIL, Path: Path(EVIL), int: 3, float: 0.5, bool: False}
    known[Domain] = Domain("[red]", 3)  # whose names are printable
    return known.get(kind, EVIL)


RESULTS = [kind for kind in render.render.registry if dataclasses.is_dataclass(kind)]
EVENTS = events.Event.__subclasses__()


def hostile(kind):
    result = filled(kind)
    if kind is results.GenerateResult:
        files = (dataclasses.replace(result.files[0], status=s) for s in ("made", "failed"))
        result = dataclasses.replace(result, files=tuple(files))
    return (filled(results.AssetListing),) if kind is results.AssetListing else result


class Terminal(io.TextIOWrapper):
    """A terminal that remembers what it was sent."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="utf-8", newline="")

    def isatty(self):
        return True

    @property
    def text(self):
        self.flush()
        return self.buffer.getvalue().decode()


@pytest.fixture
def shown(monkeypatch):
    """Do something whose standard streams are a terminal; return what it was sent."""

    def run(act, term="xterm-256color"):
        one = Terminal()
        with monkeypatch.context() as patch:
            patch.setenv("TERM", term) if term is not None else patch.delenv("TERM", raising=False)
            for name in ("stdout", "stderr"):
                patch.setattr(sys, name, one)
            act()
        return one.text

    return run


def texts(value):
    """All strings in JSON's data."""
    if isinstance(value, dict | list):
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        return {text for part in parts for text in texts(part)}
    return {value}


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("kind", [*RESULTS, results.AssetListing], ids=lambda kind: kind.__name__)
def test_no_result_acts_on_a_terminal(shown, kind, as_json):
    printed = shown(lambda: render.emit("verb", hostile(kind), as_json=as_json))
    assert len(printed) > 20
    assert is_harmless(printed)
    if as_json:
        assert EVIL in texts(json.loads(printed))


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_no_event_acts_on_a_terminal(shown, kind):
    event = filled(kind)
    plain = shown(lambda: progress.print_plain(event))
    assert is_harmless(plain)
    assert "fake" in plain or kind in {events.BatchTrained, events.Converted} or "epoch" in plain

    def show():
        with progress.reporting() as report:
            report(event)

    assert is_harmless(shown(show))


@pytest.fixture
def hostile_run(home):
    """A run whose folder has a hostile name."""
    folder = home / "runs" / EVIL
    folder.mkdir(parents=True)
    shutil.copy(weights.FILE, folder / "weights.safetensors")
    (folder / "result.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["models"],
        ["models", "--json"],
        ["models", "-v", "--model"],
        ["generate", "IN", "OUT"],
        ["generate", "IN", "OUT", "--jsonl"],
        ["generate", EVIL, "out.png", "--json", "-v"],
        ["preprocess", EVIL],
        ["train", EVIL],
        ["train", "--config", EVIL],
        ["train", "--set", EVIL],
        ["train", f"--{EVIL}"],
        ["train", "--preset", EVIL, "--json"],
        ["train", "--resume", EVIL],
        ["export", EVIL, EVIL],
        ["import-weights", EVIL, EVIL],
        ["eval", EVIL, EVIL],
        ["fetch-data", EVIL],
        ["fetch-data", "folder", "--from", EVIL],
        [EVIL],
    ],
    ids=lambda arguments: "-".join(arguments).replace(EVIL, "EVIL"),
)
def test_no_command_lets_a_name_act_on_a_terminal(
    shown, monkeypatch, tmp_path, hostile_run, arguments
):
    monkeypatch.chdir(tmp_path)
    source = tmp_path / f"in{EVIL}.png"
    source.write_bytes(b"not an image")
    words = [{"IN": str(source), "OUT": f"out{EVIL}.png"}.get(word, word) for word in arguments]
    printed = shown(lambda: main(words))
    assert len(printed) > 20
    assert is_harmless(printed)


def test_a_photo_s_name_is_escaped_on_a_terminal_alone(shown, capfdbinary):
    file = results.GeneratedFile(Path("in"), Path(EVIL), 1.0, "made")
    result = results.GenerateResult((), (file,))
    assert is_harmless(shown(lambda: render.render(result)))
    render.render(result)  # another program gets the name as it is
    assert capfdbinary.readouterr().out == f"{EVIL}\n".encode()


def test_an_evaluation_of_hostile_names_tells_nothing_raw(shown, tmp_path, monkeypatch):
    golden = GOLDEN / "sketches" / "grey.png"
    for folder in ("real", EVIL):
        (tmp_path / folder).mkdir()
        shutil.copy(golden, tmp_path / folder / f"=1{EVIL}\u4e2d.png")
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        printed = shown(lambda: main(["eval", "real", EVIL, "--metric", "mae", "--out", "report"]))
    assert "Glyph" not in printed
    assert is_harmless(printed)


def test_a_library_s_warning_is_one_line(shown, monkeypatch):
    def warn(**_):
        sys.stderr.write(warnings.formatwarning(EVIL, UserWarning, "file.py", 1))

    monkeypatch.setattr("sketchcli.cli.main.app", warn)
    printed = shown(lambda: main(["models"]))
    assert printed.startswith("warning: ")
    assert is_harmless(printed)


def test_completion_never_offers_a_name_with_a_line_break(hostile_run):
    from sketchcli.cli import completing

    assert completing.models("") == [weights.NAME]


@pytest.mark.parametrize(("encoding", "words"), [("ascii", "é😀"), ("latin-1", "日😀\x85")])
def test_json_is_valid_in_every_encoding(home, encoding, words):
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "sketchcli", "preprocess", words, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert words in json.loads(done.stdout.decode(encoding))["errors"][0]["message"]


# Streams that cannot be written.

FULL = Path("/dev/full")

PRINTING = [
    ["models"],
    ["models", "--json"],
    ["--help"],
    ["--version"],
    ["generate", "--help-all"],
    ["fetch-data", "--list"],
    ["fetch-data", "--list", "--json"],
    ["preprocess", "nosuch", "--json"],
    ["train", "--nosuch", "--json"],
]


@pytest.fixture
def into(monkeypatch, capfd):
    """Run a command whose stdout or stderr is that file; return its code and its stderr."""

    def run(arguments, file, stream="stdout"):
        capfd.readouterr()
        with monkeypatch.context() as patch, file:
            patch.setattr(sys, stream, file)
            code = main(arguments)
            file.flush()  # as Python does when it ends
        return code, capfd.readouterr().err

    return run


def closed_pipe():
    own, other = os.pipe()
    os.close(own)
    return os.fdopen(other, "w")


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_full_disk_behind_stdout_is_one_error(into, arguments):
    code, told = into(arguments, FULL.open("w"))
    is_wrong = "nosuch" in "".join(arguments)  # the first error is the one that counts
    assert code != ExitCode.OK if is_wrong else code == ExitCode.DATA
    assert [line.partition(":")[0] for line in told.splitlines()] == ["error", "hint"]
    if not is_wrong:
        assert told.startswith("error: cannot write to standard output: No space left on device")


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_reader_that_has_seen_enough_is_no_error(into, arguments):
    code, told = into(arguments, closed_pipe())
    if "nosuch" not in "".join(arguments):
        assert (code, told) == (141, "")
    else:
        assert told.count("error: ") == 1


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_full_disk_behind_stderr_changes_nothing_else(into, sketch2img, arguments):
    code, _ = into(arguments, FULL.open("w"), "stderr")
    assert code == sketch2img(*arguments).code


def test_a_terminal_that_is_gone_does_not_end_the_work(monkeypatch):
    class Gone(Terminal):
        def write(self, _):
            raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.setattr(sys, "stderr", Gone())
        assert main(["fetch-data", "demo", "--count", "2", "--size", "16"]) == ExitCode.OK


@pytest.mark.parametrize("output", ["-", "out.png"])
def test_generate_says_that_its_output_cannot_be_written(into, tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    drawn = GOLDEN / "sketches" / "grey.png"
    words = ["generate", str(drawn), output, "--jsonl"][: 3 if output == "-" else 4]
    code, told = into(words, FULL.open("w"))
    assert code == ExitCode.DATA
    assert told.count("cannot write to standard output: No space left") == 1
    assert into([*words, "--overwrite"], closed_pipe())[0] == 141


def test_a_process_ends_quietly_and_with_the_right_code():
    command = [sys.executable, "-m", "sketchcli", "models", "--json"]
    with FULL.open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (ExitCode.DATA, 2)


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2]])
def test_no_file_takes_the_place_of_a_closed_stream(closed, tmp_path):
    code = "import os, sys; from sketchcli.cli.main import main; code = main(['--version']); "
    code += "os.write(os.open('out', os.O_CREAT | os.O_WRONLY), str(code).encode()); "
    code += "os.write(1, b'noise'); os.write(2, b'noise')"
    redirected = " ".join(f"{number}>&-" for number in closed)
    command = ["sh", "-c", f'exec "$0" -c "$1" {redirected}', sys.executable, code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (tmp_path / "out").read_text() == "0"
    assert "Traceback" not in done.stderr


def test_only_one_module_prints():
    """Elsewhere, `typer.echo` or a stream of one's own would print names as they are."""
    folder = Path(progress.__file__).parents[1]
    wrong = re.compile(r"typer\.echo|click\.echo|std(out|err)\.write|print_exc|rich\.print")
    assert [f.name for f in folder.rglob("*.py") if wrong.search(f.read_text("utf-8"))] == []


# A user without a home folder.


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    def unknown(uid):
        raise KeyError(uid)

    for name in ("HOME", "SKETCH2IMG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["models"],
        ["fetch-data", "--list", "--json"],
        ["generate", "grey.png", "out.png", "-v"],
        ["eval", ".", ".", "--metric", "mae", "--no-report"],
    ],
    ids=" ".join,
)
def test_without_a_home_folder_all_works_that_needs_none(sketch2img, homeless, arguments):
    shutil.copy(GOLDEN / "sketches" / "grey.png", ".")
    outcome = sketch2img(*arguments)
    assert outcome.code == 0, outcome.stderr


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        (None, ["train", "--dry-run"]),
        (None, ["preprocess", "--photos", str(GOLDEN / "photos")]),
        (None, ["fetch-data", "demo", "--count", "1"]),
        ("", ["fetch-data", "demo", "--count", "1"]),
        ("~/data", ["fetch-data", "demo", "--count", "1"]),
        ("a-file", ["fetch-data", "demo", "--count", "1"]),
    ],
)
def test_without_a_data_folder_the_variable_is_named(
    sketch2img, homeless, monkeypatch, data, arguments
):
    Path("a-file").write_text("")
    if data is not None:
        monkeypatch.setenv("SKETCH2IMG_HOME", data)
    outcome = sketch2img(*arguments)
    assert outcome.code == ExitCode.DATA
    assert "hint: set SKETCH2IMG_HOME to a folder" in outcome.stderr
    assert [path.name for path in Path().iterdir()] == ["a-file"]


@pytest.mark.parametrize("is_homeless", [True, False])
def test_an_evaluation_says_at_once_that_its_report_cannot_be_written(
    sketch2img, monkeypatch, tmp_path, request, is_homeless
):
    if is_homeless:
        request.getfixturevalue("homeless")
    else:
        monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)
    outcome = sketch2img("eval", GOLDEN / "sketches", GOLDEN / "sketches", "--metric", "mae")
    assert outcome.code == ExitCode.DATA
    assert [line[:6] for line in outcome.stderr.splitlines()] == ["error:", "hint: "]


def test_a_home_folder_that_may_not_be_read_is_as_none(sketch2img, monkeypatch, home):
    from_system = os.stat

    def closed(path, **options):
        if str(home) in os.fspath(path):
            raise PermissionError(13, "Permission denied", str(path))
        return from_system(path, **options)

    monkeypatch.setattr(os, "stat", closed)
    assert sketch2img("models").code == 0


def test_a_folder_that_is_gone_is_named(sketch2img, monkeypatch, tmp_path):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    outcome = sketch2img("generate", "a.png", "b.png")
    assert outcome.code == ExitCode.DATA
    assert "error: the current folder does not exist any more" in outcome.stderr


# Terminals that can do little.


@pytest.mark.parametrize("term", ["dumb", "unknown", "DUMB", "", None])
def test_a_terminal_that_only_prints_lines_gets_lines(shown, term):
    def show():
        with progress.reporting() as report:
            report(events.EpochTrained(1, 2, 3, 4.5, 1.75, 14.2, 65.0))
            report(events.Advanced("pairs", 2, 2))
            assert sys.stderr.text.endswith("pairs: 2\n")  # not only at the end

    printed = shown(show, term)
    assert printed.startswith("epoch 1/2  batch 3/3")
    assert "\x1b" not in printed


@pytest.mark.parametrize("columns", ["0", "60"])
def test_a_run_s_name_is_whole_on_any_terminal(shown, monkeypatch, home, columns):
    name = "a-run-whose-name-is-longer-than-a-column"
    shutil.copytree(weights.FILE.parent, home / "runs" / name)
    folder = home / "runs" / name
    shutil.move(folder / weights.FILE.name, folder / "weights.safetensors")
    monkeypatch.setenv("COLUMNS", columns)
    printed = shown(lambda: main(["models"]))
    cells = [line[3:43].split("  ")[0].strip() for line in RICH.sub("", printed).splitlines()]
    assert name in "".join(cells)


@pytest.mark.parametrize("columns", ["0", "1", "20", "x"])
def test_a_narrow_or_odd_terminal_shows_progress(shown, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)

    def show():
        with progress.reporting() as report:
            report(events.Transferred("faces.zip", 1, 2))
            report(filled(events.BatchTrained))
            report(filled(events.EpochTrained))
            monkeypatch.setenv("COLUMNS", "90")  # it is resized
            report(filled(events.Validated))

    assert is_harmless(shown(show))
