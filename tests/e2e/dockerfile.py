"""Read a Dockerfile, and take its steps in a folder where no container engine is at hand.

    python tests/e2e/dockerfile.py Dockerfile FOLDER

Every absolute path of the image lies below FOLDER instead, and the running Python takes the place
of the base image's. Steps for root alone (users and their folders) are told, and left out. In the
end the image's command is asked whether it can run.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGE_PATHS = ("/opt/sketch2img", "/source", "/data", "/pictures")
FOR_ROOT = ("useradd ", "apt-get ")


@dataclass(frozen=True)
class Instruction:
    """A line of a Dockerfile, its continuations included."""

    name: str
    value: str


def parse(text: str) -> list[Instruction]:
    """The instructions in their order, without comments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    words = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [Instruction(name, value) for name, value in words]


class Builder:
    """Takes the steps of a Dockerfile below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = folder
        own = str(Path(sys.executable).parent)
        self.variables = {"PATH": f"{own}:{os.environ['PATH']}", "HOME": os.environ["HOME"]}
        self.entry: list[str] = []

    def take(self, step: Instruction) -> None:
        """Do what an instruction says, as far as it can be done here."""
        print(f"{step.name} {step.value}", flush=True)
        name = f"take_{step.name.lower()}"
        getattr(self, name)(step.value)

    def here(self, text: str) -> str:
        """Text in which the image's paths lie below the folder."""
        paths = "|".join(IMAGE_PATHS)
        return re.sub(rf"(?<![\w/.])({paths})\b", rf"{self.folder}\1", text)

    def take_from(self, value: str) -> None:
        del value

    take_user = take_volume = take_cmd = take_from

    def take_arg(self, value: str) -> None:
        name, _, default = value.partition("=")
        self.variables.setdefault(name, os.environ.get(name, default.strip('"')))

    def take_env(self, value: str) -> None:
        for word in shlex.split(value):
            name, _, text = word.partition("=")
            self.variables[name] = self.here(text).replace("$PATH", self.variables["PATH"])

    def take_workdir(self, value: str) -> None:
        self.place = Path(self.here(value))
        self.place.mkdir(parents=True, exist_ok=True)

    def take_copy(self, value: str) -> None:
        if value.startswith("--from="):  # what an earlier stage left lies in the same folder
            return
        *sources, target = value.split()
        for source in sources:
            to = self.place / target / (source if target == "./" else "")
            to.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, to)

    def take_run(self, value: str) -> None:
        if value.startswith(FOR_ROOT):
            print("   (for root alone: left out)", flush=True)
            return
        self.run(["sh", "-c", self.here(value)])

    def take_entrypoint(self, value: str) -> None:
        self.entry = json.loads(value)

    def run(self, command: list[str]) -> None:
        """Run a command as the image would."""
        subprocess.run(command, cwd=self.place, env=self.variables, check=True)


def main() -> None:
    """Take all steps; then ask the image's command whether it can run."""
    file, folder = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
    builder = Builder(folder)
    for step in parse(file.read_text(encoding="utf-8")):
        builder.take(step)
    builder.run([*builder.entry, "doctor"])


if __name__ == "__main__":
    main()
