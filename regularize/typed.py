"""Whether what comes out of a file is of the types that its dataclass names, which Python does not check.

JSON has any value at any place, and a store or a data root may be anybody's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

T = TypeVar("T")
Check = Callable[[object], bool]


def checked(value: T) -> T:
    """A dataclass all of whose fields, and what is within them, are of their types.

    Raises:
        TypeError: one is not; names it.
    """
    kind: Any = type(value)
    for name, check in _fields(kind):
        if not check(getattr(value, name)):
            raise TypeError(f"{name} is {_shown(getattr(value, name))}")
    return value


def fits(value: object, hint: Any) -> bool:
    """Whether a value is of a type, and what is within it."""
    return _check(hint)(value)


@cache
def _fields(kind: type) -> Sequence[tuple[str, Check]]:
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else hints
    return [(name, _check(hints[name])) for name in names]


@cache
def _check(hint: Any) -> Check:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda _: True
    if hint is float:
        return lambda value: isinstance(value, float | int) and not isinstance(value, bool)
    if hint is int:
        return lambda value: isinstance(value, int) and not isinstance(value, bool)
    if origin in (Union, UnionType):
        ways = [_check(each) for each in inner]
        return lambda value: any(fits(value) for fits in ways)
    if origin is tuple and inner[-1] is not Ellipsis:
        places = [_check(each) for each in inner]
        return lambda value: (
            isinstance(value, tuple | list)
            and len(value) == len(places)
            and all(fits(each) for fits, each in zip(places, value, strict=True))
        )
    if origin in (tuple, list, Sequence):
        item = _check(inner[0])
        kinds = (tuple, list) if origin is Sequence else origin
        return lambda value: isinstance(value, kinds) and all(map(item, value))
    if origin in (dict, Mapping):
        key, item = _check(inner[0]), _check(inner[1])
        return lambda value: isinstance(value, Mapping) and all(key(k) and item(v) for k, v in value.items())
    if is_typeddict(hint):
        entries, required = get_type_hints(hint), hint.__required_keys__
        kinds = {name: _check(inner) for name, inner in entries.items()}
        return lambda value: (
            isinstance(value, dict)
            and required <= value.keys()
            and all(kinds[name](each) for name, each in value.items() if name in kinds)
        )
    kind: type = NoneType if hint is None else hint
    fields = _fields(kind) if dataclasses.is_dataclass(kind) or hasattr(kind, "_make") else ()
    if not fields:
        return lambda value: isinstance(value, kind)
    return lambda value: isinstance(value, kind) and all(fits(getattr(value, n)) for n, fits in fields)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
