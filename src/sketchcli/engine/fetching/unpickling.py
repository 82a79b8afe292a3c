"""The arrays in a pickled network, read without running anything that the file asks for.

A pickle is a program: it names functions, and opening it calls them. Here, every name that network
files need stands for a class of ours that only keeps what it is given; any other name is refused.
Three formats are read: a plain pickle of numpy arrays, PyTorch's zip archive (a state dict, or a
TorchScript module, whose code is ignored), and the format that PyTorch wrote before 1.6. No array
has more values than its file stores, and no instruction takes more time or memory than its own
bytes: what copies or hashes what other instructions have built is refused.

`torch.load(weights_only=True)` reads neither the first format nor TorchScript, and a file of 500
bytes makes it allocate any amount of memory, since it allows the name `bytearray`.
"""

import functools
import io
import math
import operator
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sketchcli.errors import DataError, SketchError
from sketchcli.limits import check_memory, shown
from sketchcli.weights_header import MOST_DIMENSIONS, MOST_VALUES

HINT = "download the file again, or give fetch-data the file of another edition with --from"
LARGEST_PICKLE = 2**22  # bytes inside a zip archive, where the arrays are files of their own
DEEPEST = 16  # levels of nested modules
MOST_NODES = 100_000
MOST_STEPS = 400_000  # instructions of a pickle and their arguments: some 70 per tensor
MOST_ARGUMENTS = 32  # of a call, which copies them
LONGEST_NAME = 1000  # characters, with the names of all modules around a tensor
MOST_TIMES = 4  # bytes of all arrays per byte of the file: halves become floats, some share values
MOST_MEMORY = 2**32  # bytes
LARGEST_LIST = 2**22  # bytes of the list of a zip archive's members
AN_ARRAY = 100  # bytes that each array takes beside its values and its name
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_LIST_SIZE = 5  # index in what zipfile reads of an archive's end
_ITEM_SIZES = {
    **dict.fromkeys(("DoubleStorage", "LongStorage"), 8),
    **dict.fromkeys(("FloatStorage", "IntStorage"), 4),
    **dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2),
    **dict.fromkeys(("ByteStorage", "CharStorage", "BoolStorage"), 1),
}
Float32 = NDArray[np.float32]
Wanted = Callable[[str], bool]  # whether an array of that name is to be read


def read_arrays(path: Path, is_wanted: Wanted, *, hint: str = HINT) -> dict[str, Float32]:
    """Return the wanted arrays of a file, by their dotted name (`layers.conv.weight`).

    Whatever is wrong with the file, such as a request for what no network needs, is a DataError.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            check_memory(MOST_TIMES * size, f"{path} ({shown(size)})", most=MOST_MEMORY)
            return _read(file, size, is_wanted)
    except SketchError:
        raise
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


def _check_numbers(*numbers: object) -> None:
    """Refuse what is not a whole number that a tensor's shape, strides or offset can hold."""
    # A list times a number would be a longer list, and digits by the million take seconds.
    if len(numbers) > 1 + 2 * MOST_DIMENSIONS or not all(map(_is_small, numbers)):
        raise RefusedError("holds a tensor of an absurd shape")


def _is_small(number: object) -> bool:
    return type(number) is int and 0 <= number <= MOST_VALUES


class _StandIn:
    """An object that a file asks for: it keeps the arguments and the state that it is given."""

    state: Any = None

    def __init__(self, *arguments: object) -> None:
        self.arguments: tuple[Any, ...] = arguments

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Module(_StandIn):
    """An object of any class of TorchScript, whose state is its attributes."""


class _NumpyArray(_StandIn):
    """An array that `numpy.core.multiarray._reconstruct` makes."""

    def read(self, _read_bytes: ReadBytes) -> Float32:
        _version, shape, kind, is_fortran, content = self.state
        order, code = kind.state[1], kind.arguments[0]
        if (order, code) != ("<", "f4") or is_fortran is not False:
            raise RefusedError(f"holds an array of type {order:.1}{code:.10}, not float32")
        _check_numbers(*shape)
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
        """Return the values in the order of the axes, however they lie in the file."""
        storage, offset, shape, strides, *_hooks = self.arguments
        kind = _FLOATS.get(storage.kind)
        if kind is None:
            raise RefusedError(f"holds a tensor of {storage.kind} that is not a weight")
        _check_numbers(offset, *shape, *strides)
        numbers = np.frombuffer(read_bytes(storage.key), kind)[offset:]
        end = 1 + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
        if len(numbers) < max(end, math.prod(shape)):  # strides of 0 could claim any size
            raise RefusedError(_SHORT)
        steps = [numbers.itemsize * step for step in strides]
        laid = np.lib.stride_tricks.as_strided(numbers, shape, steps)
        if storage.kind == "BFloat16Storage":  # its bits are the upper half of a float32
            return (laid.astype("<u4", order="C") << 16).view("<f4")
        return laid.astype(np.float32, order="C")


