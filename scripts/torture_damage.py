"""Damage to every kind of file that sketch2img reads, and the commands that read each."""

import gzip
import io
import json
import os
import random
import re
import struct
import sys
import zipfile
from pathlib import Path

assert sys.platform == "linux", "torture_world looks up processes in /proc"  # noqa: S101

import fuzz_images  # noqa: E402
from torture_world import SKETCHES, TINY_NETWORK  # noqa: E402

YUNET = "home/assets/yunet/face_detection_yunet_2023mar_int8bq.onnx"
SET = "home/prepared/set"
PHOTOS = "home/raw/demo/photos"
PREPROCESS = "preprocess demo --size 32 --test 0.3 --out out/set --workers 1"
GENERATE = f"generate {SKETCHES} out/photos --model run"
EVAL = "eval --model run --data set --out out/report --metric ssim"
RESUME = "train --resume run --set epochs=3"
TRAIN = "train set --config tiny.toml --run-dir out/run"
IMPORT = f"out/tiny.safetensors {TINY_NETWORK}"

# A file of the world, then the commands that read it.
READERS = (
    (f"{SKETCHES}/00000.png", GENERATE, PREPROCESS, f"generate {SKETCHES}/00000.png out/a.png"),
    (f"{PHOTOS}/00000.png", PREPROCESS, f"eval {PHOTOS} {SKETCHES} --out out/report --metric ssim"),
    ("run/weights.safetensors", GENERATE, EVAL, "export run out/a.onnx", "models", RESUME),
    ("run/weights.safetensors", f"{TRAIN} --init-from run", "models --json"),
    (
        "run/best.safetensors",
        f"generate {SKETCHES} out/p --model run/best.safetensors",
        EVAL,
        RESUME,
    ),
    ("run/state.safetensors", RESUME, EVAL, "train set --config tiny.toml --run-dir run"),
    ("run/log.jsonl", RESUME, EVAL, "models", GENERATE),
    ("run/config.toml", RESUME, EVAL, "models", GENERATE),
    ("run/result.json", RESUME, EVAL, "models --finished", GENERATE),
    (f"{SET}/dataset.json", TRAIN, EVAL, RESUME, f"{TRAIN} --dry-run"),
    (f"{SET}/train-sketches.npy", TRAIN, EVAL, RESUME),
    (f"{SET}/train-photos.npy", TRAIN, EVAL, RESUME),
    (f"{SET}/test-photos.npy", EVAL),
    ("home/raw/demo/source.json", PREPROCESS, "fetch-data --list"),
    ("home/raw/demo/manifest.sha256", PREPROCESS),
    ("pairs.csv", "preprocess --manifest pairs.csv --size 32 --out out/set --workers 1"),
    ("list.txt", "generate --list list.txt out/photos --model run"),
    ("tiny.toml", TRAIN, f"{TRAIN} --dry-run"),
    ("settings.json", "train set --config settings.json --dry-run"),
    ("tiny.pth", f"import-weights tiny.pth {IMPORT}"),
    ("legacy.pth", f"import-weights legacy.pth {IMPORT}"),
    ("photos.zip", "fetch-data folder --from photos.zip --name a --licence MIT"),
    ("photos.tar", "fetch-data folder --from photos.tar --name a --licence MIT"),
    ("photos.tar.gz", "fetch-data folder --from photos.tar.gz --name a --licence MIT"),
    # Only if the networks are there.
    (YUNET, f"{GENERATE} --align face"),
    ("home/assets/lpips-alex/alexnet.ckpt", f"{EVAL} --metric lpips-alex"),
)
_VALUE = re.compile(rb'-?\d+(?:\.\d+)?(?:e-?\d+)?|"[^"\n]*"|true|false|null|[{}\[\],:=\n]')
_STRANGE = (
    b"null", b"[]", b"{}", b"-1", b"0", b"1e999", b"9" * 20, b"NaN", b'"\\u001b[31m"', b'"../../x"',
    b"true", b'"x"', b"[[[1]]]", b"5\n", b"\x00", b"\xff", b"", b"0.5", b'"' + b"x" * 70000 + b'"',
)  # fmt: skip
_TEXTS = {".json", ".jsonl", ".toml", ".csv", ".txt", ".sha256"}


def damage(path: Path, rng: random.Random) -> str:
    """Damage a file, and return the name of the way."""
    if rng.randrange(12) == 0:
        return _replace(path, rng)
    data = bytearray(path.read_bytes())
    ways = [_flip, _cut, _empty, _insert, _huge, _double]
    if path.suffix in _TEXTS:
        ways += [_value] * 8
    elif path.suffix == ".safetensors":
        ways += [_header] * 8
    elif path.suffix == ".npy":
        ways += [_start] * 6
    elif path.suffix in {".pth", ".zip"} and data[:2] == b"PK":
        ways += [_member] * 8
    elif path.suffix == ".gz":
        ways += [_unpacked] * 8
    elif path.suffix == ".png":
        ways += [_image] * 8
    else:
        ways += [_start] * 4
    way = rng.choice(ways)
    path.write_bytes(way(data, rng))
    return way.__name__[1:]


