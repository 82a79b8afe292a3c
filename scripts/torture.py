#!/usr/bin/env python3
"""Mistreat sketch2img by the hour: it must do its work, or say in one line why it cannot.

Each kind of attempt goes on until its share of `--minutes` is over:

    kill    SIGKILL at a random moment; the same command must then give the same result
    signal  SIGINT, SIGTERM or SIGHUP, perhaps twice: the command ends soon, whole and quietly
    bytes   damage to a file that the program reads, then a command that reads it
    images  damaged image files, by the thousand (scripts/fuzz_images.py)
    disk    a disk that is full, a file that may not grow, standard output that takes nothing
    names   files, folders, datasets and runs with hostile names

The same seed makes the same choices, though not at the same times. One line is printed per finding,
then a table of all attempts:

    bytes 5: train: error: bug: KeyError: 'a' (run/state.safetensors, flip: train --resume run)

The exit code is 1 if there are findings. `--only bytes --number 17` repeats an attempt, and
`--keep FOLDER` keeps the world that it left. As root on Linux, `disk` mounts small file systems,
which nobody else sees; without that right, it limits the size of files.
"""

import argparse
import collections
import contextlib
import itertools
import json
import math
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

assert sys.platform == "linux", "torture_world looks up processes in /proc"  # noqa: S101

import fuzz_images  # noqa: E402
import torture_damage  # noqa: E402
import torture_names  # noqa: E402
from torture_world import LONG_VERBS, VERBS, Outcome, Verb, World, snapshot  # noqa: E402

SOON = 2.0  # seconds from a signal to the end
TRIES = 3  # that a late end is repeated: it is a finding if all are late, whatever else runs here
HANDLERS = 0.03  # seconds after which a fork handles signals
START = 0.3  # seconds after which a process of its own does
IMPORTS = 1.0  # seconds that a process of its own needs before it begins to work
REAL = 5  # one of so many interrupted commands is a process of its own, not a fork
CPU = 10.0  # seconds of processor time above those of the undisturbed command
MEMORY = 256 << 20  # bytes above those of the undisturbed command
DISK = 64 << 20  # bytes of a disk that is large enough
CACHES = {"torchinductor_root", ".ses"}  # of libraries, in the folder for temporary files
SHARES = {"images": 0.3, "signal": 1.5}  # of the time, where it is not 1
MOST_FOUND = 3  # problems of one attempt that are told

# What a command may say, and what it may not.
CODES = Path(__file__).parent.parent / "docs" / "reference" / "exit-codes.md"
DOCUMENTED = {int(code) for code in re.findall(r"^\| (\d+) \|", CODES.read_text(), re.MULTILINE)}
BUG, INTERRUPTED = 1, 130
ABORTED = re.compile(
    r"Traceback \(most recent|^error: bug: .*|^\w+: .*\b[A-Z]\w+(?:Error|Exception): .*"
    r"|terminate called|core dumped|Fatal Python error|Exception ignored|leaked \w+ objects",
    re.MULTILINE,
)
SAID_OTHERWISE = re.compile("^Usage: |^failed: ", re.MULTILINE)  # a wrong option; a failed file
CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


@dataclass
class Torture:
    """The world, and what has been counted so far."""

    world: World
    seed: int
    mounts: bool = False  # whether small disks can be mounted
    counts: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    verbs: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    ends: dict[str, list[float]] = field(default_factory=dict)  # seconds from signals to the end


@dataclass(frozen=True)
class Finding:
    """One thing that an attempt found."""

    kind: str
    number: int
    verb: str
    what: str

    def __str__(self) -> str:
        """Return the finding as one line."""
        what = "".join(c if c.isprintable() else repr(c)[1:-1] for c in self.what)
        return f"{self.kind} {self.number}: {self.verb}: {what[:300]}"


Attempt = Callable[[Torture, random.Random, int], Iterator[tuple[str, str]]]  # verb, what


