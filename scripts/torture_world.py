"""A small world of files for `scripts/torture.py`, and commands run in it by forked processes."""

import contextlib
import hashlib
import json
import multiprocessing
import os
import pkgutil
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

assert sys.platform == "linux", "processes are looked up in /proc"  # noqa: S101
import resource  # noqa: E402

HANG = 30.0  # seconds after which a process is ended
ADDRESS_SPACE = 6 << 30  # bytes that a command may add, so that the machine survives a finding
SOURCE = Path(__file__).parent.parent / "src"
NETWORKS = Path(__file__).parent.parent / ".venv" / "networks"  # as `make test` fetches them
SMALL_NETWORKS = ("yunet", "lpips-alex")
# Modules that commands import late; the forks need not import them again.
LATE = (
    "rich.progress",
    "matplotlib.backends.backend_agg",
    "jinja2",
    "onnx",
    "onnxruntime",
    "torch._dynamo",
    "torch.onnx",
    "PIL.PngImagePlugin",
    "PIL.JpegImagePlugin",
)
TINY = """
epochs = 2
loss = { perceptual_weight = 0.0 }
validation = { every = 1 }
data = { batch_size = 2, validation_pairs = 2 }
[model]
generator_options = { width = 4, blocks = 1 }
discriminator_options = { width = 4 }
"""
TINY_NETWORK = "--size 32 --option width=4 --option blocks=1"
ALSO = {"run/state-before.safetensors"}  # a run that was resumed has saved more often
# Typed in this order, these make the world; the last argument is not shown in the output.
MADE_BY = (
    "fetch-data demo --count 12 --size 32",
    "fetch-data demo --name many --count 40 --size 32",
    "preprocess demo --size 32 --test 0.3 --name set",
    "train set --config tiny.toml --run-dir run",
)


@dataclass(frozen=True)
class Verb:
    """A command that writes below `out/` only, and the options that repeat it."""

    name: str
    typed: str
    again: str = ""  # options to add after an interruption
    length: float = 0.0  # seconds in which it is interrupted, if it is never waited for

    @property
    def is_long(self) -> bool:
        """Return whether the command is only interrupted, never waited for."""
        return self.length > 0

    @property
    def words(self) -> list[str]:
        """Return the arguments."""
        return shlex.split(self.typed)


HOME = "SKETCH2IMG_HOME=out/home"  # as a shell reads it
SKETCHES = "home/raw/demo/sketches"
VERBS = (
    Verb(
        "fetch-data",
        f"{HOME} fetch-data folder --from photos.zip --name a --licence MIT --overwrite",
    ),
    Verb("fetch-data demo", f"{HOME} fetch-data demo --name b --count 40 --size 48 --overwrite"),
    Verb("preprocess", "preprocess demo --size 32 --out out/set --workers 1 --overwrite"),
    Verb("preprocess (2)", "preprocess many --size 64 --out out/set --workers 2 --overwrite"),
    Verb("train", "train set --config tiny.toml --run-dir out/run"),
    Verb("generate", f"generate {SKETCHES} out/photos --model run", again="--skip-existing"),
    Verb("eval", "eval --model run --data set --out out/report --metric ssim"),
    Verb("export", "export run out/run.onnx --overwrite"),
    Verb("import-weights", f"import-weights tiny.pth out/a.safetensors {TINY_NETWORK} --overwrite"),
    Verb(
        "generate grid",
        f"generate {SKETCHES} out/photos --model run --compare --overwrite"
        " --grid out/all.png --manifest out/all.csv",
    ),
)
KNOWN = {verb.typed.removeprefix(f"{HOME} ").split()[0] for verb in VERBS} | {"models", "doctor"}
# Work for longer than the two seconds in which a signal ends it.
LONG_VERBS = (
    Verb("fetch-data, long", f"{HOME} fetch-data demo --name c --count 5000 --size 256", length=8),
    Verb(
        "preprocess, long",
        "preprocess --photos ../long/photos --size 256 --style hand --out out/set --workers 1",
        length=8,
    ),
    Verb("train, long", "train set --config tiny.toml --epochs 5000 --run-dir out/run", length=8),
    Verb(
        "generate --tile",
        "generate ../long/large.png out/large.png --tile --model bundled",
        length=8,
    ),
    Verb("generate, long", "generate ../long/a out/photos --size input --model bundled", length=8),
    Verb("generate --watch", f"generate --watch {SKETCHES} out/photos --model run", length=8),
    Verb("eval, long", "eval ../long/a ../long/b --size 256 --out out/report", length=8),
    Verb("export, long", "export bundled out/bundled.onnx", length=1.5),
    Verb("import-weights, long", "import-weights ../long/wide.pth out/wide.safetensors", length=1),
    Verb("doctor", "doctor", length=4),
)


