"""The rules of docs/explanation/architecture.md, read from the syntax trees of src/.

A rule is a function that returns the problems it finds in one module, in the whole package, or in
the files that were traced for each thought (scripts/trace_thoughts.py). Each rule has two tests:
our code keeps it, and it finds every violation of a list that was written to break it.
"""

import ast
import collections
import doctest
import graphlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
import trace_thoughts

SOURCE = Path(__file__).parent.parent / "src"

MOST_FILES = 159  # Python files in src/
MOST_LINES = 25_382  # lines of all Python files in src/
MOST_WITH_ONE_IMPORTER = 40  # modules that only one other module imports
MOST_SHARED_NAMES = 0  # file names that several files have
LONGEST_FILE = 500  # lines of a file
LONGEST_FUNCTION = 50  # lines of a function
# The most files that a reader opens for one thought; scripts/trace_thoughts.py says what counts.
MOST_OPENED = {
    "step": 6,  # one training step, without networks and losses
    "generate": 8,  # `generate` draws one image, from the command line to the file
    "eval": 9,  # `eval` scores one model
    "fetch-data": 6,  # `fetch-data` downloads one dataset
    "option": 2,  # files to edit for another option of `train`
}

# A verb's file in cli/ -> the package in engine/ in which a file may have the same name.
ENGINE_PACKAGES = {
    "fetch_data": "fetching",
    "preprocess": "preprocessing",
    "train": "training",
    "generate": "generating",
    "evaluate": "evaluating",
}

# Each layer is a set of parts of the package: modules and packages directly below sketchcli.
LAYERS = (
    {"errors"},
    {"interruption", "paths", "files", "file_kinds", "registry", "weights_header", "machine"},
    {"config", "device", "limits"},
    {"images"},
    {"checkpoint", "portraits"},
    {"assets", "sketching", "data", "models", "losses", "metrics", "weights"},
    {"engine"},
    {"serving"},
    {"doctor"},
    {"cli"},
)
LAYER_OF = {part: layer for layer, parts in enumerate(LAYERS) for part in parts}

# A dependency -> the only modules, or packages of modules, that may import it.
HOMES = {
    "typer": ("sketchcli.cli",),
    "rich": ("sketchcli.cli",),
    "cv2": ("sketchcli.images.opencv",),
    "PIL": ("sketchcli.images",),
    "pillow_heif": ("sketchcli.images",),
    "safetensors": ("sketchcli.checkpoint", "sketchcli.weights_header"),
    "torchmetrics": (),  # the tests compare with it
    "matplotlib": ("sketchcli.engine.reporting.charts",),
    "jinja2": ("sketchcli.engine.reporting.web_page",),
    "click": (),
    # Workers are started in one place, and nowhere while a model is trained.
    "multiprocessing": ("sketchcli.engine.preprocessing.chunks",),
    "concurrent.futures.ProcessPoolExecutor": ("sketchcli.engine.preprocessing.chunks",),
    "torch.multiprocessing": (),
    "torch.utils.data": (),
    **dict.fromkeys(("starlette", "uvicorn"), ("sketchcli.serving",)),
    "socket": ("sketchcli.engine.fetching.download", "sketchcli.serving.server"),
    **dict.fromkeys(
        ("urllib", "http", "ssl", "ftplib", "requests", "httpx", "pooch", "torch.hub"),
        ("sketchcli.engine.fetching.download",),
    ),
}
EXECUTABLE_FORMATS = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
ALLOW_LISTED = "sketchcli.engine.fetching.unpickling"  # reads pickles, and runs nothing of them
VAGUE_NAMES = {"utils", "util", "helpers", "misc", "common"}


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
    def part(self) -> str:
        """The part of the package: `data` for `sketchcli.data.pairing`."""
        return part_of(self.name)

    @property
    def stem(self) -> str:
        """The file's name, without its ending."""
        return "__init__" if self.is_package else self.name.rpartition(".")[2]

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
PackageRule = Callable[[Sequence[Module]], list[str]]


def part_of(name: str) -> str:
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


def belongs_to_a_layer(module: Module) -> list[str]:
    is_entry = module.name in {"sketchcli", "sketchcli.__main__"}
    return [] if is_entry or module.part in LAYER_OF else ["belongs to no layer"]


def imports_point_down(module: Module) -> list[str]:
    if module.part not in LAYER_OF:
        return []
    parts = {part_of(name) for name in module.imports if is_within(name, "sketchcli")}
    return [
        f"imports {part}"
        for part in sorted(parts & LAYER_OF.keys() - {module.part})
        if LAYER_OF[part] >= LAYER_OF[module.part]
    ]