# What is wrong with an outcome


def faults_of(
    outcome: Outcome, usual: Outcome | None = None, *, may_be_silent: bool = False
) -> Iterator[str]:
    """Yield what no command may do, whatever it is given."""
    if outcome.code is None:
        yield f"hangs, over {outcome.seconds:.0f} s"
        return
    aborted = ABORTED.search(outcome.stderr)
    if aborted is not None:
        yield f"{aborted[0]} ... {outcome.stderr.strip().rpartition(chr(10))[2]}"
    elif outcome.code not in DOCUMENTED - {BUG}:
        yield f"exit code {outcome.code}: {outcome.stderr.strip()[-200:]}"
    errors = [line for line in outcome.stderr.splitlines() if line.startswith("error:")]
    is_told = SAID_OTHERWISE.search(outcome.stderr) is not None
    is_told |= may_be_silent and outcome.code == INTERRUPTED and not errors
    if outcome.code not in {0, 7} and len(errors) != 1 and not is_told and not aborted:
        yield f"exit code {outcome.code} with {len(errors)} errors: {outcome.stderr.strip()[-200:]}"
    control = CONTROL.search(outcome.stdout + outcome.stderr)
    if control is not None:
        yield f"a raw {control[0]!r} in the output"
    if usual is not None and outcome.cpu > usual.cpu + CPU:
        yield f"{outcome.cpu:.0f} s of processor time"
    if usual is not None and outcome.taken > usual.taken + MEMORY:
        yield f"{outcome.taken >> 20} MB of memory"


def _repeated(torture: Torture, verb: Verb, seconds: float = 120) -> Iterator[str]:
    """Give the same command again, undisturbed: the result must be what it would have been."""
    outcome = torture.world.run([*verb.words, *verb.again.split()], seconds)
    for what in faults_of(outcome):
        yield f"again: {what}"
    if outcome.code == 0:
        yield from torture.world.expected(verb).differences(torture.world.out)
    elif outcome.code is not None:
        yield f"again: exit code {outcome.code}: {outcome.stderr.strip()[-300:]}"
    left = [path for path in torture.world.temporary.iterdir() if path.name not in CACHES]
    if left:
        yield f"left over in the folder for temporary files: {left[0].name}"
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _half_written(torture: Torture, verb: Verb) -> Iterator[str]:
    """Compare what an interrupted command has left; a run may be younger, all else is whole."""
    if not verb.name.startswith(("train", "eval")):
        expected = torture.world.expected(verb)
        found = snapshot(torture.world.out)
        whole = {name: hashed for name, hashed in found.items() if not re.search(r"(^|/)\.", name)}
        yield from (f"half-written: {name}" for name in expected.changed(whole))


# Kinds of attempts


def kill(torture: Torture, rng: random.Random, number: int) -> Iterator[tuple[str, str]]:
    """Kill a command at a random moment; later commands find nothing of it."""
    verb = VERBS[number % len(VERBS)]
    usual = torture.world.expected(verb)
    torture.world.refresh()
    running = torture.world.start(verb.words)
    running.wait(rng.uniform(0, usual.seconds * 1.1))
    running.send(signal.SIGKILL)
    running.outcome()
    left = running.left_running()
    if left:
        yield verb.name, f"{len(left)} processes left running"
    yield from ((verb.name, what) for what in _half_written(torture, verb))
    yield from ((verb.name, what) for what in _repeated(torture, verb))


@dataclass(frozen=True)
class Interruption:
    """When a command gets which signals, and how it runs."""

    moment: float  # seconds after its start
    first: signal.Signals
    second: signal.Signals | None  # is sent if the command still runs after the pause
    pause: float
    is_real: bool = False  # a process of its own, not a fork
    is_nohup: bool = False

    def __str__(self) -> str:
        """Return the description that a finding ends with."""
        second = f", then {self.second.name}" if self.second else ""
        how = (", real" if self.is_real else "") + (", nohup" if self.is_nohup else "")
        return f" ({self.first.name} after {self.moment:.2f} s{second}{how})"


