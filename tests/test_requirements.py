"""The packages that the program leans on, and how: what a later version of one may break."""

import ast
import functools
import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = {"opencv-python": "cv2", "pillow": "PIL"}  # where a package is imported by another name
# Large, unmaintained, under another licence, or known to break what stands beside them.
NEVER = {"torchvision", "torch_fidelity", "albumentations", "click", "pooch", "skimage"}


def modules_of(lines):
    names = [Requirement(line).name for line in lines]
    return {MODULES.get(name, name.replace("-", "_")) for name in names}


@functools.cache
def trees():
    paths = sorted((ROOT / "src").rglob("*.py"))
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def imported(tree):
    """Dotted names of what is imported from other packages, by statements and by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and name_of(node.func) == "import_module":
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value)


def name_of(function):
    """The last part of a called function's name."""
    return getattr(function, "attr", getattr(function, "id", ""))


@functools.cache
def of_others(tree):
    ours = sys.stdlib_module_names | {"sketchcli", "__future__"}
    return {name for name in imported(tree) if name.partition(".")[0] not in ours}


def private_parts(tree):
    """What is taken out of another package though its name says that it may change."""
    foreign = {name.partition(".")[0] for name in of_others(tree)}
    for name in of_others(tree):
        if re.search(r"\._(?!_)", f".{name}"):
            yield name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match(r"_(?!_)", node.attr):
            start = ast.unparse(node.value).partition(".")[0]
            if start in foreign | {"np", "nn", "dist"}:
                yield ast.unparse(node)


def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    found = {name.partition(".")[0] for _, tree in trees() for name in of_others(tree)}
    declared = modules_of(PROJECT["dependencies"])
    extras = set().union(*map(modules_of, PROJECT["optional-dependencies"].values()))
    assert declared <= found
    assert found <= declared | extras
    assert not found & NEVER


def test_nothing_private_of_another_package_is_used():
    found = {str(path): list(private_parts(tree)) for path, tree in trees()}
    assert {path: names for path, names in found.items() if names} == {}


def test_a_planted_private_part_is_found():
    for code in ("from torch._C import x", "import torch\ntorch._C.f()", "import typer._click"):
        assert list(private_parts(ast.parse(code)))
    for code in ("import torch\ntorch.__version__", "self._x", "from sketchcli.metrics import _a"):
        assert not list(private_parts(ast.parse(code)))
