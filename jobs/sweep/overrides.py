"""`--set training.epochs=5`: one value of a YAML tree, replaced from the command line."""

from __future__ import annotations

from dataclasses import replace

from jobs.sweep.yaml_checks import Node
from jobs.sweep.yaml_text import parse_option
from regularize.errors import UserError


def overridden(tree: Node, setting: str) -> Node:
    """The tree with one value replaced; `setting` is `PATH=VALUE`, the value written as YAML.

    Mappings that the path goes through and that are not there are made, so a misspelt path is
    found, as in a file, by whoever reads the tree: the place of the new values is the option.

    Raises:
        UserError: not of the form `PATH=VALUE`, or the path goes through a value with no fields.
    """
    keys, value = value_of(setting)
    return _replaced(tree, keys, value)


def value_of(setting: str) -> tuple[list[str], Node]:
    """The path of `PATH=VALUE`, and the tree of its value.

    Raises:
        UserError: it is not of that form, or the value is not YAML.
    """
    where = f"--set {setting}"
    path, equals, value = setting.partition("=")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys):
        raise UserError(f"{where}: must be PATH=VALUE, such as training.epochs=5")
    return keys, parse_option(value, where, keys[-1])


def _replaced(node: Node, keys: list[str], leaf: Node) -> Node:
    first, *rest = keys
    if not isinstance(node.value, dict | None):
        raise leaf.error(f"{node.key} is {node.shown} and has no {first!r} inside")
    fields = node.mapping()
    absent = Node(where=leaf.where, key=first, value=None)
    child = _replaced(fields.get(first, absent), rest, leaf) if rest else leaf
    return replace(node, value={**fields, first: child})