class _Dict(dict[object, object]):
    """A `collections.OrderedDict`; its attributes are of no use."""

    def __init__(self, *filled: list[tuple[object, object]]) -> None:
        super().__init__()
        for pairs in filled:  # as Python 2 wrote it
            _check_keys([key for key, _ in pairs])
            self.update(pairs)
            pairs.clear()  # a second call would copy them again

    def __setstate__(self, state: object) -> None:
        del state


def _check_keys(keys: Sequence[object]) -> None:
    """Refuse keys that are no names: nested tuples overflow the stack, large numbers collide."""
    if not all(isinstance(key, str | None) or _is_small(key) for key in keys):
        raise RefusedError("has a dictionary whose keys are not names")


def _as_it_is(values: object, *_more: object) -> object:
    return values


_STAND_INS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Dict,
    ("numpy", "dtype"): _StandIn,
    ("numpy", "ndarray"): "ndarray",
    ("numpy.core.multiarray", "_reconstruct"): _NumpyArray,
    ("numpy._core.multiarray", "_reconstruct"): _NumpyArray,
    ("torch._utils", "_rebuild_tensor"): _TorchTensor,
    ("torch._utils", "_rebuild_tensor_v2"): _TorchTensor,
    ("torch._utils", "_rebuild_parameter"): _as_it_is,
    ("torch.nn.parameter", "Parameter"): _as_it_is,
    ("torch.jit._pickle", "build_intlist"): _as_it_is,
    **{("torch", kind): kind for kind in _ITEM_SIZES},
}
# These formats do not use the other opcodes: some allocate as many bytes as the file claims to
# have, call functions by number, or copy what is on the stack.
_UNUSED = (
    *(pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER),
    *(pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX),
    *(pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET, pickle.DUP, pickle.DICT),
    *(pickle.PUT, pickle.GET),
)
_READ: dict[int, Callable[[Any], None]] = pickle._Unpickler.dispatch  # noqa: SLF001


def _check_call(stack: list[Any]) -> None:
    if len(stack[-1]) > MOST_ARGUMENTS:
        raise RefusedError("calls something with too many arguments")


def _check_change(stack: list[Any]) -> None:
    if not isinstance(stack[-2], _StandIn | _Dict):
        raise RefusedError("changes something that is not its own")


def _checked(code: bytes, check: Callable[[list[Any]], None]) -> Callable[[Any], None]:
    """Return what carries out an instruction after it has checked the stack."""

    def carry_out(unpickler: Any) -> None:  # noqa: ANN401 - its attributes have no types
        check(unpickler.stack)
        _READ[code[0]](unpickler)

    return carry_out


_CHECKS: dict[bytes, Callable[[list[Any]], None]] = {
    pickle.REDUCE: _check_call,
    pickle.NEWOBJ: _check_call,
    pickle.BUILD: _check_change,
    pickle.SETITEM: lambda stack: _check_keys(stack[-2:-1]),
    pickle.SETITEMS: lambda stack: _check_keys(stack[::2]),
}