@dataclass(frozen=True)
class Outcome:
    """What a command did, and what it took."""

    code: int | None  # None if it had to be ended; negative if a signal ended it
    stdout: str
    stderr: str
    seconds: float
    cpu: float = 0.0  # seconds of processor time
    taken: int = 0  # bytes of memory, above what the process had at its start


@dataclass(frozen=True)
class Call:
    """A command, and how to run it."""

    words: tuple[str, ...]
    folder: Path
    streams: tuple[str, str]  # files for stdout and stderr
    report: str  # file that shows that the command has begun, and at its end what it took
    variables: Mapping[str, str] = field(default_factory=dict)
    file_size: int = resource.RLIM_INFINITY  # the largest file that it may write
    hangup_ignored: bool = False  # as under nohup
    fault: str = ""  # Python code to run first: a fault that has to be found


def _run_call(call: Call) -> None:
    """Run one command in this forked process, and end it as Python would."""
    os.setsid()
    os.chdir(call.folder)
    os.environ.update(call.variables)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, name in enumerate([os.devnull, *call.streams]):
        os.dup2(os.open(name, flags if number else os.O_RDONLY), number)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    sys.stderr.reconfigure(errors="backslashreplace", line_buffering=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_IGN if call.hangup_ignored else signal.SIG_DFL)
    address_space = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (address_space + ADDRESS_SPACE,) * 2)
    before = _usage()
    Path(call.report).touch()
    resource.setrlimit(resource.RLIMIT_FSIZE, (call.file_size, resource.RLIM_INFINITY))
    code = 1
    try:
        exec(call.fault, {})  # noqa: S102 - written by the tests of this tool
        sys.argv[1:] = call.words
        try:
            runpy.run_module("sketchcli", run_name="__main__")
        except SystemExit as stop:
            code = int(stop.code or 0)
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - Python would print it as well
        traceback.print_exc()
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    after = _usage()
    Path(call.report).write_text(json.dumps([after[0] - before[0], after[1] - before[1]]))
    os._exit(code)


def _usage() -> tuple[float, int]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