def dependencies_are_imported_in_their_modules(module: Module) -> list[str]:
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
    is_command = module.part == "cli"
    starts = ((n, n.body[0].lineno if is_command else n.lineno) for n in functions)
    lengths = ((node.name, node.end_lineno - start + 1) for node, start in starts)
    return [f"{name}: {lines} lines" for name, lines in lengths if lines > LONGEST_FUNCTION]


def has_few_files(found: Sequence[Module]) -> list[str]:
    return [f"{len(found)} files"] if len(found) > MOST_FILES else []


def has_few_lines(found: Sequence[Module]) -> list[str]:
    lines = sum(module.source.count("\n") for module in found)
    return [f"{lines} lines"] if lines > MOST_LINES else []


def shares_its_modules(found: Sequence[Module]) -> list[str]:
    """Count the modules with exactly one importer, their own package not counted."""
    names = {module.name for module in found}
    importers = collections.defaultdict(set)
    for module in found:
        for name in module.imports:
            for imported in {name, name.rpartition(".")[0]} & names - {module.name}:
                importers[imported].add(module.name)
    single = [
        module.name
        for module in found
        if module.stem not in {"__init__", "__main__"}
        and len(importers[module.name] - {module.name.rpartition(".")[0]}) == 1
    ]
    few = len(single) <= MOST_WITH_ONE_IMPORTER
    return [] if few else [f"{len(single)} modules have one importer: {', '.join(single)}"]


def has_no_name_twice(found: Sequence[Module]) -> list[str]:
    places = collections.defaultdict(set)
    for module in found:
        places[module.stem].add(module.name)
    for verb, package in ENGINE_PACKAGES.items():
        if f"sketchcli.cli.{verb}" in places[verb]:
            places[verb].discard(f"sketchcli.engine.{package}.{verb}")
    for name in ("__init__", "__main__"):
        places.pop(name, None)
    shared = sorted(name for name, modules in places.items() if len(modules) > 1)
    few = len(shared) <= MOST_SHARED_NAMES
    return [] if few else [f"{len(shared)} names belong to several files: {', '.join(shared)}"]


def opens_few_files(counted: Mapping[str, Sequence[str]]) -> list[str]:
    problems = [f"{name} is not traced" for name in MOST_OPENED if not counted.get(name)]
    return problems + [
        f"{name} takes {len(files)} files: {', '.join(files)}"
        for name, files in counted.items()
        if len(files) > MOST_OPENED[name]
    ]


