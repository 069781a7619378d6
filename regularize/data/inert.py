"""Reading a pickle of numpy byte arrays without executing anything it asks for.

The three names that such a pickle calls are given stand-ins that only keep what they are handed;
any other name is refused. Not even numpy's own constructors run.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt


class _Kept:
    """Stands in for an array or its type: keeps the arguments and the state."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    ALLOWED = (("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype"))

    def find_class(self, module: str, name: str) -> type[_Kept]:
        if (module, name) not in self.ALLOWED:
            raise ValueError(f"it asks for {module}.{name}, which no data file needs")
        return _Kept


def loads(content: bytes) -> Any:
    """The pickled value: Python 2 strings as `bytes`, arrays as something for `as_bytes`.

    Raises:
        ValueError: not a pickle, not a whole one, or one that asks for anything but numpy arrays.
    """
    try:
        return _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except (
        pickle.UnpicklingError,
        EOFError,
        AttributeError,
        ImportError,
        IndexError,
        KeyError,
        TypeError,
    ) as error:
        raise ValueError(f"not a whole pickle: {error}") from error


def as_bytes(value: Any) -> npt.NDArray[np.uint8]:
    """The array of unsigned bytes that `value`, from `loads`, describes.

    Raises:
        ValueError: it is none.
    """
    try:
        _, shape, kind, fortran, raw = value.state
        if kind.arguments[0] != b"u1":
            raise ValueError(f"an array of type {kind.arguments[0]!r}, not of bytes")
        return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran else "C")
    except (AttributeError, TypeError, IndexError) as error:
        raise ValueError(f"not an array of bytes: {error}") from error
