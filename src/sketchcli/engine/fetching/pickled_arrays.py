"""Arrays in a pickle: stand-ins for what the files of networks build them with.

They keep what they are given, and read their numbers, as float32, when they are asked to. No array
is larger than what its file holds.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLOATS = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
}
_SHORT = "is damaged: a tensor is larger than its storage"

Float32 = NDArray[np.float32]
ReadBytes = Callable[[str], bytes]  # the content of a storage, by its key


class RefusedError(Exception):
    """A file holds something that the file of a network does not need."""


class NumpyType:
    """Stands for `numpy.dtype`."""

    def __init__(self, code: str, *_flags: object) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


class NumpyArray:
    """Stands for `numpy.core.multiarray._reconstruct`, and for the array that it makes."""

    def __init__(self, *_prototype: object) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def read(self, _read_bytes: ReadBytes) -> Float32:
        """Its numbers.

        Raises:
            RefusedError: They are not float32, or fewer than its shape says.
        """
        _version, shape, kind, is_fortran, content = self.state
        if (kind.order, kind.code) != ("<", "f4") or is_fortran:
            raise RefusedError(f"holds an array of {kind.order}{kind.code}, not of float32")
        count = math.prod(shape)
        if len(content) < 4 * count:
            raise RefusedError(_SHORT)
        return np.frombuffer(content, "<f4", count).reshape(shape).astype(np.float32)


class Storage:
    """What a persistent id of PyTorch names: an array's bytes, elsewhere in the file."""

    def __init__(self, kind: str, key: str, count: int) -> None:
        self.kind, self.key, self.count = kind, key, count


class TorchTensor:
    """Stands for `torch._utils._rebuild_tensor_v2`, and for the tensor that it makes."""

    def __init__(
        self,
        storage: Storage,
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        *_hooks: object,
    ) -> None:
        self.storage, self.offset = storage, offset
        self.shape, self.strides = tuple(shape), tuple(strides)

    def __setstate__(self, state: object) -> None:
        """Of an old `Parameter`: whether it needs a gradient."""

    def read(self, read_bytes: ReadBytes) -> Float32:
        """Its numbers, in the order of its axes, however they lie in the file.

        Raises:
            RefusedError: They are no floats, or fewer than its shape and strides say.
        """
        kind, shape, strides = _FLOATS.get(self.storage.kind), self.shape, self.strides
        is_plain = len(shape) == len(strides) and min((self.offset, *shape, *strides)) >= 0
        if kind is None or not is_plain:
            raise RefusedError(f"holds a tensor of {self.storage.kind} that is no weight")
        numbers = np.frombuffer(read_bytes(self.storage.key), kind)[self.offset :]
        end = 1 + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
        if len(numbers) < max(end, math.prod(shape)):  # strides of 0 could claim any size
            raise RefusedError(_SHORT)
        steps = [numbers.itemsize * step for step in strides]
        laid = np.lib.stride_tricks.as_strided(numbers, shape, steps)
        if self.storage.kind == "BFloat16Storage":  # the upper half of a float32
            return (laid.astype("<u4", order="C") << 16).view("<f4")
        return laid.astype(np.float32, order="C")


class TorchParameter:
    """Stands for `torch.nn.Parameter`: the tensor in it."""

    def __new__(cls, tensor: TorchTensor, *_flags: object) -> TorchTensor:  # type: ignore[misc]
        """The tensor itself."""
        return tensor

    def __setstate__(self, state: object) -> None:
        """Nothing to keep."""
