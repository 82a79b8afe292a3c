"""The house rules of docs/explanation/architecture.md, read from the syntax trees of src/.

A rule is a function from a module to the problems that it finds there. Each has two tests: none
of our modules breaks it, and it finds every violation of a list that was written to break it.
"""

import ast
import graphlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"

FLOORS = (
    {"errors"},
    {"suggesting"},
    {"paths", "files", "registry", "formats", "weights_header", "machine"},
    {"config", "device"},
    {"images"},
    {"checkpoint", "faces", "backdrops", "lighting", "likeness"},
    {"assets", "sketching", "data", "models", "losses", "metrics", "weights"},
    {"engine"},
    {"cli"},
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# A package -> the only modules (or packages of modules) that may import it.
HOMES = {
    "typer": ("sketchcli.cli",),
    "rich": ("sketchcli.cli",),
    "cv2": ("sketchcli.images.opencv",),
    "safetensors": ("sketchcli.checkpoint",),
    "torchmetrics": (),  # the tests compare with it
    "matplotlib": ("sketchcli.engine.pictures", "sketchcli.engine.evaluating.plots"),
    "click": (),
    # Workers are started in one place, and nowhere while a model is trained. `doctor` asks others.
    "multiprocessing": (
        "sketchcli.engine.preprocessing.workers",
        "sketchcli.engine.installation.asking",
    ),
    "concurrent.futures.ProcessPoolExecutor": ("sketchcli.engine.preprocessing.workers",),
    "torch.multiprocessing": (),
    "torch.utils.data": (),
    **dict.fromkeys(
        ("urllib", "http", "socket", "ssl", "ftplib", "requests", "httpx", "pooch", "torch.hub"),
        ("sketchcli.engine.fetching.downloading",),
    ),
}
EXECUTABLE_FORMATS = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
ALLOW_LISTED = "sketchcli.engine.fetching.unpickling"  # reads pickles, and runs nothing of them
VAGUE_NAMES = {"utils", "util", "helpers", "misc", "common"}
LONGEST_FILE, LONGEST_FUNCTION = 300, 50


@dataclass(frozen=True)
class Module:
    """A module's dotted name and its source text."""

    name: str
    source: str
    is_package: bool = False

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.source)))

    @property
    def room(self) -> str:
        """The part of the house: `data` for `sketchcli.data.pairing`."""
        return room_of(self.name)

    @property
    def imports(self) -> Iterator[str]:
        """Absolute names of all that is imported, in functions and under TYPE_CHECKING too."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                start = self._absolute(node)
                yield from (f"{start}.{alias.name}" for alias in node.names)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return str(node.module)
        up = node.level - self.is_package
        parts = self.name.split(".")
        return ".".join([*parts[: len(parts) - up], *([node.module] if node.module else [])])


Rule = Callable[[Module], list[str]]


def room_of(name: str) -> str:
    return name.partition("sketchcli.")[2].partition(".")[0]


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def modules() -> list[Module]:
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        is_package = path.name == "__init__.py"
        place = path.parent if is_package else path.with_suffix("")
        name = ".".join(place.relative_to(SOURCE).parts)
        found.append(Module(name, path.read_text(encoding="utf-8"), is_package))
    return found


MODULES = modules()


def lives_on_a_floor(module: Module) -> list[str]:
    is_front_door = module.name in {"sketchcli", "sketchcli.__main__"}
    return [] if is_front_door or module.room in FLOOR_OF else ["is on no floor"]


def imports_point_down(module: Module) -> list[str]:
    if module.room not in FLOOR_OF:
        return []
    rooms = {room_of(name) for name in module.imports if is_within(name, "sketchcli")}
    return [
        f"imports {room}"
        for room in sorted(rooms & FLOOR_OF.keys() - {module.room})
        if FLOOR_OF[room] >= FLOOR_OF[module.room]
    ]


def packages_stay_at_home(module: Module) -> list[str]:
    return [
        f"imports {name}"
        for name in module.imports
        for package, homes in HOMES.items()
        if is_within(name, package) and not any(is_within(module.name, home) for home in homes)
    ]


def loads_nothing_executable(module: Module) -> list[str]:
    formats = EXECUTABLE_FORMATS - ({"pickle"} if module.name == ALLOW_LISTED else set())
    problems = [f"imports {n}" for n in module.imports if n.split(".")[0] in formats]
    problems += ["imports torch.load" for name in module.imports if name == "torch.load"]
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load":
            problems.append("torch.load")
        if isinstance(node, ast.keyword) and ast.unparse(node) == "allow_pickle=True":
            problems.append("allow_pickle=True")
    return problems


def never_prints(module: Module) -> list[str]:
    return [
        f"prints in line {node.lineno}"
        for node in module.nodes
        if isinstance(node, ast.Name) and node.id in {"print", "pprint"}
    ]


def never_asserts(module: Module) -> list[str]:
    return [f"asserts in line {n.lineno}" for n in module.nodes if isinstance(n, ast.Assert)]


def has_a_telling_name(module: Module) -> list[str]:
    return [f"is called {part}" for part in module.name.split(".") if part in VAGUE_NAMES]


def is_short(module: Module) -> list[str]:
    lines = module.source.count("\n")
    return [f"has {lines} lines"] if lines > LONGEST_FILE else []


def has_short_functions(module: Module) -> list[str]:
    functions = (n for n in module.nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    # A command's parameters are its options, a list that is as long as the list of options.
    is_command = module.room == "cli"
    starts = ((n, n.body[0].lineno if is_command else n.lineno) for n in functions)
    lengths = ((node.name, node.end_lineno - start + 1) for node, start in starts)
    return [f"{name}: {lines} lines" for name, lines in lengths if lines > LONGEST_FUNCTION]


# A rule -> what breaks it: the name and the source of a module.
PLANTED = {
    lives_on_a_floor: [("sketchcli.attic", ""), ("sketchcli.attic.box", "")],
    imports_point_down: [
        ("sketchcli.errors", "import sketchcli.files"),
        ("sketchcli.files", "from sketchcli import paths"),
        ("sketchcli.device", "from sketchcli.config import TrainConfig as T"),
        ("sketchcli.config", "from sketchcli import images"),
        ("sketchcli.data.pairing", "from sketchcli.models import blocks"),
        ("sketchcli.data.pairing", "from ..models import blocks"),
        ("sketchcli.data.pairing", "from .. import models"),
        ("sketchcli.engine.training", "def f():\n    import sketchcli.cli.app"),
        (
            "sketchcli.losses.hinge",
            "if TYPE_CHECKING:\n    from sketchcli.models.blocks import Verdict",
        ),
    ],
    packages_stay_at_home: [
        ("sketchcli.engine.events", "import typer"),
        ("sketchcli.engine.events", "def f():\n    from rich.table import Table"),
        ("sketchcli.data.alignment", "import cv2.dnn as d"),
        ("sketchcli.engine.runs", "from safetensors.torch import load_file"),
        ("sketchcli.engine.evaluating", "import torchmetrics"),
        ("sketchcli.cli.render", "from matplotlib import pyplot"),
        ("sketchcli.cli.app", "import click"),
        ("sketchcli.assets.faces", "from urllib.request import urlopen"),
        ("sketchcli.assets.faces", "from torch.hub import load_state_dict_from_url"),
        ("sketchcli.engine.fetching", "import socket"),
        ("sketchcli.data.batches", "from torch.utils.data import DataLoader"),
        ("sketchcli.engine.generating.pipeline", "from multiprocessing import Pool"),
    ],
    loads_nothing_executable: [
        ("sketchcli.checkpoint", "import pickle"),
        ("sketchcli.engine.fetching.unpickling", "import torch\ntorch.load('w.pt')"),
        ("sketchcli.checkpoint", "import torch\ntorch.load('w.pt', weights_only=True)"),
        ("sketchcli.checkpoint", "from torch import load"),
        ("sketchcli.data.prepared", "np.load(path, allow_pickle=True)"),
    ],
    never_prints: [("sketchcli.engine.runs", "def f():\n    print('hello')")],
    never_asserts: [("sketchcli.engine.runs", "def f(x):\n    assert x")],
    has_a_telling_name: [("sketchcli.data.utils", ""), ("sketchcli.common.io", "")],
    is_short: [("sketchcli.data.long", "x = 1\n" * 301)],
    has_short_functions: [
        ("sketchcli.data.long", "def f():\n" + "    x = 1\n" * 50),
        ("sketchcli.data.long", "class C:\n    async def f():\n" + "        x = 1\n" * 50),
        ("sketchcli.cli.long", "def f():\n" + "    x = 1\n" * 51),
    ],
}

# What looks like a violation and is none.
ALLOWED = {
    imports_point_down: [
        ("sketchcli.data.pairing", "from sketchcli.data import splits"),
        ("sketchcli.engine.training", "from sketchcli import __version__, checkpoint"),
        ("sketchcli.__main__", "from sketchcli.cli.main import main"),
    ],
    packages_stay_at_home: [
        ("sketchcli.cli.app", "import typer"),
        ("sketchcli.images.opencv", "def f():\n    import cv2"),
        ("sketchcli.engine.fetching.downloading", "from urllib.request import urlopen"),
        ("sketchcli.engine.events", "import richly"),
    ],
    never_prints: [("sketchcli.cli.render", "console.print('hello')")],
    is_short: [("sketchcli.data.long", "x = 1\n" * 300)],
    has_short_functions: [("sketchcli.data.long", "def f():\n" + "    x = 1\n" * 49)],
}


def cases(examples: dict[Rule, list[tuple[str, str]]]) -> list[object]:
    return [
        pytest.param(rule, Module(*module), id=f"{rule.__name__}-{index}")
        for rule, listed in examples.items()
        for index, module in enumerate(listed)
    ]


def test_the_whole_house_is_read():
    names = {module.name for module in MODULES}
    assert {"sketchcli", "sketchcli.errors", "sketchcli.data.pairing"} <= names
    assert FLOOR_OF["errors"] < FLOOR_OF["files"] < FLOOR_OF["images"] < FLOOR_OF["data"]


def look_for_circles(found):
    """Raise graphlib.CycleError where a module imports what imports it, by whatever way."""
    names = {module.name for module in found}
    graph = {}
    for module in found:
        met = {name if name in names else name.rpartition(".")[0] for name in module.imports}
        graph[module.name] = met & names - {module.name}
    graphlib.TopologicalSorter(graph).prepare()


def test_no_imports_run_in_a_circle():
    look_for_circles(MODULES)
    circle = {"a": "from sketchcli.b import f", "b": "import sketchcli.c"}
    circle["c"] = "def f():\n    from sketchcli import a"
    with pytest.raises(graphlib.CycleError):
        look_for_circles([Module(f"sketchcli.{name}", source) for name, source in circle.items()])


@pytest.mark.parametrize("rule", PLANTED, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule):
    assert [f"{module.name} {problem}" for module in MODULES for problem in rule(module)] == []


@pytest.mark.parametrize(("rule", "module"), cases(PLANTED))
def test_a_planted_violation_is_found(rule, module):
    assert rule(module)


@pytest.mark.parametrize(("rule", "module"), cases(ALLOWED))
def test_what_is_allowed_is_not_reported(rule, module):
    assert rule(module) == []