class _Counted:
    """A file that a pickle is read from; how often something is read is counted."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size, self.steps, self.readline = file, size, 0, file.readline

    def read(self, count: int) -> bytes:
        self.steps += 1
        if count > self.size:
            raise RefusedError("is damaged: a part is larger than the file")
        if self.steps > MOST_STEPS:
            raise RefusedError("has too many parts for a network")
        return self.file.read(count)


class _Unpickler(pickle._Unpickler):  # noqa: SLF001 - documented, under this name alone
    """Knows the stand-ins, and nothing else; extends the unpickler that is written in Python.

    A few bytes make the one in C allocate gigabytes.
    """

    dispatch: ClassVar = {
        **{code: read for code, read in _READ.items() if bytes([code]) not in _UNUSED},
        **{code[0]: _checked(code, check) for code, check in _CHECKS.items()},
        pickle.FRAME[0]: operator.methodcaller("read", 8),  # its size, as none is read ahead
    }

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__(_Counted(file, size), encoding="utf-8")
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as in its base class
        if module.split(".", maxsplit=1)[0] == "__torch__":
            return _Module
        if (module, name) not in _STAND_INS:
            asked = f"{module}.{name}"[:80]
            raise RefusedError(f"asks for {asked!r}, which no network needs")
        return _STAND_INS[module, name]

    def persistent_load(self, pid: Any) -> Storage:  # noqa: ANN401 - as in its base class
        match pid:
            case ("storage", str(kind), str(key), str(), count, *view) if (
                kind in _ITEM_SIZES and view in ([], [None])
            ):
                _check_numbers(count)
                return self.storages.setdefault(key, Storage(kind, key, count))
        raise RefusedError("refers to something that is not a tensor's storage")


def _read(file: BinaryIO, size: int, is_wanted: Wanted) -> dict[str, Float32]:
    found: dict[str, Float32] = {}
    if zipfile.is_zipfile(file):
        root, read_bytes = _open_archive(file, size)
    else:
        file.seek(0)
        root, read_bytes = _Unpickler(file, size).load(), dict[str, bytes]().__getitem__
        if root == _LEGACY_MAGIC:
            root, read_bytes = _open_legacy(file, size)
    most = unread = MOST_TIMES * size

    @functools.lru_cache(maxsize=1)  # tensors may share a storage
    def read_once(key: str) -> bytes:
        nonlocal unread
        content = read_bytes(key)
        unread -= len(content)
        if unread < 0:
            raise RefusedError("has storages that many tensors share")
        return content

    for count, (name, node) in enumerate(_nodes("", root, DEEPEST)):
        if count >= MOST_NODES:
            raise RefusedError("has too many parts for a network")
        if isinstance(node, _NumpyArray | _TorchTensor) and is_wanted(name):
            found[name] = node.read(read_once)
            most -= found[name].nbytes + len(name) + AN_ARRAY
        if most < 0:
            raise RefusedError("has arrays that are many times larger than the file")
    return found


def _open_archive(file: BinaryIO, size: int) -> tuple[object, ReadBytes]:
    """Open PyTorch's zip archive: `NAME/data.pkl`, and each storage in `NAME/data/KEY`."""
    listed = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # noqa: SLF001
    if listed[_LIST_SIZE] > LARGEST_LIST:  # each member takes 20 times what it has there
        raise RefusedError("has too many parts for a network")
    archive = zipfile.ZipFile(file)
    pickles = [name for name in archive.namelist() if name.count("/") == 1]
    (data,) = (name for name in pickles if name.endswith("/data.pkl"))
    folder = data.partition("/")[0]

    def read_bytes(name: str) -> bytes:
        member = archive.getinfo(name)
        if member.compress_type != zipfile.ZIP_STORED:  # stored members cannot outgrow the file
            raise RefusedError(f"has a compressed member {name:.80}, which PyTorch never writes")
        if member.file_size > size:
            raise RefusedError("is damaged: a part is larger than the file")
        return archive.read(member)

    if archive.getinfo(data).file_size > LARGEST_PICKLE:
        raise RefusedError(f"has a {data:.80} that is too large")
    pickled = read_bytes(data)
    root = _Unpickler(io.BytesIO(pickled), len(pickled)).load()
    return root, lambda key: read_bytes(f"{folder}/data/{key}")


def _open_legacy(file: BinaryIO, length: int) -> tuple[object, ReadBytes]:
    """Open the older format: five pickles in a row, then each storage, preceded by its length."""
    protocol, system = _Unpickler(file, length).load(), _Unpickler(file, length).load()
    if protocol != _LEGACY_PROTOCOL or not system["little_endian"]:
        raise RefusedError("has an unknown version of PyTorch's format")
    unpickler = _Unpickler(file, length)
    root, keys = unpickler.load(), _Unpickler(file, length).load()
    places: dict[str, tuple[int, int]] = {}
    for key in keys:
        storage = unpickler.storages[key]
        if int.from_bytes(file.read(8), "little") != storage.values:
            raise RefusedError("is damaged: the length of a tensor differs from its header")
        places[key] = (file.tell(), storage.values * _ITEM_SIZES[storage.kind])
        file.seek(places[key][1], os.SEEK_CUR)

    def read_bytes(key: str) -> bytes:
        start, size = places[key]
        if start + size > length:
            raise RefusedError(_SHORT)
        file.seek(start)
        return file.read(size)

    return root, read_bytes


def _nodes(place: str, node: object, deepest: int) -> Iterator[tuple[str, object]]:
    """Yield every object under nested dictionaries and modules, and its dotted name."""
    yield place, node
    children = node.state if isinstance(node, _Module) else node
    if isinstance(children, dict) and deepest:
        for key, child in children.items():
            if isinstance(key, str):
                if len(place) + len(key) > LONGEST_NAME:
                    raise RefusedError("has a name that is too long")
                yield from _nodes(f"{place}.{key}" if place else key, child, deepest - 1)
