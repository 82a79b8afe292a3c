"""Count the files that a reader opens for one thought: `python scripts/trace_thoughts.py [--json]`.

A thought is one thing that the program does: a training step, a generated image, a scored model, a
fetched dataset. The script does each of them with the real program, on drawn faces, in a temporary
SKETCH2IMG_HOME, and records which functions of the package run, and in which files.

A file is *traced* if a function of it ran. All modules are imported first, so code that runs while
a module is imported is not traced. A traced file is *counted* unless one of these holds:

* It belongs to the foundation (FOUNDATION), which a reader learns once, for all thoughts.
* It is one of several that are chosen by name (CHOSEN): a network, a loss or a metric. Each is a
  thought of its own, and the code around it does not depend on which one is chosen.
* It belongs to `cli/` and is not named after the command, as the display of results is not.
* The functions that ran in it have fewer than SMALLEST lines of code together. They are accessors,
  which a reader understands by their names.

A training step is what happens between two calls of `Trainer.step` in one epoch: the step, the
bookkeeping after it, and the preparation of the next batch. `eval` writes no report, since report
pages are a thought of their own. `fetch-data` downloads an archive from a local HTTP server.

The files to edit for another option of `train` are those in `cli/` and `config/` that spell an
existing one, OPTION. The module that obeys the setting is what the option is for, and not counted.
"""

import ast
import contextlib
import functools
import http.server
import importlib
import io
import json
import os
import pkgutil
import shutil
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from unittest import mock

import sketchcli
from sketchcli.cli import main as cli

PACKAGE = Path(sketchcli.__file__).parent
FOUNDATION = {
    "errors": "all modules raise them",
    "files": "all files are written by it",
    "paths": "all commands ask it for folders",
    "registry": "all names on the command line are found by it",
    "machine": "all commands ask it for processor cores and process ranks",
    "limits": "all readers ask it before they take memory",
    "interruption": "all commands run in it, and end by it at a signal",
    "config": "the settings, which are data",
    "device": "all tensors are placed by it",
    "checkpoint": "all weights files are read and written by it",
    "weights_header": "the checks that `checkpoint` makes first",
    "events": "the vocabulary of progress messages",
    "results": "the vocabulary of results",
    "wording": "all numbers that people read are written by it",
    "runs": "all commands find models by it",
    "lookup": "all commands find datasets by it",
    "weights": "the path of the bundled model",
    "engine/training/distributed": "several processes; with one, each call returns its argument",
}
CHOSEN = {"models", "losses", "metrics"}
SMALLEST = 5  # lines of code
OPTION = "patience"
PAIRS, SIZE, BATCH = 24, 32, 4  # 20 of the pairs are trained: one epoch has several batches
IS_FUNCTION = 1  # the flag CO_OPTIMIZED, which the bodies of modules and classes lack


@dataclass(frozen=True)
class Thought:
    """The files of one thought, relative to the package, in the order they were first entered."""

    title: str
    traced: list[str]
    counted: list[str]


class Recorder:
    """A profiling function that notes the lines of the functions that are called, by file."""

    def __init__(self) -> None:
        self.lines: dict[str, set[int]] = {}
        self.turn: dict[str, set[int]] = {}  # the lines between the last two calls of Trainer.step

    def __call__(self, frame: FrameType | None, event: str, argument: object) -> None:
        """Note a call; `Trainer.step` begins a new turn of the loop that calls it."""
        if event != "call" or frame is None:
            return
        code, is_step = frame.f_code, frame.f_code.co_qualname == "Trainer.step"
        if is_step:
            self.turn, self.lines = self.lines, {}
        if code.co_flags & IS_FUNCTION and code.co_filename.startswith(f"{PACKAGE}{os.sep}"):
            name = Path(code.co_filename).relative_to(PACKAGE).as_posix()
            lines = {line for _, _, line in code.co_lines() if line} - {code.co_firstlineno}
            self.lines.setdefault(name, set()).update(lines)
        if is_step:
            self(frame.f_back, event, argument)