# A rule -> what breaks it: the name and the source of a module.
PLANTED = {
    belongs_to_a_layer: [("sketchcli.attic", ""), ("sketchcli.attic.box", "")],
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
    dependencies_are_imported_in_their_modules: [
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
        ("sketchcli.cli.draw", "import uvicorn"),
        ("sketchcli.engine.runs", "from starlette.routing import Route"),
        ("sketchcli.data.batches", "from torch.utils.data import DataLoader"),
        ("sketchcli.engine.generating.generate", "from multiprocessing import Pool"),
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
    is_short: [("sketchcli.data.long", "x = 1\n" * (LONGEST_FILE + 1))],
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
    dependencies_are_imported_in_their_modules: [
        ("sketchcli.cli.app", "import typer"),
        ("sketchcli.images.opencv", "def f():\n    import cv2"),
        ("sketchcli.engine.fetching.download", "from urllib.request import urlopen"),
        ("sketchcli.engine.events", "import richly"),
    ],
    never_prints: [("sketchcli.cli.render", "console.print('hello')")],
    is_short: [("sketchcli.data.long", "x = 1\n" * LONGEST_FILE)],
    has_short_functions: [("sketchcli.data.long", "def f():\n" + "    x = 1\n" * 49)],
}


def empty(*names: str) -> list[Module]:
    return [Module(f"sketchcli.{name}", "") for name in names]


def in_a_chain(length: int) -> list[Module]:
    """One module more than `length`: each but the last has one importer, which is the next."""
    sources = ["", *(f"from sketchcli.data.m{index} import f" for index in range(length))]
    return [Module(f"sketchcli.data.m{index}", source) for index, source in enumerate(sources)]


def in_pairs(count: int) -> list[Module]:
    """Pairs of modules with one name."""
    return empty(*(f"{part}.m{index}" for index in range(count) for part in ("data", "metrics")))


VERB = empty("cli.train", "engine.training.train")
# A rule for the whole package -> packages that break it.
PLANTED_PACKAGES: dict[PackageRule, list[list[Module]]] = {
    has_few_files: [empty(*map(str, range(MOST_FILES + 1)))],
    has_few_lines: [[Module("sketchcli.files", "x = 1\n" * MOST_LINES), Module("a", "x = 1\n")]],
    shares_its_modules: [
        in_a_chain(MOST_WITH_ONE_IMPORTER + 1),
        [*in_a_chain(MOST_WITH_ONE_IMPORTER), *empty("a"), Module("b", "from sketchcli import a")],
        [*in_a_chain(MOST_WITH_ONE_IMPORTER), *empty("a"), Module("b", "import sketchcli.a")],
    ],
    has_no_name_twice: [
        in_pairs(MOST_SHARED_NAMES + 1),
        [*in_pairs(MOST_SHARED_NAMES), *VERB, *empty("data.train")],
        [*in_pairs(MOST_SHARED_NAMES), *empty("cli.doctor", "engine.training.doctor")],
    ],
}
# Packages that reach a limit and do not exceed it.
ALLOWED_PACKAGES: dict[PackageRule, list[list[Module]]] = {
    has_few_files: [empty(*map(str, range(MOST_FILES)))],
    has_few_lines: [[Module("sketchcli.files", "x = 1\n" * MOST_LINES)]],
    shares_its_modules: [
        in_a_chain(MOST_WITH_ONE_IMPORTER),
        # A package that imports a module of its own is no importer.
        [
            *in_a_chain(MOST_WITH_ONE_IMPORTER),
            Module("sketchcli.models", "from sketchcli.models import blocks", is_package=True),
            *empty("models.blocks"),
        ],
    ],
    has_no_name_twice: [
        [*in_pairs(MOST_SHARED_NAMES), *VERB],
        [*in_pairs(MOST_SHARED_NAMES), *(Module(name, "", is_package=True) for name in "ab")],
    ],
}
OPENED = {name: ["a.py"] * most for name, most in MOST_OPENED.items()}


def cases(examples):
    return [
        pytest.param(rule, example, id=f"{rule.__name__}-{index}")
        for rule, listed in examples.items()
        for index, example in enumerate(listed)
    ]


def test_the_whole_package_is_read():
    names = {module.name for module in MODULES}
    assert {"sketchcli", "sketchcli.errors", "sketchcli.data.pairing"} <= names
    assert LAYER_OF["errors"] < LAYER_OF["files"] < LAYER_OF["images"] < LAYER_OF["data"]


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


@pytest.mark.parametrize(("rule", "planted"), cases(PLANTED))
def test_a_planted_violation_is_found(rule, planted):
    assert rule(Module(*planted))


@pytest.mark.parametrize(("rule", "allowed"), cases(ALLOWED))
def test_what_is_allowed_is_not_reported(rule, allowed):
    assert rule(Module(*allowed)) == []


@pytest.mark.parametrize("rule", PLANTED_PACKAGES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule):
    assert rule(MODULES) == []


@pytest.mark.parametrize(("rule", "planted"), cases(PLANTED_PACKAGES))
def test_a_package_that_breaks_a_rule_is_found(rule, planted):
    assert rule(planted)


@pytest.mark.parametrize(("rule", "allowed"), cases(ALLOWED_PACKAGES))
def test_a_package_that_reaches_a_limit_is_not_reported(rule, allowed):
    assert rule(allowed) == []


@pytest.mark.slow
def test_a_thought_takes_few_files():
    # A process of its own has no caches that other tests have filled.
    command = [sys.executable, trace_thoughts.__file__, "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    counted = {name: found["counted"] for name, found in json.loads(done.stdout).items()}

    assert opens_few_files(counted) == []
    assert "cli/generate.py" in counted["generate"]
    assert "cli/evaluate.py" in counted["eval"]
    assert "cli/fetch_data.py" in counted["fetch-data"]
    texts = [(SOURCE / "sketchcli" / file).read_text("utf-8") for file in counted["step"]]
    assert any("class Trainer:" in text for text in texts)


@pytest.mark.parametrize("name", MOST_OPENED)
def test_a_thought_that_takes_too_many_files_is_found(name):
    assert opens_few_files(OPENED) == []
    assert opens_few_files(OPENED | {name: [*OPENED[name], "b.py"]})
    assert opens_few_files(OPENED | {name: []})


def test_the_rules_of_what_counts_are_those_of_their_examples():
    results = doctest.testmod(trace_thoughts)
    assert results.attempted >= 2
    assert results.failed == 0