class Running:
    """A command that has been started."""

    def __init__(self, call: Call, *, real: bool) -> None:
        self._call, self._process = call, _start_real(call) if real else _fork(call)
        assert self._process.pid is not None  # noqa: S101
        self.pid = self._process.pid
        while not real and not Path(call.report).exists() and self.wait(0.001) is None:
            pass
        self.started = time.monotonic()

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, or None if the command still runs after some seconds."""
        if isinstance(self._process, subprocess.Popen):
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(seconds)
            return None
        self._process.join(seconds)
        code: int | None = self._process.exitcode
        return code

    def send(self, number: int) -> None:
        """Send a signal, unless the command has ended."""
        if self.wait(0) is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def outcome(self, seconds: float = 0) -> Outcome:
        """Wait for the end; what still runs then is ended."""
        code = self.wait(seconds or HANG)
        took = time.monotonic() - self.started
        if code is None:
            self.end_all()
            self.wait(HANG)
        texts = [
            Path(name).read_bytes().decode(errors="surrogateescape") if name != "/dev/full" else ""
            for name in self._call.streams
        ]
        measured = [0, 0]
        with contextlib.suppress(OSError, ValueError):
            measured = json.loads(Path(self._call.report).read_text())
        return Outcome(code, texts[0], texts[1], took, *measured)

    def left_running(self, patience: float = 5.0) -> list[int]:
        """Return the processes of the command's session that do not end by themselves."""
        end = time.monotonic() + patience
        while (left := _session(self.pid)) and time.monotonic() < end:
            time.sleep(0.02)
        self.end_all()
        return left

    def end_all(self) -> None:
        """Kill the command and all that it has started."""
        for pid in _session(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _session(session: int) -> list[int]:
    """Return the living processes of a session."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, of = file.read_text().rpartition(")")[2].split()[:4]
            if int(of) == session and state != "Z":
                found.append(int(file.parent.name))
    return found


def _start_real(call: Call) -> subprocess.Popen[bytes]:
    """Start a command as a shell does: the interpreter, its imports and its end count as well."""
    nohup = ["nohup"] if call.hangup_ignored else []
    with open(call.streams[0], "wb") as out, open(call.streams[1], "wb") as err:  # noqa: PTH123
        return subprocess.Popen(
            [*nohup, sys.executable, "-m", "sketchcli", *call.words],
            cwd=call.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", **call.variables},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )


def _fork(call: Call) -> Any:  # noqa: ANN401 - the module has no public name for the class
    process = multiprocessing.get_context("forkserver").Process(target=_run_call, args=(call,))
    process.start()
    return process


def _warm_up() -> None:
    """Let the server of forks import the program, with one thread, as threads are not forked."""
    import sketchcli  # noqa: PLC0415 - perhaps from PYTHONPATH

    found = pkgutil.walk_packages(sketchcli.__path__, "sketchcli.")
    names = [module.name for module in found if not module.name.endswith("__main__")]
    sys.warnoptions.append("ignore:resource_tracker")  # a killed command's semaphores
    before = dict(os.environ)
    os.environ.update(OMP_NUM_THREADS="1", PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    try:
        forkserver.set_forkserver_preload([__name__, *names, *LATE])
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True)
class Expected:
    """What an undisturbed command leaves in `out/`, and how long it takes."""

    names: frozenset[str]
    stable: Mapping[str, str]  # hashes of the files that two such commands write alike
    size: int  # bytes of all files
    seconds: float

    def differences(self, folder: Path) -> list[str]:
        """Return in what a folder differs from the folder that an undisturbed command leaves."""
        found = snapshot(folder)
        missing, more = sorted(self.names - set(found)), sorted(set(found) - self.names - ALSO)
        return [
            *(f"missing: {name}" for name in missing[:3]),
            *(f"left over: {name}" for name in more[:3]),
            *(f"not the same: {name}" for name in self.changed(found)[:3]),
        ]

    def changed(self, found: Mapping[str, str]) -> list[str]:
        """Return the files that are there, but not with the content that they should have."""
        return [name for name, hashed in self.stable.items() if found.get(name, hashed) != hashed]


def snapshot(folder: Path) -> dict[str, str]:
    """Return the hash of each file in a folder, without the seconds in it, and the folders."""
    found = {}
    for path in folder.rglob("*"):
        content = b"folder" if path.is_dir() else path.read_bytes()
        if path.suffix == ".json":
            content = re.sub(rb'"seconds": [\d.e-]+', b"", content)
        found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found


class World:
    """The files that the commands read. Each attempt begins with fresh ones, at the same path."""

    def __init__(self, root: Path) -> None:
        """Make the files by commands of the program itself, undisturbed."""
        self._root, self.folder = root, root / "world"
        self.verb = ""  # that was typed last
        self.fault = ""  # Python code that each command runs first
        self._expected: dict[str, Expected] = {}
        self._usual: dict[str, Outcome] = {}
        _warm_up()
        self.out = self.folder / "out"
        self.out.mkdir(parents=True)
        self.temporary = root / "tmp"
        self.temporary.mkdir()
        (self.folder / "tiny.toml").write_text(TINY)
        for typed in MADE_BY:
            self._must(typed.split())
        self._execute(_MORE_FILES)
        networks = Path(os.environ.get("SKETCH2IMG_TEST_NETWORKS", NETWORKS)) / "assets"
        for name in SMALL_NETWORKS:
            if (networks / name).is_dir():
                shutil.copytree(networks / name, self.folder / "home" / "assets" / name)
        shutil.copytree(self.folder, root / "template")

    def add_long_work(self) -> None:
        """Make the inputs of the long commands as well, beside the world."""
        if not (self._root / "long").exists():
            self.refresh()
            self._execute(_LONG_FILES)

    def refresh(self) -> None:
        """Bring all files back to how they were made."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._root / "template", self.folder)

    def start(self, words: Sequence[str], *, real: bool = False, **how: Any) -> Running:  # noqa: ANN401
        """Start a command in the world."""
        variables = {
            "SKETCH2IMG_HOME": "home",
            "HOME": str(self._root),
            "TMPDIR": str(self.temporary),
            "COLUMNS": "400",
        }
        words = list(words)
        while words and words[0].startswith("SKETCH2IMG_"):
            key, _, value = words.pop(0).partition("=")
            variables[key] = value
        self.verb = words[0] if words and words[0] in KNOWN else "other"
        home = self.folder / variables["SKETCH2IMG_HOME"]
        variables["SKETCH2IMG_HOME"] = str(home)
        report = self._root / "report"
        report.unlink(missing_ok=True)
        streams = (how.pop("stdout", str(self._root / "stdout")), str(self._root / "stderr"))
        call = Call(
            tuple(words), self.folder, streams, str(report), variables, fault=self.fault, **how
        )
        return Running(call, real=real)

    def run(self, words: Sequence[str], seconds: float = 0, **how: Any) -> Outcome:  # noqa: ANN401
        """Run a command in the world, until its end."""
        running = self.start(words, **how)
        outcome = running.outcome(seconds)
        running.end_all()
        return outcome

    def usual(self, verb: Verb) -> Outcome:
        """Return what a verb does undisturbed and without the fault; the files are fresh then."""
        if verb.typed not in self._usual:
            fault, self.fault = self.fault, ""
            self.refresh()
            self._usual[verb.typed] = self._must(verb.words)
            self.fault = fault
        return self._usual[verb.typed]

    def expected(self, verb: Verb) -> Expected:
        """Return what a verb leaves if it is undisturbed, known from two times."""
        if verb.name not in self._expected:
            found = []
            for _ in range(2):
                self._usual.pop(verb.typed, None)
                seconds = self.usual(verb).seconds
                found.append(snapshot(self.out))
            size = sum(path.stat().st_size for path in self.out.rglob("*"))
            stable = {
                name: found[0][name] for name in found[0] if found[1].get(name) == found[0][name]
            }
            self._expected[verb.name] = Expected(frozenset(found[0]), stable, size, seconds)
        return self._expected[verb.name]

    def _must(self, words: Sequence[str]) -> Outcome:
        outcome = self.run(words, 300)
        if outcome.code:
            raise SystemExit(f"undisturbed, {shlex.join(words)} fails: {outcome.stderr}")
        return outcome

    def _execute(self, code: str) -> None:
        """Run Python code in the world, with the program."""
        self.fault, fault = code, self.fault
        self._must(["models"])
        self.fault = fault


_MORE_FILES = f"""
import json, shutil, tarfile, torch
from pathlib import Path
from sketchcli.cli.main import main
from safetensors.torch import load_file

state = load_file("run/weights.safetensors")
torch.save(state, "tiny.pth")
torch.save(state, "legacy.pth", _use_new_zipfile_serialization=False)
for kind in ("zip", "tar", "gztar"):
    shutil.make_archive("photos", kind, "home/raw/demo", "photos")
sketches = [f"{SKETCHES}/{{n:05}}.png" for n in range(4)]
rows = [f"{{sketch}},{{sketch.replace('sketches', 'photos')}},train" for sketch in sketches]
Path("pairs.csv").write_text("\\n".join(["sketch,photo,split", *rows]))
Path("list.txt").write_text("\\n".join(sketches))
Path("settings.json").write_text(json.dumps({{"epochs": 2, "optimizer": {{"lr": 1e-4}}}}))
"""
_LONG_FILES = f"""
import random, shutil
from pathlib import Path
from PIL import Image

names = sorted(Path("{SKETCHES}").iterdir())
long = Path("../long")
for folder, kind in (("a", "sketches"), ("b", "sketches"), ("photos", "photos")):
    (long / folder).mkdir(parents=True)
    for n in range(300):
        file = Image.open(f"home/raw/demo/{{kind}}/{{names[n % len(names)].name}}")
        file.convert("RGB").resize((320, 320)).save(long / folder / f"{{n:04}}.jpg")
Image.open(names[0]).convert("L").resize((3000, 2000)).save(long / "large.png")

import torch
from sketchcli.models.generators import resunet
torch.save(resunet.Generator(resunet.Config()).state_dict(), long / "wide.pth")
"""