def _replace(path: Path, rng: random.Random) -> str:
    """Put something in the file's place that is no regular file, or no file at all."""
    path.unlink()
    ways = ["zeros", "folder", "loop", "dangling", "missing", "socket"]
    if path.name != "list.txt":  # a list may come through a pipe, for which `generate` waits
        ways.append("fifo")
    way = rng.choice(ways)
    if way == "fifo":
        os.mkfifo(path)
    elif way == "folder":
        path.mkdir()
    elif way == "socket":
        path.symlink_to("/proc/self/mem")
    elif way != "missing":
        path.symlink_to({"zeros": "/dev/zero", "loop": path.name, "dangling": "nowhere"}[way])
    return way


def _flip(data: bytearray, rng: random.Random) -> bytes | bytearray:
    for _ in range(rng.choice([1, 1, 2, 8, 40])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return data


def _cut(data: bytearray, rng: random.Random) -> bytes | bytearray:
    return data[: rng.randrange(len(data))]


def _empty(_data: bytearray, _rng: random.Random) -> bytes:
    return b""


def _insert(data: bytearray, rng: random.Random) -> bytes | bytearray:
    place = rng.randrange(len(data))
    return data[:place] + rng.randbytes(rng.choice([1, 4, 100])) + data[place:]


def _huge(data: bytearray, rng: random.Random) -> bytes | bytearray:
    """Replace a number in the first bytes that may be a length or a count."""
    form = rng.choice([">I", "<I", ">H", "<H", "<Q", ">Q"])
    most = (1 << 8 * struct.calcsize(form)) - 1
    place = rng.randrange(max(1, min(len(data) - 8, 300)))
    number = rng.choice([0, 1, most, most // 2, rng.randrange(most)])
    data[place : place + struct.calcsize(form)] = struct.pack(form, number)
    return data


def _double(data: bytearray, rng: random.Random) -> bytes | bytearray:
    """Repeat a part, as a broken copy does."""
    start = rng.randrange(len(data))
    return data[: rng.randrange(len(data))] + data[start:]


def _start(data: bytearray, rng: random.Random) -> bytes:
    """Change a value or a byte in the first bytes, where what follows is announced."""
    head, rest = bytearray(data[:160]), data[160:]
    way = rng.choice([_value, _flip])
    return bytes(way(head, rng)) + bytes(rest)


def _value(data: bytearray, rng: random.Random) -> bytes:
    """Replace values of a text by values of other types and sizes."""
    text = bytes(data)
    for _ in range(rng.choice([1, 1, 1, 3])):
        found = list(_VALUE.finditer(text))
        if found:
            match = rng.choice(found)
            text = text[: match.start()] + rng.choice(_STRANGE) + text[match.end() :]
    return text


def _header(data: bytearray, rng: random.Random) -> bytes:
    """Change the JSON header of a safetensors file, and announce its new length."""
    length = struct.unpack_from("<Q", data)[0]
    header = data[8 : 8 + length]
    if rng.randrange(2):
        changed = _value(header, rng)
    else:  # the settings are JSON in a string
        found = json.loads(header)
        key = rng.choice(list(found.get("__metadata__", {"": ""})))
        inner = bytearray(found.get("__metadata__", {}).get(key, "x").encode() or b"x")
        found["__metadata__"] = {key: bytes(_value(inner, rng)).decode(errors="replace")}
        changed = json.dumps(found).encode()
    return struct.pack("<Q", len(changed)) + changed + data[8 + length :]


def _member(data: bytearray, rng: random.Random) -> bytes:
    """Damage one member of a zip, whose check sum is right nevertheless."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        members = [member for member in old.infolist() if not member.is_dir()]
        pickled = [member for member in members if member.filename.endswith("data.pkl")]
        chosen = rng.choice(pickled or members)
        for member in members:
            content = old.read(member)
            if member is chosen and content:
                way = rng.choice([_flip, _cut, _empty, _insert, _huge])
                content = bytes(way(bytearray(content), rng))
            name = member.filename if rng.randrange(20) else "../" + member.filename
            new.writestr(zipfile.ZipInfo(name), content)  # without the time of today
    return made.getvalue()


def _unpacked(data: bytearray, rng: random.Random) -> bytes:
    """Damage what a gzip file contains."""
    way = rng.choice([_flip, _cut, _insert, _huge])
    return gzip.compress(way(bytearray(gzip.decompress(data)), rng))


def _image(_data: bytearray, rng: random.Random) -> bytes:
    """Return a damaged image of any format."""
    file = rng.choice(rng.choice(list(fuzz_images.valid_files().values())))
    return bytes(rng.choice(fuzz_images.MUTATIONS)(bytearray(file), rng))
