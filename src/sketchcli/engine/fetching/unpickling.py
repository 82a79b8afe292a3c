"""The arrays in a pickled network, read without running anything that the file asks for.

A pickle is a program: it names functions, and opening it calls them. Here, every name that network
files need stands for a class of ours that only keeps what it is given; any other name is refused.
Three formats are read: a plain pickle of numpy arrays, PyTorch's zip archive (a state dict, or a
TorchScript module, whose code is ignored), and the format that PyTorch wrote before 1.6. Nothing
is unpacked, and no array has more values than its file stores.

`torch.load(weights_only=True)` reads neither the first format nor TorchScript; a file of 500 bytes
makes it allocate any amount of memory (it allows the name `bytearray`); and before PyTorch 2.10 a
crafted file could corrupt memory (CVE-2026-24747).
"""

import collections
import math
import os
import pickle
import zipfile
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sketchcli.errors import DataError

HINT = "download the file again, or give fetch-data the file of another edition with --from"
LARGEST_FILE = 2**30  # bytes
LARGEST_PICKLE = 2**22  # bytes inside a zip archive, where the arrays are files of their own
DEEPEST = 16  # levels of nested modules
MOST_NODES = 100_000
MOST_TIMES = 4  # bytes of all arrays per byte of the file: halves become floats, some share values
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_ITEM_SIZES = {
    **dict.fromkeys(("DoubleStorage", "LongStorage"), 8),
    **dict.fromkeys(("FloatStorage", "IntStorage"), 4),
    **dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2),
    **dict.fromkeys(("ByteStorage", "CharStorage", "BoolStorage"), 1),
}
Float32 = NDArray[np.float32]


def read_arrays(path: Path, wanted: Container[str], *, hint: str = HINT) -> dict[str, Float32]:
    """Return the wanted arrays of a file, by their dotted name (`layers.conv.weight`).

    A file that is missing, too large, damaged or of another format, or that asks for something
    that no network needs, is an error with the `hint`.
    """
    try:
        return _read(path, wanted)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}", hint=hint) from error
    except RefusedError as error:
        raise DataError(f"{path} {error}", hint=hint) from error
    except Exception as error:  # a damaged pickle can make any operation fail in any way
        fault = type(error).__name__
        raise DataError(f"{path} is not a readable network file ({fault})", hint=hint) from error


class RefusedError(Exception):
    """A flaw of a network file, as a verb phrase."""


# Stand-ins replace what network files build arrays with, and read the values only when asked to.

ReadBytes = Callable[[str], bytes]  # returns the content of a storage, given its key
_FLOATS = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
}
_SHORT = "is damaged: a tensor is larger than its storage"


class _StandIn:
    """An object that a file asks for: it keeps the arguments and the state that it is given."""

    state: Any = None

    def __init__(self, *arguments: object) -> None:
        self.arguments: tuple[Any, ...] = arguments

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Module(_StandIn):
    """An object of any class of TorchScript, whose state is its attributes."""


class _NumpyType(_StandIn):
    """An object of `numpy.dtype`."""


class _NumpyArray(_StandIn):
    """An array that `numpy.core.multiarray._reconstruct` makes."""

    def read(self, _read_bytes: ReadBytes) -> Float32:
        """Return the values; refuse any that are not float32, or fewer than the shape says."""
        _version, shape, kind, is_fortran, content = self.state
        order, code = kind.state[1], kind.arguments[0]
        if (order, code) != ("<", "f4") or is_fortran:
            raise RefusedError(f"holds an array of type {order}{code}, not float32")
        count = math.prod(shape)
        if len(content) < 4 * count:
            raise RefusedError(_SHORT)
        return np.frombuffer(content, "<f4", count).reshape(shape).astype(np.float32)


class Storage(NamedTuple):
    """The bytes of an array elsewhere in the file, named by one of PyTorch's persistent ids."""

    kind: str
    key: str
    values: int


class _TorchTensor(_StandIn):
    """A tensor that `torch._utils._rebuild_tensor_v2` makes."""

    def read(self, read_bytes: ReadBytes) -> Float32:
        """Return the values in the order of the axes, however they lie in the file.

        Values that are not floats, or fewer than the shape and strides say, are refused.
        """
        storage, offset, shape, strides, *_hooks = self.arguments
        kind = _FLOATS.get(storage.kind)
        is_plain = len(shape) == len(strides) and min((offset, *shape, *strides)) >= 0
        if kind is None or not is_plain:
            raise RefusedError(f"holds a tensor of {storage.kind} that is not a weight")
        numbers = np.frombuffer(read_bytes(storage.key), kind)[offset:]
        end = 1 + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
        if len(numbers) < max(end, math.prod(shape)):  # strides of 0 could claim any size
            raise RefusedError(_SHORT)
        steps = [numbers.itemsize * step for step in strides]
        laid = np.lib.stride_tricks.as_strided(numbers, shape, steps)
        if storage.kind == "BFloat16Storage":  # its bits are the upper half of a float32
            return (laid.astype("<u4", order="C") << 16).view("<f4")
        return laid.astype(np.float32, order="C")


class _TorchParameter(_StandIn):
    """A `torch.nn.Parameter`: the tensor in it."""

    def __new__(cls, tensor: _TorchTensor, *_flags: object) -> _TorchTensor:  # type: ignore[misc]
        return tensor


