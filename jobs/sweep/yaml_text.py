"""YAML text to a tree of `Node`s and back.

Scalars follow the core schema of YAML 1.2, not PyYAML's 1.1: `1e-5` is a number, and `no`, `on`,
`1:30` and `2024-01-01` are text. A key is text whatever it looks like, and may stand only once in
a mapping. Anchors and merge keys work; tags other than the standard ones are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from jobs.sweep.yaml_checks import Node, Scalar
from regularize.errors import UserError
from regularize.opened import read_whole

MOST_BYTES = 1_000_000
MOST_VALUES = 100_000  # after anchors are written out, so that a small file cannot fill the memory
MOST_LEVELS = 50
_TAG = "tag:yaml.org,2002:"
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|Inf|INF)$")
_SCALARS = ("null", "bool", "int", "float", "str", "merge")
_SIGNS_AND_DIGITS = list("-+0123456789")

Place = Callable[[int], str]


class _ManyValuesError(Exception):
    pass


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """Text to PyYAML's nodes; no constructor, so nothing in a file can run code."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        for part in (Scanner, Parser, Composer, BaseResolver):
            part.__init__(self)
        self.nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.nodes += 1
        if self.nodes > MOST_VALUES:
            raise _ManyValuesError
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver(f"{_TAG}null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    f"{_TAG}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(r"[-+]?[0-9]+$"), _SIGNS_AND_DIGITS)
_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, [*_SIGNS_AND_DIGITS, "."])
_Loader.add_implicit_resolver(f"{_TAG}merge", re.compile(r"<<$"), ["<"])


class _Dumper(yaml.SafeDumper):
    """Writes text in quotes where YAML 1.1 or 1.2 would take it for something else."""


_Dumper.add_implicit_resolver(f"{_TAG}float", _FLOAT, [*_SIGNS_AND_DIGITS, "."])


def read_text(path: Path) -> str:
    """The text of a file, or `UserError` where there is none."""
    try:
        return read_whole(path, MOST_BYTES, links=True).decode()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8 text") from None


def parse_file(text: str, name: str) -> Node:
    """The tree of a file's text; an empty file is null.

    Raises:
        UserError: `NAME:LINE: …`, where the text is not YAML, or has a key twice or a foreign tag.
    """
    return _parse(text, lambda line: f"{name}:{line}", "the file")


def parse_option(text: str, where: str, key: str) -> Node:
    """The tree of a value given on the command line; `where` is its place in every error."""
    return _parse(text, lambda line: where, key)


def dump(node: Node) -> str:
    """YAML text from which `parse_file` reads an equal tree, but for places and anchors."""
    text: str = yaml.dump(
        node.plain(), Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100
    )
    return text


def _parse(text: str, place: Place, key: str) -> Node:
    try:
        loader = _Loader(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UserError(f"{place(line)}: not valid YAML: a character that cannot be printed") from None
    try:
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, place) from None
    except RecursionError:
        raise UserError(f"{place(loader.line + 1)}: nested too deeply") from None
    except _ManyValuesError:
        raise UserError(f"{place(loader.line + 1)}: more than {MOST_VALUES} values") from None
    except (ValueError, OverflowError):  # "\UFFFFFFFF" is beyond Unicode's last character
        raise UserError(f"{place(loader.line + 1)}: not valid YAML: an escape that is no character") from None
    return Node(where=place(1), key=key, value=None) if root is None else _Tree(place).node(root, key)


def _syntax_error(error: yaml.MarkedYAMLError, place: Place) -> UserError:
    line = error.problem_mark.line + 1 if error.problem_mark else 1
    parts = [error.problem or "unreadable"]
    if error.context:
        began = error.context_mark.line + 1 if error.context_mark else line
        parts.insert(0, error.context if began == line else f"{error.context} from line {began}")
    if "'\\t'" in parts[-1]:
        parts.append("indent with spaces, not tabs")
    return UserError(f"{place(line)}: not valid YAML: {', '.join(parts)}")


class _Tree:
    """One conversion of PyYAML's nodes, which may be shared or even circular, to a tree of ours."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.ancestors: set[int] = set()
        self.values = 0

    def node(self, source: yaml.Node, key: str, line: int | None = None) -> Node:
        where = self.place(source.start_mark.line + 1 if line is None else line)
        self.values += 1
        if self.values > MOST_VALUES:
            raise UserError(f"{where}: more than {MOST_VALUES} values, anchors written out")
        if len(self.ancestors) == MOST_LEVELS:
            raise UserError(f"{where}: nested too deeply")
        if id(source) in self.ancestors:
            raise UserError(f"{where}: {key} contains itself")
        self.ancestors.add(id(source))
        value = self._value(source, key, where)
        self.ancestors.remove(id(source))
        return Node(where=where, key=key, value=value)

    def _value(self, source: yaml.Node, key: str, where: str) -> Scalar | tuple[Node, ...] | dict[str, Node]:
        if isinstance(source, yaml.MappingNode) and source.tag == f"{_TAG}map":
            return self._mapping(source)
        if isinstance(source, yaml.SequenceNode) and source.tag == f"{_TAG}seq":
            return tuple(self.node(child, key) for child in source.value)
        if isinstance(source, yaml.ScalarNode) and source.tag.removeprefix(_TAG) in _SCALARS:
            return _scalar(source.tag.removeprefix(_TAG), source.value, where)
        raise UserError(f"{where}: the tag {source.tag.replace(_TAG, '!!')!r} is not supported")

    def _mapping(self, source: yaml.MappingNode) -> dict[str, Node]:
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for name, child in source.value:
            line = name.start_mark.line + 1
            if name.tag == f"{_TAG}merge":
                for base in reversed(self.node(child, "<<", line).items()):
                    merged.update(base.mapping())
                continue
            if not isinstance(name, yaml.ScalarNode):
                raise UserError(f"{self.place(line)}: a list or mapping cannot be a key")
            if name.value in own:
                first = own[name.value].where
                raise UserError(f"{self.place(line)}: key {name.value!r} is given twice (first in {first})")
            own[name.value] = self.node(child, name.value, line)
        return {**merged, **own}


def _scalar(kind: str, text: str, where: str) -> Scalar:
    """The value of a scalar; a tag (`!!int x`) may ask for what its text is not."""
    with suppress(ValueError):
        if kind == "int" and abs(int(text)) < 2**63:
            return int(text)
        if kind == "float":
            return float(text.lower().replace(".inf", "inf")) + 0.0  # -0.0 is 0.0: the same runs
    if kind == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind == "null":
        return None
    if kind in ("str", "merge"):
        return text
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    raise UserError(f"{where}: {shown!r} cannot be read as {kind}")