def interrupt(torture: Torture, rng: random.Random, number: int) -> Iterator[tuple[str, str]]:
    """Send a signal at a random moment, perhaps another one after it."""
    verbs = VERBS if number % 2 else LONG_VERBS
    verb = verbs[number // 2 % len(verbs)]
    if verb.is_long:
        torture.world.add_long_work()
    is_real = rng.randrange(REAL) == 0
    usual = verb.length or torture.world.expected(verb).seconds * 1.1
    first = rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    how = Interruption(
        rng.uniform(START if is_real else HANDLERS, usual + IMPORTS * is_real),
        first,
        rng.choice([None, None, signal.SIGINT, signal.SIGTERM]),
        rng.uniform(0, 0.4),
        is_real,
        first == signal.SIGHUP and not verb.is_long and rng.randrange(3) == 0,
    )
    for what in interrupted(torture, verb, how):
        yield verb.name, what + str(how)
    if not verb.is_long:
        for what in [*_half_written(torture, verb), *_repeated(torture, verb)]:
            yield verb.name, what + str(how)


def interrupted(torture: Torture, verb: Verb, how: Interruption) -> Iterator[str]:
    """Interrupt a command; it ends soon, with the right exit code, and no process stays.

    A machine that does something else is late, too, so what is late is tried again: only what is
    late each time is a finding, and the quickest time counts.
    """
    late: list[float] = []
    while not late or (late[-1] > SOON and len(late) < TRIES and not how.is_nohup):
        torture.world.refresh()
        running = torture.world.start(verb.words, real=how.is_real, hangup_ignored=how.is_nohup)
        has_ended = running.wait(how.moment) is not None
        running.send(how.first)
        sent = time.monotonic()
        if how.second is not None and running.wait(how.pause) is None:
            running.send(how.second)
        outcome = running.outcome()
        late.append(time.monotonic() - sent)
        left = running.left_running()
    if left:
        yield f"{len(left)} processes left running"
    if how.is_nohup and how.second is None:
        if outcome.code:
            yield f"ended by SIGHUP under nohup, exit code {outcome.code}"
    elif not has_ended:
        torture.ends.setdefault(verb.name, []).append(min(late))
        if min(late) > SOON:
            yield f"ends {min(late):.1f} s after the signal"
        elif outcome.code not in {0, INTERRUPTED} and not _may_die_of(
            torture, verb, how, outcome.code
        ):
            yield f"exit code {outcome.code}: {outcome.stderr.strip()[-100:]}"
    if outcome.code is not None and outcome.code >= 0:
        yield from faults_of(outcome, may_be_silent=how.second is not None)


def _may_die_of(torture: Torture, verb: Verb, how: Interruption, code: int | None) -> bool:
    """Return whether a command may end by its signal: the second one, or one after its work."""
    is_done = not verb.is_long and not torture.world.expected(verb).differences(torture.world.out)
    return code in {-how.first if is_done else 0, -(how.second or 0)}


def damage(torture: Torture, rng: random.Random, number: int) -> Iterator[tuple[str, str]]:
    """Damage a file, then run a command that reads it."""
    file, *readers = torture_damage.READERS[number % len(torture_damage.READERS)]
    typed = readers[number // len(torture_damage.READERS) % len(readers)]
    verb = Verb(typed.split()[0], typed)
    torture.world.refresh()
    if not (torture.world.folder / file).exists():
        return
    usual = torture.world.usual(verb)
    torture.world.refresh()
    way = torture_damage.damage(torture.world.folder / file, rng)
    outcome = torture.world.run(verb.words)
    for what in faults_of(outcome, usual):
        yield verb.name, f"{what} ({file}, {way}: {typed})"
    if outcome.code:
        for path in torture.world.out.rglob("*"):
            if path.is_file() and path.name.startswith(".") and not path.name.endswith(".lock"):
                yield verb.name, f"left over after an error: {path.name} ({file}, {way}: {typed})"


def disk(torture: Torture, rng: random.Random, number: int) -> Iterator[tuple[str, str]]:
    """Give a command too little room, then enough."""
    verb = VERBS[number % len(VERBS)]
    expected = torture.world.expected(verb)
    torture.world.refresh()
    room = rng.randrange(int(expected.size * rng.choice([0.1, 0.5, 1.2]))) // 4096 * 4096
    way = rng.choice(["disk", "disk", "file", "stdout"] if torture.mounts else ["file", "stdout"])
    if way == "disk":
        _mount(torture.world.out, "size", max(4096, room))
    try:
        if way == "stdout":
            words = rng.choice([verb.words, verb.words, ["models", "--json"]])
            outcome = torture.world.run(words, 60, stdout="/dev/full")
        else:
            size = max(4096, room) if way == "file" else resource.RLIM_INFINITY
            outcome = torture.world.run(verb.words, 60, file_size=size)
        what = f" ({way}, {room >> 10} KB)"
        for fault in faults_of(outcome):
            yield verb.name, fault + what
        if outcome.code not in {None, 0, 3, 7}:
            yield verb.name, f"exit code {outcome.code}: {outcome.stderr.strip()[-200:]}{what}"
        yield from ((verb.name, fault + what) for fault in _half_written(torture, verb))
        if way == "disk":
            _mount(torture.world.out, "remount,size", DISK)
        yield from ((verb.name, fault + what) for fault in _repeated(torture, verb))
    finally:
        if way == "disk":
            subprocess.run(["umount", "--lazy", torture.world.out], check=True)  # noqa: S607


def _mount(folder: Path, option: str, size: int) -> None:
    command = ["mount", "-t", "tmpfs", "-o", f"{option}={size}", "torture", str(folder)]
    subprocess.run(command, check=True)


def name(torture: Torture, rng: random.Random, number: int) -> Iterator[tuple[str, str]]:
    """Use a hostile name in a command, and look for it in what the command wrote."""
    typed = rng.choice([torture_names.WITH_FILES, torture_names.WITH_TEXTS][number % 2])
    more = torture_names.TEXTS if number % 2 else ()
    given = rng.choice([*torture_names.NAMES, *more])
    torture.world.refresh()
    words, made = [word.replace("{}", given) for word in typed.split(" ")], 0
    try:
        while words[made].startswith(("cp=", "mv=", "txt=", "json=")):
            torture_names.prepare(torture.world.folder, words[made])
            made += 1
    except OSError:
        return
    what = f" ({typed} with {given[:40]!r})"
    outcome = torture.world.run(words[made:])
    verb = words[made] if words[made] != given else "(no verb)"
    # Another program gets the names of photos as they are; only a terminal gets them escaped.
    is_photos = verb == "generate" and "--json" not in words
    for fault in faults_of(replace(outcome, stdout="") if is_photos else outcome):
        yield verb, fault + what
    if "--json" in words and outcome.code is not None:
        try:
            json.loads(outcome.stdout)
        except ValueError as error:
            yield verb, f"no JSON: {error}{what}"
    for folder in ("out", "home/prepared"):
        for fault in torture_names.live_markup(torture.world.folder / folder):
            yield verb, fault + what


KINDS: dict[str, Attempt] = {
    "kill": kill,
    "signal": interrupt,
    "bytes": damage,
    "disk": disk,
    "names": name,
}


# The whole


def attempts(
    torture: Torture, kind: str, numbers: Iterable[int], minutes: float = math.inf
) -> Iterator[Finding]:
    """Yield the findings of the attempts with these numbers, as many as time allows."""
    end = time.monotonic() + 60 * minutes
    for number in numbers:
        if time.monotonic() > end:
            return
        rng = random.Random(f"{torture.seed} {kind} {number}")  # noqa: S311 - no secret
        found = [Finding(kind, number, *what) for what in KINDS[kind](torture, rng, number)]
        torture.counts[kind, "attempts"] += 1
        torture.counts[kind, "findings"] += bool(found)
        torture.verbs[kind, torture.world.verb] += 1
        yield from found[:MOST_FOUND]


def images(torture: Torture, minutes: float) -> Iterator[Finding]:
    """Yield the findings among damaged image files."""

    def counted(_format: str, outcome: str) -> None:
        torture.counts["images", "attempts"] += " " not in outcome
        torture.counts["images", "findings"] += outcome == "finding"

    for found in fuzz_images.fuzz(torture.seed, 1 << 30, minutes, counted):
        yield Finding("images", found.number, found.format, f"{found.kind}: {found.what}")


def own_mounts() -> None:
    """Start again in a mount namespace of its own, if the system allows it."""
    if os.environ.get("TORTURE_MOUNTS") or os.geteuid() or not shutil.which("unshare"):
        return
    os.environ["TORTURE_MOUNTS"] = str(
        subprocess.run(["unshare", "--mount", "true"], check=False).returncode  # noqa: S607
    )
    if os.environ["TORTURE_MOUNTS"] == "0":
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])  # noqa: S606, S607


