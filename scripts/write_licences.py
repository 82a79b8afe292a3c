"""Write the list of the packages that an installation brings, with their licences: `make docs`.

It follows the requirements of the installed package without extras, as pip does. The versions are
those of constraints.txt; a test compares only names and licences.
"""

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "licences.md"
HEAD = """# Licences

sketch2img is under the [MIT licence](https://opensource.org/license/mit). So is the \
bundled model, which was trained
only on works in the public domain. Neither contains code by others.

An installation also brings the packages below. They were found by following the \
requirements on Linux with a CPU
build of torch. A CUDA build adds NVIDIA's libraries, which are under NVIDIA's own \
licences. Each package's wheel
contains the text of its licence and the licences of what it bundles (`opencv-python`, \
for example, bundles FFmpeg
under the LGPL).

Datasets and networks that `fetch-data` downloads have licences of their own. `fetch-data --list` \
shows them, and they
are stored with the files. A trained model carries the licence of its dataset.

| package | version | licence | needed by |
|---|---|---|---|
"""
OF_CUDA = ("nvidia-", "cuda-", "triton")  # packages that only a CUDA build of torch adds (see HEAD)
LONGEST = 60  # characters of a licence's name; some packages give the whole text


def closure(root: str = "sketch2img") -> dict[str, set[str]]:
    """Return every package that the root requires, by canonical name, with those that need it."""
    found: dict[str, set[str]] = {}
    todo = [(root, requirement) for requirement in requirements(root)]
    while todo:
        asking, name = todo.pop()
        if name not in found:
            todo += [(name, requirement) for requirement in requirements(name)]
        found.setdefault(name, set()).add(asking)
    return dict(sorted(found.items()))


def requirements(name: str) -> list[str]:
    """Return the names of what a package requires on this machine, without its extras."""
    try:
        declared = [Requirement(text) for text in metadata.requires(name) or ()]
    except metadata.PackageNotFoundError:
        return []
    needed = [each for each in declared if not each.marker or each.marker.evaluate({"extra": ""})]
    names = [canonicalize_name(each.name) for each in needed]
    return [each for each in names if not each.startswith(OF_CUDA)]


def licence(name: str) -> str:
    """Return a package's licence: its SPDX expression, else its classifier, else its own text."""
    about = metadata.metadata(name)
    if about["License-Expression"]:
        return str(about["License-Expression"])
    classifiers = about.get_all("Classifier") or []
    named = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License :: ")]
    stated = re.sub(r"\s+", " ", str(about["License"] or "")).strip()
    if named and named != ["OSI Approved"]:
        return ", ".join(named)
    return stated[:LONGEST] or "not stated"


def page() -> str:
    """Return the whole page."""
    rows = []
    for name, asking in closure().items():
        try:
            version, terms = metadata.version(name).partition("+")[0], licence(name)
        except metadata.PackageNotFoundError:
            continue  # required only on other systems
        rows.append(f"| {name} | {version} | {terms} | {', '.join(sorted(asking))} |\n")
    return HEAD + "".join(rows)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
