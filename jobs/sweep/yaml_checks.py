"""A YAML value that checks what it is, and knows where it stands: errors begin with `FILE:LINE: `."""

from __future__ import annotations

import dataclasses
import math
import re
import types
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from regularize.errors import UserError, one_of, unknown

T = TypeVar("T")
_FRACTION = re.compile(r"(\d{1,9})/([1-9]\d{0,8})", re.ASCII)
Scalar = None | bool | int | float | str


@dataclass(frozen=True, kw_only=True)
class Node:
    """A value, what it is called, and where it was given.

    `where` is `sweep.yaml:7`, or the command-line option that set the value; the place of a value
    with a key is that of its key. `key` names the value in messages; the elements of a list go by
    the key of the list. Keys are always text; null counts as a mapping without keys.
    """

    where: str
    key: str
    value: Scalar | tuple[Node, ...] | dict[str, Node]

    def error(self, message: str) -> UserError:
        """The error to raise for what is wrong here."""
        return UserError(f"{self.where}: {message}")

    def refused(self, valid: str) -> UserError:
        """The error to raise where the value is not `valid`."""
        return self.error(f"{self.key} is {self.shown}, but must be {valid}")

    @contextmanager
    def located(self) -> Iterator[None]:
        """Put a `UserError` from the body at this place.

        One that begins with the name of a field of this mapping (`lr is -1, but must be …`) is put
        at the place of that field.
        """
        try:
            yield
        except UserError as error:
            fields = self.value if isinstance(self.value, dict) else {}
            raise fields.get(str(error).partition(" ")[0], self).error(str(error)) from None

    @property
    def shown(self) -> str:
        """The value as messages show it, at most 60 characters."""
        if self.value is None or isinstance(self.value, bool):
            return {None: "null", True: "true", False: "false"}[self.value]
        text = repr(self.plain())
        return text if len(text) <= 60 else f"{text[:57]}..."

    def plain(self) -> Any:
        """The value without places: dict, list, str, int, float, bool or None."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, tuple):
            return [child.plain() for child in self.value]
        return self.value

    def mapping(
        self, choices: Collection[str] | None = None, required: Collection[str] = ()
    ) -> dict[str, Node]:
        """The fields by key, in the order of the file.

        Raises:
            UserError: not a mapping, a key that is not among the `choices`, a `required` one missing.
        """
        fields = {} if self.value is None else self.value
        if not isinstance(fields, dict):
            raise self.refused("a mapping (key: value)")
        for key, child in fields.items():
            if choices is not None and key not in choices:
                raise child.error(unknown("key", key, choices))
        for key in required:
            if key not in fields:
                raise self.error(f"{key!r} is missing from {self.key}")
        return dict(fields)

    def items(self) -> tuple[Node, ...]:
        """The elements of a list that is not empty; any other value is a list of one."""
        if self.value == ():
            raise self.refused("at least one value")
        return self.value if isinstance(self.value, tuple) else (self,)

    def distinct(self) -> tuple[Node, ...]:
        """The same, of which no two may be equal."""
        seen: dict[str, Node] = {}
        for item in self.items():
            first = seen.setdefault(repr(item.plain()), item)
            if first is not item:
                raise item.error(f"{self.key} lists {item.shown} twice (first in {first.where})")
        return self.items()

    def integer(self) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.refused("an integer")
        return self.value

    def number(self) -> float:
        """A number, or a fraction such as `8/255`."""
        value = self.value
        if isinstance(value, str) and (parts := _FRACTION.fullmatch(value)):
            return int(parts[1]) / int(parts[2])
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.refused("a finite number")
        return float(value)

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.refused("text (write it in quotes)" if self.is_scalar else "text")
        return self.value

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.refused("true or false")
        return self.value

    def choice(self, what: str, choices: Collection[str]) -> str:
        """A word that must be one of the `choices`; `what` says of what kind."""
        if self.text() not in choices:
            raise self.error(f"unknown {what} {self.shown}; {one_of(self.value, choices)}")
        return self.text()

    def build(self, cls: type[T]) -> T:
        """A dataclass from a mapping, each field read as its annotation says.

        Understood are int, float, str, bool, `tuple[X, ...]`, and an optional one of these, or words by
        `Literal` in its place, or of a dataclass, which is a mapping, `true` for its defaults, or `false`
        for none.

        Raises:
            UserError: an unknown, missing or wrong field, or what the dataclass itself refuses.
        """
        assert dataclasses.is_dataclass(cls)
        given = [field for field in dataclasses.fields(cls) if not field.metadata.get("internal")]
        hints = {field.name: get_type_hints(cls)[field.name] for field in given}
        required = [
            field.name
            for field in given
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ]
        fields = self.mapping(hints, required)
        values = {name: _typed(child, hints[name]) for name, child in fields.items()}
        with self.located():
            return cls(**values)

    @property
    def is_scalar(self) -> bool:
        return not isinstance(self.value, dict | tuple)


def overlaid(base: Node, over: Node | None) -> Node:
    """The mapping `base` with the fields of `over` in place of its own."""
    return base if over is None else replace(base, value={**base.mapping(), **over.mapping()})


def _typed(node: Node, hint: Any) -> Any:
    readers = {int: Node.integer, float: Node.number, str: Node.text, bool: Node.flag}
    if hint in readers:
        return readers[hint](node)
    arguments = get_args(hint)
    if get_origin(hint) is tuple:
        return () if node.value == () else tuple(_typed(item, arguments[0]) for item in node.items())
    assert get_origin(hint) in (types.UnionType, Union), f"no reader for {hint}"
    inner = next(argument for argument in arguments if argument is not types.NoneType)
    if isinstance(inner, type) and dataclasses.is_dataclass(inner):
        return _optional(node, inner)
    words = [word for argument in arguments if get_origin(argument) is Literal for word in get_args(argument)]
    if node.value is None or node.value in words:
        return node.value
    try:
        return _typed(node, inner)
    except UserError as error:
        raise UserError(", or ".join([str(error), *words])) from None


def _optional(node: Node, cls: type[T]) -> T | None:
    if node.value is None or node.value is False:
        return None
    if not isinstance(node.value, dict | bool):
        raise node.refused("true, false or a mapping (key: value)")
    return (replace(node, value=None) if node.value is True else node).build(cls)
