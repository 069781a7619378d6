"""The names of somebody's own code, `module:name`, that a sweep file has anywhere in it."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.sweep.yaml_checks import Node
from jobs.sweep.yaml_text import parse_file
from regularize.own_code import FORM


def own_names(text: str, where: str = "sweep.yaml") -> list[str]:
    """Those of a sweep's text, each once.

    Raises:
        UserError: it is not YAML.
    """
    return list(dict.fromkeys(text for text in _texts(parse_file(text, where)) if FORM.fullmatch(text)))


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