_STAND_INS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("numpy", "dtype"): _NumpyType,
    ("numpy", "ndarray"): "ndarray",
    ("numpy.core.multiarray", "_reconstruct"): _NumpyArray,
    ("numpy._core.multiarray", "_reconstruct"): _NumpyArray,
    ("torch._utils", "_rebuild_tensor"): _TorchTensor,
    ("torch._utils", "_rebuild_tensor_v2"): _TorchTensor,
    ("torch._utils", "_rebuild_parameter"): _TorchParameter,
    ("torch.nn.parameter", "Parameter"): _TorchParameter,
    ("torch.jit._pickle", "build_intlist"): tuple,
    **{("torch", kind): kind for kind in _ITEM_SIZES},
}
# These formats do not use the opcodes of later protocols. `BYTEARRAY8` allocates as many bytes as
# the file claims to have; `EXT` codes name functions by number.
_UNUSED = (
    *(pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER),
    *(pickle.EXT1, pickle.EXT2, pickle.EXT4),
)


class _Unpickler(pickle._Unpickler):  # noqa: SLF001 - documented, under this name alone
    """An unpickler that knows the stand-ins, and nothing else.

    It extends the unpickler written in Python: a few bytes make the one in C allocate gigabytes.
    """

    dispatch: ClassVar = {
        code: read
        for code, read in pickle._Unpickler.dispatch.items()  # noqa: SLF001
        if bytes([code]) not in _UNUSED
    }

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as in its base class
        if module.split(".", maxsplit=1)[0] == "__torch__":
            return _Module
        if (module, name) not in _STAND_INS:
            asked = f"{module}.{name}"[:80]
            raise RefusedError(f"asks for {asked!r}, which no network needs")
        return _STAND_INS[module, name]

    def persistent_load(self, pid: Any) -> Storage:  # noqa: ANN401 - as in its base class
        what, kind, key, _location, count, *view = pid
        if what != "storage" or any(part is not None for part in view) or kind not in _ITEM_SIZES:
            raise RefusedError("refers to something that is not a tensor's storage")
        return self.storages.setdefault(key, Storage(kind, key, count))


def _read(path: Path, wanted: Container[str]) -> dict[str, Float32]:
    found = {}
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size > LARGEST_FILE:
            raise RefusedError("is too large for a network")
        if zipfile.is_zipfile(file):
            root, read_bytes = _open_archive(zipfile.ZipFile(file))
        else:
            file.seek(0)
            root, read_bytes = _Unpickler(file).load(), _no_storage
            if root == _LEGACY_MAGIC:
                root, read_bytes = _open_legacy(file)
        most = MOST_TIMES * size
        for count, (place, node) in enumerate(_nodes((), root)):
            if count >= MOST_NODES:
                raise RefusedError("has too many parts for a network")
            name = ".".join(place)
            if isinstance(node, _NumpyArray | _TorchTensor) and name in wanted:
                found[name] = node.read(read_bytes)
                most -= found[name].nbytes
            if most < 0:
                raise RefusedError("has arrays that are many times larger than the file")
    return found


def _open_archive(archive: zipfile.ZipFile) -> tuple[object, ReadBytes]:
    """Open PyTorch's zip archive: `NAME/data.pkl`, and each storage in `NAME/data/KEY`.

    Return what it holds, and a function that reads the storages that it refers to.
    """
    pickles = [name for name in archive.namelist() if name.count("/") == 1]
    (data,) = (name for name in pickles if name.endswith("/data.pkl"))
    folder = data.partition("/")[0]

    def read_bytes(name: str) -> bytes:
        member = archive.getinfo(name)
        if member.compress_type != zipfile.ZIP_STORED:  # stored members cannot outgrow the file
            raise RefusedError(f"has a compressed member {name}, which PyTorch never writes")
        return archive.read(member)

    if archive.getinfo(data).file_size > LARGEST_PICKLE:
        raise RefusedError(f"has a {data} that is too large")
    with archive.open(data) as file:
        root = _Unpickler(file).load()  # type: ignore[arg-type]
    return root, lambda key: read_bytes(f"{folder}/data/{key}")


def _open_legacy(file: BinaryIO) -> tuple[object, ReadBytes]:
    """Open the older format: five pickles in a row, then each storage, preceded by its length."""
    protocol, system = _Unpickler(file).load(), _Unpickler(file).load()
    if protocol != _LEGACY_PROTOCOL or not system["little_endian"]:
        raise RefusedError("has an unknown version of PyTorch's format")
    unpickler = _Unpickler(file)
    root, keys = unpickler.load(), _Unpickler(file).load()
    places: dict[str, tuple[int, int]] = {}
    for key in keys:
        storage = unpickler.storages[key]
        if int.from_bytes(file.read(8), "little") != storage.values:
            raise RefusedError("is damaged: the length of a tensor differs from its header")
        places[key] = (file.tell(), storage.values * _ITEM_SIZES[storage.kind])
        file.seek(places[key][1], os.SEEK_CUR)

    def read_bytes(key: str) -> bytes:
        start, size = places[key]
        file.seek(start)
        return file.read(size)

    return root, read_bytes


def _no_storage(key: str) -> bytes:
    raise RefusedError(f"refers to a storage {key}, but has no storages")


def _nodes(place: tuple[str, ...], node: object) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield every object under nested dictionaries and modules, and the names that lead to it."""
    yield place, node
    children = node.state if isinstance(node, _Module) else node
    if isinstance(children, dict) and len(place) < DEEPEST:
        for key, child in children.items():
            if isinstance(key, str):
                yield from _nodes((*place, key), child)
