"""Hostile names, the commands of sketch2img that meet them, and what they must not become."""

import csv
import html.parser
import itertools
import json
import re
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

assert sys.platform == "linux", "torture_world looks up processes in /proc"  # noqa: S101

from torture_world import SKETCHES, TINY_NETWORK  # noqa: E402

MARK = "torture"  # in every hostile name
NAMES = (
    "a torture", "torture'quote\"", "torture\nnext line", "torture\x1b[31mred\x1b[0m", "torture\r",
    "torture\u202egnp.exe", "-torture", "--torture", "[red]torture[/red]", "torture %s {0} %(x)s",
    "#torture", "torture*?[a]", b"torture-\xff\xfe".decode(errors="surrogateescape"),
    "torture" + "x" * 240, "CON", "torture😀🎨", "torturee\u0301\u0302", "=torture", "+torture",
    "@torture", "<torture onload=torture>", "\"><torture x='", "torture](javascript:torture)",
    "torture\x7f", "`torture` $(torture)", "torture|a|b", "~torture", "torture\u2028line",
    "{{torture}}", "&lt;torture&gt;", ".torture", "torture.", "torture\\..", "torture\x9b31m",
    "![torture](javascript:torture)", "torture\x07", "\ttorture", "00000", "torture=x,y",
)  # fmt: skip
TEXTS = (  # no file can have these names
    "</script><torture>", "--></style><torture>", "torture/../..", "../torture", "",
    "torture" * 9000, "javascript:torture",
)  # fmt: skip

# What is made first, then the command; {} becomes the name.
PAIR = "mv=sketches/00000.png=sketches/{}.png mv=photos/00000.png=photos/{}.png"
MISNAMED = "cp=home/raw/demo=in/demo mv=sketches/00000.png=sketches/{}.png"
ONE = f"{SKETCHES}/00000.png"
TRAIN = "train set --config tiny.toml --run-dir out/run"
EVAL = "eval --model run --data set --out out/report --metric ssim"
EXPORT = "export run out/a.onnx"
PREPROCESS = "preprocess demo --size 32 --out out/set"
WITH_FILES = (  # names of files
    f"cp={ONE}=in/{{}}.png generate in/{{}}.png out/{{}}.png --model run",
    f"cp={SKETCHES}=in/{{}} generate in out --model run --grid out/g.png --manifest out/m.csv",
    f"cp={ONE}=in/{{}}.png generate in out --model run --manifest out/m.csv --jsonl",
    f"cp={ONE}=in/{{}}.png generate in out --model run --json",
    "txt=in/{}.png generate in out --model run",
    "txt=in/{} generate in out --model run --json",
    "cp=home/raw/demo=in/{} preprocess in/{} --size 32 --out out/set",
    f"cp=home/raw/demo=in/demo {PAIR} preprocess in/demo --size 32 --out out/set",
    f"{MISNAMED} preprocess in/demo --size 32 --out out/{{}}",
    "cp=home/prepared/set=out/{} train out/{} --config tiny.toml --run-dir out/run",
    "cp=home/prepared/set=home/prepared/{} eval --model run --out out/report --metric ssim",
    "train set --config tiny.toml --run-dir out/{}",
    "cp=run=home/runs/{} models",
    "cp=run=home/runs/{} models --json",
    f"cp=run=home/runs/{{}} generate {ONE} out/a.png --model {{}}",
    "cp=run=home/runs/{} train --resume {} --set epochs=3",
    f"cp=home/raw/demo=in/demo {PAIR} eval in/demo/photos in/demo/sketches --out out/report",
    f"cp={SKETCHES}=in/{{}} eval home/raw/demo/photos in/{{}} --out out/{{}} --metric ssim",
    "cp=run=out/{} eval --model out/{} --data set --out out/report --metric ssim",
    "export run out/{}.onnx",
    f"import-weights tiny.pth out/{{}}.safetensors {TINY_NETWORK}",
    f"cp=tiny.pth=in/{{}}.pth import-weights in/{{}}.pth out/a.safetensors {TINY_NETWORK}",
    "cp=home/raw/demo=in/{} fetch-data folder --from in/{} --name a --licence MIT",
    "cp=photos.zip=in/{}.zip fetch-data folder --from in/{}.zip --name a --licence MIT",
    "cp=home/raw/demo=home/raw/{} fetch-data --list",
)
WITH_TEXTS = (
    *(
        f"json=home/raw/demo/source.json={key}={{}} {PREPROCESS}"
        for key in ("name", "licence", "notice", "citation")
    ),
    *(
        f"json=home/prepared/set/dataset.json={key}={{}} {verb}"
        for key in ("name", "licence", "notice", "citation", "command", "pairs.0.id")
        for verb in (TRAIN, EVAL)
    ),
    *(
        f"json=run/weights.safetensors={key}={{}} {verb}"
        for key in ("dataset.name", "dataset.licence", "dataset", "config.preset")
        for verb in (EVAL, "models", f"generate {ONE} out/a.png --model run", EXPORT)
    ),
    "json=run/result.json=dataset={} models",
    f"{PREPROCESS} --style {{}}",
    "preprocess demo --size 32 --name {}",
    f"import-weights tiny.pth out/a.safetensors {TINY_NETWORK} --licence {{}}",
    "fetch-data folder --from home/raw/demo/photos --name a --licence {}",
    "fetch-data folder --from home/raw/demo/photos --name {} --licence MIT",
    "fetch-data {}", "fetch-data demo --name {} --count 2 --size 16", "preprocess {}",
    "train {}", "train set --config {}", "train set --set {}=1", "train set --preset {}",
    "train --resume {}", "generate {} out/a.png", f"generate {ONE} {{}} --model run",
    "generate --list {} out", f"generate {ONE} out/a.png --model {{}}", "{}",
    "generate home out --include {} --model run", "eval --model {}", "eval --metric {}",
    "eval {} {}", "export {} out/a.onnx", "import-weights {} out/a.safetensors",
    "generate --{} out/a.png", "generate home out/{} --suffix {} --model run",
)  # fmt: skip


