#!/usr/bin/env python3
"""Read damaged image files by the thousand: each must give an image or an error of this program.

Every format has a few valid files; each mutation flips bytes of one, cuts it, changes a length or
the size that it announces, or joins it to another file. The same seed gives the same files. A
second process reads them, so that a crash or a hang is found too. One line is printed per finding:

    PNG 17: traceback: ZeroDivisionError: division by zero

The exit code is 1 if there are findings. `--keep FOLDER` writes the files that led to them.
"""

import argparse
import collections
import io
import multiprocessing
import os
import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

assert sys.platform != "win32", "memory is measured as POSIX systems tell it"  # noqa: S101
import resource  # noqa: E402

COUNT = 400  # mutations per format
SLOW = 2.0  # seconds of CPU time from which on reading a file is a finding
HANG = 60.0  # seconds after which the reading process is ended
BYTES_PER_PIXEL = 12  # of the announced size
CONSTANT = 64 << 20  # bytes that any file may take
SIZE = (61, 43)  # width and height of the valid files; no other number in a file is likely equal


@dataclass(frozen=True)
class Finding:
    """A file that was read neither to an image nor to an error of this program."""

    format: str
    number: int
    kind: str  # traceback, crash, hang, slow or memory
    what: str
    data: bytes

    def __str__(self) -> str:
        """Return the finding as one line."""
        return f"{self.format} {self.number}: {self.kind}: {self.what}"


@dataclass(frozen=True)
class Reading:
    """How a file was read: the size of the image or a message, and what was wrong, if anything."""

    outcome: str  # image, error or finding
    kind: str = ""
    what: str = ""
    peak: int = 0  # bytes of memory that the process has taken so far
    stderr: str = ""  # what a library wrote there


# Valid files


def _picture(mode: str) -> Image.Image:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    noise = np.random.default_rng(0).integers(0, 9, (SIZE[1], SIZE[0], 4))
    pixels = np.stack([x * 3, y * 5, 220 - 2 * x - y, x + y], axis=2) + noise
    if mode == "I;16":
        return Image.fromarray((pixels[:, :, 0] * 257).astype(np.uint16))
    colours = Image.fromarray(pixels.astype(np.uint8))
    return colours.quantize(32) if mode == "P" else colours.convert(mode)


def _saved(format_: str, mode: str, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's
    stream = io.BytesIO()
    _picture(mode).save(stream, format_, **options)
    return stream.getvalue()


@cache
def valid_files() -> dict[str, tuple[bytes, ...]]:
    """Return some valid files of every format that Pillow can write here."""
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rich: dict[str, object] = {"exif": exif, "icc_profile": profile}
    pages: dict[str, object] = {"save_all": True, "append_images": [_picture("RGB")] * 2}
    found: dict[str, list[tuple[str, dict[str, object]]]] = {
        "PNG": [("RGBA", rich), ("P", {}), ("I;16", {}), ("1", {}), ("RGB", pages)],
        "JPEG": [("RGB", rich), ("L", {}), ("CMYK", {}), ("RGB", {"progressive": True})],
        "WEBP": [("RGB", rich), ("RGBA", {"lossless": True}), ("RGB", pages)],
        "BMP": [("RGB", {}), ("P", {}), ("1", {}), ("RGBA", {})],
        "TIFF": [("RGB", rich), ("RGBA", {"compression": "tiff_lzw"}), ("I;16", {}), ("L", pages)],
        "GIF": [("P", {}), ("L", {}), ("RGB", pages)],
        "PPM": [("RGB", {}), ("L", {}), ("1", {})],
        "AVIF": [("RGB", rich), ("RGBA", {})],
        "JPEG2000": [("RGB", {}), ("RGBA", {}), ("L", {})],
        "HEIF": [("RGB", rich), ("RGBA", {})],
    }
    try:
        from pillow_heif import register_heif_opener  # noqa: PLC0415 - an extra

        register_heif_opener()
    except ImportError:
        pass
    Image.init()
    return {
        name: tuple(_saved(name, mode, **options) for mode, options in made)
        for name, made in found.items()
        if name in Image.SAVE
    }


# Mutations


def _flip(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice([1, 2, 8, 40])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return data


def _cut(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data))]


