"""What the docs' pages tell a reader to write and to type, taken out of them to be done."""

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = sorted(ROOT.glob("docs/**/*.md"))
# A fence; before it perhaps the name of the file that it is, or why it is not run.
_FENCE = re.compile(
    r"(?:[^\n]*`([\w./-]+)`:\n\n|<!-- not run: (.+?) -->\n)?^```(\w*)\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_IN_A_LINE = re.compile(r"`(sketch2img [^`]+)`")
_INDENTED = re.compile(r"^ {4,}(sketch2img .+)", re.MULTILINE)
_FENCED = re.compile(r"^ *(sketch2img .+)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced piece of code on a page.

    Args:
        language: As its fence says.
        text: What is in it.
        file: The file that it is the content of; empty for commands.
        not_run: Why no test can run it; empty for all others.
    """

    language: str
    text: str
    file: str = ""
    not_run: str = ""

    @property
    def is_to_be_run(self) -> bool:
        return self.language == "sh" and not self.not_run


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [
        Block(language, text, "" if language == "sh" else file, reason)
        for file, reason, language, text in found
    ]


def outside_fences(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def command_lines(page: Path) -> list[str]:
    """Every call of `sketch2img` on a page, wherever it is shown."""
    scripts = "".join(block.text for block in blocks(page) if block.language == "sh")
    text = outside_fences(page)
    found = [" ".join(code.split()) for code in _IN_A_LINE.findall(text)]
    return found + _INDENTED.findall(_joined(text)) + _FENCED.findall(_joined(scripts))


def lines_to_run(block: Block) -> list[str]:
    """What is typed one after the other; a loop over several lines is typed at once."""
    text = _joined(block.text)
    if re.search(r"^ +", text, re.MULTILINE):
        return [text]
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def arguments(line: str) -> list[str]:
    """Of a call of `sketch2img`, as a shell would hand them over."""
    return shlex.split(line, comments=True)[1:]


def shell(text: str, folder: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in bash, with the programs in a folder before all others."""
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def _joined(text: str) -> str:
    """With lines that a backslash continues in one."""
    return re.sub(r"\\\n\s*", "", text)