def run(*arguments: object) -> Recorder:
    """Run one command in this process, and record it; fail if it fails."""
    recorder, output = Recorder(), io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        threading.setprofile(recorder)
        sys.setprofile(recorder)
        code = cli.main([str(argument) for argument in arguments])
        sys.setprofile(None)
        threading.setprofile(None)
    if code:
        output.seek(0)
        raise RuntimeError(f"{arguments}: exit code {code}\n{output.read()}")
    return recorder


def is_counted(file: str, lines: int, verb: str) -> bool:
    """Whether a traced file counts, by the rules above.

    >>> [is_counted(file, 9, "generate") for file in ("files.py", "cli/main.py", "cli/generate.py")]
    [False, False, True]
    """
    first, *rest = Path(file).with_suffix("").parts
    name = rest[0] if first == "engine" and len(rest) == 1 else first
    is_shared = {name, file.removesuffix(".py")} & (FOUNDATION.keys() | CHOSEN) or lines < SMALLEST
    return not is_shared and (first != "cli" or rest[0].startswith(verb))


def thought(title: str, lines: dict[str, set[int]], *, verb: str) -> Thought:
    """Sum up what was recorded."""
    counted = [file for file, ran in lines.items() if is_counted(file, len(ran), verb)]
    return Thought(title, list(lines), counted)


def spells_option(file: str, source: str) -> bool:
    """Whether a file must be edited for OPTION.

    >>> spells_option("cli/train.py", "patience = 1"), spells_option("files.py", "patience = 1")
    (True, False)
    """
    if not file.startswith(("cli/", "config/")):
        return False
    fields = ("id", "arg", "attr", "value")
    for node in ast.walk(ast.parse(source)):
        if any(str(getattr(node, field, "")).lower().strip("-") == OPTION for field in fields):
            return True
    return False


def measure() -> dict[str, Thought]:
    """Do everything once; return the thoughts by a short name."""
    for module in pkgutil.walk_packages(sketchcli.__path__, "sketchcli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        work = Path(name)
        variables = {"SKETCH2IMG_HOME": str(work / "home"), "NO_PROXY": "127.0.0.1"}
        stack.enter_context(mock.patch.dict(os.environ, variables))
        raw, model, cpu = work / "home" / "raw" / "demo", work / "model", ("--device", "cpu")
        run("fetch-data", "demo", "--count", PAIRS, "--size", SIZE)
        run("preprocess", "demo", "--size", SIZE, "--name", "faces")
        brief = ("--epochs", 1, "--batch-size", BATCH, "--run-dir", model)
        narrow = [f"--set=model.{kind}_options.width=4" for kind in ("generator", "discriminator")]
        step = run("train", "faces", *brief, *narrow, *cpu).turn
        sketch = min(raw.rglob("sketches/*.png"))
        image = run("generate", sketch, work / "photo.png", *cpu).lines
        score = run("eval", "--model", model, "--data", "faces", "--no-report", *cpu).lines
        shutil.make_archive(str(work / "mine"), "zip", raw)
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=name)
        server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}/mine.zip"
        fetched = run("fetch-data", "folder", "--name", "mine", "--from", url).lines
    files = [path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py"))]
    spelled = [file for file in files if spells_option(file, (PACKAGE / file).read_text("utf-8"))]
    return {
        "step": thought("one training step", step, verb="train"),
        "generate": thought("`generate` draws one image", image, verb="generate"),
        "eval": thought("`eval` scores one model", score, verb="evaluate"),
        "fetch-data": thought("`fetch-data` gets one dataset", fetched, verb="fetch_data"),
        "option": Thought(f"an option of `train` (--{OPTION})", spelled, spelled),
    }


def main() -> None:
    """Print tables, or JSON with `--json`."""
    measured = measure()
    if "--json" in sys.argv:
        print(json.dumps({name: asdict(found) for name, found in measured.items()}, indent=1))
        return
    for found in measured.values():
        print(f"{found.title}: {len(found.counted)} files, {len(found.traced)} with those in ()")
        print("\n".join(f if f in found.counted else f"({f})" for f in found.traced), end="\n\n")
    for found in measured.values():
        print(f"{found.title:<36} {len(found.counted):>3} files, {len(found.traced):>3} traced")


if __name__ == "__main__":
    main()