def _lengthen(data: bytearray, rng: random.Random) -> bytearray:
    """Replace a number that may be a length or an offset by an extreme one."""
    format_ = rng.choice([">I", "<I", ">H", "<H"])
    most = (1 << 8 * struct.calcsize(format_)) - 1
    place = rng.randrange(min(len(data) - 4, 400))
    number = rng.choice([0, 1, most, most // 2, most - 3, rng.randrange(most)])
    struct.pack_into(format_, data, place, number)
    return data


def _enlarge(data: bytearray, rng: random.Random) -> bytearray:
    """Replace the announced width or height, in whatever way the format writes it."""
    side = rng.choice(SIZE)
    ways = [struct.pack(f, n) for f in (">I", "<I", ">H", "<H") for n in (side, side - 1)]
    ways.append(b"%d" % side)
    found = [way for way in ways if way in data]
    if not found:
        return _lengthen(data, rng)
    way = rng.choice(found)
    new = rng.choice([0, 1, 300, 4000, 11000, 16383, 30000, 65535, 2**31 - 1])
    number = b"%d" % new if way.isdigit() else new.to_bytes(8, "big")[-len(way) :]
    if not way.isdigit() and way[0]:  # little-endian, as the sides are small numbers
        number = number[::-1]
    return data.replace(way, number, rng.choice([1, -1]))


def _splice(data: bytearray, rng: random.Random) -> bytearray:
    other = rng.choice(rng.choice(list(valid_files().values())))
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


MUTATIONS = (_flip, _cut, _lengthen, _enlarge, _splice)


def mutations(seed: int = 0, count: int = COUNT) -> Iterator[tuple[str, int, bytes]]:
    """Yield the format, the number and the bytes of `count` damaged files of each format."""
    for number in range(count):
        for format_, files in valid_files().items():
            rng = random.Random(f"{seed} {format_} {number}")  # noqa: S311 - no secret
            data = rng.choice(MUTATIONS)(bytearray(rng.choice(files)), rng)
            yield format_, number, bytes(data)


# Reading


def examine(data: bytes) -> Reading:
    """Read a file by the program's own function, in this process."""
    from sketchcli import images  # noqa: PLC0415 - valid files are made without it
    from sketchcli.errors import DataError  # noqa: PLC0415

    started, before = time.process_time(), _peak()
    outcome = "image"
    try:
        pixels = images.read_stream(io.BytesIO(data), name="fuzzed")
        if pixels.dtype != np.uint8 or pixels.ndim not in {2, 3}:
            return Reading("finding", "traceback", f"{pixels.dtype} {pixels.shape}")
    except DataError as error:
        outcome = "error"
        if "\n" in error.message or not error.hint:
            return Reading("finding", "traceback", f"a message without hint: {error.message!r}")
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return Reading("finding", "traceback", f"{type(error).__name__}: {error}"[:200])
    seconds, peak = time.process_time() - started, _peak()
    if seconds > SLOW:
        return Reading("finding", "slow", f"{seconds:.1f} s", peak)
    pixels_announced = _announced(data)
    if peak - before > CONSTANT + BYTES_PER_PIXEL * pixels_announced:
        what = f"{peak - before >> 20} MB for {pixels_announced:,} announced pixels"
        return Reading("finding", "memory", what, peak)
    return Reading(outcome, peak=peak)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def _announced(data: bytes) -> int:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.width * image.height
    except Exception:  # noqa: BLE001 - Pillow's parsers raise whatever damage leads to
        return 0


def _serve(connection: Connection) -> None:
    """Examine files in a process of its own, and notice what libraries write to stderr."""
    for files in valid_files().values():  # imports all that reading needs
        examine(files[0])
    connection.send(_peak())
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        while True:  # until the other process ends this one
            data = connection.recv()
            reading = examine(data)
            text = os.pread(written.fileno(), 200, 0).decode(errors="replace")
            os.ftruncate(written.fileno(), 0)
            os.lseek(written.fileno(), 0, os.SEEK_SET)
            connection.send(replace(reading, stderr=text.partition("\n")[0]))


class Reader:
    """A process that reads files; a new one is started after a crash, and after much memory."""

    def __init__(self) -> None:
        """Start no process yet."""
        self._process: multiprocessing.process.BaseProcess | None = None

    def read(self, data: bytes) -> Reading:
        """Read one file."""
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
            self._first_peak: int = self._connection.recv()
        self._connection.send(data)
        if not self._connection.poll(HANG):
            self.close()
            return Reading("finding", "hang", f"over {HANG:.0f} s")
        try:
            reading: Reading = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            code = self._process.exitcode
            self.close()
            return Reading("finding", "crash", f"the process ended with code {code}")
        if reading.peak - self._first_peak > CONSTANT:  # it would hide a smaller peak
            self.close()
        return reading

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def fuzz(
    seed: int = 0,
    count: int = COUNT,
    minutes: float = 0,
    counted: Callable[[str, str], object] = lambda _format, _outcome: None,
) -> Iterator[Finding]:
    """Yield the findings among `count` mutations of each format, or of as many as time allows."""
    reader, end = Reader(), time.monotonic() + 60 * minutes
    try:
        for format_, number, data in mutations(seed, count):
            if minutes and time.monotonic() > end:
                return
            reading = reader.read(data)
            counted(format_, reading.outcome)
            if reading.stderr:
                counted(format_, "of which a library wrote to stderr")
            if reading.outcome == "finding":
                yield Finding(format_, number, reading.kind, reading.what, data)
    finally:
        reader.close()


def main() -> int:
    """Print the findings, then how many files of each format gave an image or an error."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mutations", type=int, default=COUNT, help="per format")
    parser.add_argument("--minutes", type=float, default=0, help="stop after this time")
    parser.add_argument("--keep", type=Path, help="folder for the files of the findings")
    given = parser.parse_args()
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    kinds: collections.Counter[str] = collections.Counter()
    found = fuzz(given.seed, given.mutations, given.minutes, lambda *what: counts.update([what]))
    for finding in found:
        print(finding, flush=True)
        kinds[finding.kind] += 1
        if given.keep:
            given.keep.mkdir(parents=True, exist_ok=True)
            (given.keep / f"{finding.format}-{finding.number}").write_bytes(finding.data)
    for format_ in valid_files():
        outcomes = [f"{count} {what}" for (of, what), count in counts.items() if of == format_]
        print(f"{format_}: {', '.join(sorted(outcomes, key=lambda text: text.split()[1:]))}")
    total = sum(number for (_, what), number in counts.items() if " " not in what)
    listed = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    print(f"{total} files, {kinds.total()} findings ({listed or 'none'})")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