def prepare(folder: Path, word: str) -> None:
    """Make what a command with a hostile name needs: copy, move (in in/demo), write or edit.

    Raises:
        OSError: No file can have this name.
    """
    how, first, *more = word.split("=", 3 if word.startswith("json=") else 2)
    if how == "mv":
        (folder / "in/demo" / first).rename(folder / "in/demo" / more[0])
    elif how == "json":
        _edit(folder / first, more[0].split("."), more[1])
    else:
        target = folder / (more[0] if more else first)
        target.parent.mkdir(parents=True, exist_ok=True)
        if how == "txt":
            target.write_text("no image")
        elif (folder / first).is_dir():
            shutil.copytree(folder / first, target)
        else:
            shutil.copy(folder / first, target)


def _edit(path: Path, keys: list[str], text: str) -> None:
    """Write a text into a JSON file, or into the header of weights."""
    data = path.read_bytes()
    if path.suffix == ".json":
        path.write_text(json.dumps(_changed(json.loads(data), keys, text)))
        return
    length = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8 : 8 + length])
    settings = header["__metadata__"]
    settings["sketch2img"] = json.dumps(_changed(json.loads(settings["sketch2img"]), keys, text))
    changed = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(changed)) + changed + data[8 + length :])


def _changed(found: object, keys: list[str], text: str) -> object:
    """Return JSON with a text at a place."""
    if not keys:
        return text
    if isinstance(found, list):
        return [_changed(found[0], keys[1:], text), *found[1:]]
    known = found if isinstance(found, dict) else {}
    return {**known, keys[0]: _changed(known.get(keys[0]), keys[1:], text)}


class _Page(html.parser.HTMLParser):
    """A page in which elements and attributes of a hostile name are looked for."""

    def __init__(self) -> None:
        super().__init__()
        self.live: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that a name has made, and an address that runs a script."""
        if tag.startswith(MARK) or any(key.startswith(MARK) for key, _ in attrs):
            self.live.append(f"<{tag}>")
        if any((value or "").strip().lower().startswith("javascript:") for _, value in attrs):
            self.live.append(f"<{tag}> with javascript:")


def live_markup(folder: Path) -> Iterator[str]:
    """Yield where a hostile name became markup, a link or a formula in what a command wrote."""
    for path in sorted(folder.rglob("*")):
        if path.suffix not in {".html", ".md", ".csv"} or not path.is_file():
            continue
        text = path.read_bytes().decode(errors="replace")
        if path.suffix == ".csv":
            cells = itertools.chain.from_iterable(csv.reader(text.splitlines()))
            found = [cell for cell in cells if re.match(rf"[=+@\t\r-].*{MARK}", cell)]
        else:
            page = _Page()
            page.feed(text)
            found = page.live
        if path.suffix == ".md":
            outside_code = re.sub(r"`[^`\n]*`", "", text)
            found += re.findall(r"(?<!\\)\]\(javascript:", outside_code)
        if found:
            yield f"live in {path.name[-40:]}: {found[0][:60]!r}"
