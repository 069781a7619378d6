"""The names of somebody's own code, `module:name`, that a sweep file or `--set` has anywhere in it."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.sweep.overrides import value_of
from jobs.sweep.yaml_checks import Node
from jobs.sweep.yaml_text import parse_file
from regularize.own_code import FORM


def own_names(text: str, where: str = "sweep.yaml") -> list[str]:
    """Those of a sweep's text, each once.

    Raises:
        UserError: it is not YAML.
    """
    return _named(parse_file(text, where))


def own_names_of(setting: str) -> list[str]:
    """Those of the value of `--set PATH=VALUE`, each once.

    Raises:
        UserError: it has not that form, or the value is not YAML.
    """
    _, value = value_of(setting)
    return _named(value)


def _named(node: Node) -> list[str]:
    return list(dict.fromkeys(text for text in _texts(node) if FORM.fullmatch(text)))


def _texts(node: Node) -> Iterator[str]:
    match node.value:
        case str():
            yield node.value
        case dict():
            yield from node.value
            for child in node.value.values():
                yield from _texts(child)
        case tuple():
            for child in node.value:
                yield from _texts(child)
