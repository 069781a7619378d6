"""Rows → Arrow table, without pandas: `pa.array` imports it, and so would every worker and `status`."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa

_NUMBERS: Mapping[pa.DataType, Callable[[list[Any]], array[Any]]] = {
    pa.int64(): lambda values: array("q", values),
    pa.float64(): lambda values: array("d", values),
}


def table_of(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """As `pa.Table.from_pylist`: what a row does not name is null.

    Raises:
        TypeError, OverflowError: a value is not of its column's type.
    """
    columns = [column([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """As `pa.array`: None is null. Raises as `table_of`."""
    there = [value is not None for value in values]
    validity = None if all(there) else _bits(there)
    if kind == pa.string():
        texts = [b"" if value is None else str.encode(value) for value in values]
        ends = array("i", accumulate(map(len, texts), initial=0))
        buffers = [validity, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    elif kind == pa.bool_():
        if any(not isinstance(value, bool) for value in values if value is not None):
            raise TypeError("a value is neither true nor false")
        buffers = [validity, _bits([bool(value) for value in values])]
    elif kind in _NUMBERS:
        if odd := next((value for value in values if not _fits(value, kind)), None):
            raise TypeError(f"{odd!r} is no number of {kind}")
        numbers = _NUMBERS[kind]([0 if value is None else value for value in values])
        buffers = [validity, pa.py_buffer(numbers)]
    else:
        return pa.array(values, kind)
    return pa.Array.from_buffers(kind, len(values), buffers)


def _fits(value: Any, kind: pa.DataType) -> bool:
    """Whether it is in such a column what it was; Python's arrays would take more, and round it."""
    if value is None or type(value) is float:
        return True
    if isinstance(value, bool | np.bool_):
        return False
    whole = isinstance(value, int | np.integer)
    if kind == pa.int64():
        return whole
    return abs(int(value)) <= 2**53 if whole else isinstance(value, float | np.floating)


def _bits(values: Sequence[bool]) -> pa.Buffer:
    """One bit each, as Arrow has them."""
    return pa.py_buffer(np.packbits(np.array(values, bool), bitorder="little"))