def summary(torture: Torture) -> Iterator[str]:
    """Yield the lines of the table, and the slowest end after a signal."""
    yield f"{'kind':8} {'attempts':>8} {'with findings':>13}  verbs"
    for kind in dict.fromkeys(kind for kind, _ in torture.counts):
        made, found = (torture.counts[kind, what] for what in ("attempts", "findings"))
        known = sorted((verb, count) for (of, verb), count in torture.verbs.items() if of == kind)
        verbs = ", ".join(f"{verb} {count}" for verb, count in known)
        yield f"{kind:8} {made:8,} {found:13,}  {verbs}".rstrip()
    signals = sorted((max(late), verb) for verb, late in torture.ends.items())
    if signals:
        number = sum(map(len, torture.ends.values()))
        yield f"seconds from a signal to the end, the slowest of {number} for each command:"
        yield ", ".join(f"{verb} {seconds:.2f}" for seconds, verb in reversed(signals))


def main() -> int:
    """Print the findings, then a table of the attempts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=20, help="of all kinds together")
    parser.add_argument("--only", action="append", choices=[*KINDS, "images"], help="repeatable")
    parser.add_argument("--number", type=int, help="repeat only this attempt")
    parser.add_argument("--keep", type=Path, help="folder for the worlds of the findings")
    given = parser.parse_args()
    # Under nohup or in the background of a shell, processes would inherit signals that are ignored.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    own_mounts()
    kinds = given.only or [*KINDS, "images"]
    share = given.minutes / sum(SHARES.get(kind, 1.0) for kind in kinds)
    with tempfile.TemporaryDirectory(prefix="torture-") as root:
        mounts = os.environ.get("TORTURE_MOUNTS") == "0"
        torture = Torture(World(Path(root)), given.seed, mounts=mounts)
        for kind in kinds:
            minutes = share * SHARES.get(kind, 1.0)
            if kind == "images":
                found = images(torture, minutes)
            else:
                numbers = itertools.count() if given.number is None else [given.number]
                found = attempts(torture, kind, numbers, minutes)
            for finding in found:
                print(finding, flush=True)
                if given.keep:
                    kept = given.keep / f"{finding.kind}-{finding.number}"
                    with contextlib.suppress(shutil.Error):  # pipes cannot be copied
                        shutil.copytree(
                            torture.world.folder, kept, symlinks=True, dirs_exist_ok=True
                        )
    print("\n".join(summary(torture)))
    return 1 if any(torture.counts[kind, "findings"] for kind in kinds) else 0


if __name__ == "__main__":
    sys.exit(main())
