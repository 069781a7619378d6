"""The sweep's `model`: networks by name, each with settings of its own, of which lists make several."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from jobs.sweep.dialects import FIRST, NOW
from jobs.sweep.yaml_checks import Node
from regularize import models
from regularize.models.variant import Variant

OF_MODEL = ("hidden", "activation", "std", "width")


def read_models(node: Node, dialect: int = NOW) -> tuple[str, ...]:
    """Each network once, as `RunConfig.model` has it, in the order of the file.

    Raises:
        UserError: no such network or setting, a value that is not valid, or a network twice.
    """
    if isinstance(node.value, dict):
        found = [each for name, child in node.mapping().items() for each in _variants(name, child)]
        if not found:
            raise node.refused("at least one model")
    else:
        found = [(item, item.text()) for item in node.distinct()]
    seen: dict[object, tuple[Node, str]] = {}
    for place, name in found:
        with place.located():
            models.check_name(name)
        told = dialect > FIRST and models.packable(name)
        first, other = seen.setdefault(Variant.read(name).network if told else name, (place, name))
        if other != name:
            raise place.error(f"model {name} is the same network as {other} (in {first.where})")
        if first is not place:
            raise place.error(f"model {name} is listed twice (first in {first.where})")
    return tuple(name for _, name in seen.values())


def _variants(name: str, node: Node) -> Iterator[tuple[Node, str]]:
    """Every combination of a network's settings, with the place to blame."""
    with node.located():
        models.check_name(name)
    if not models.packable(name):
        node.mapping(())
        yield node, name
        return
    fields = node.mapping(OF_MODEL)
    for point in itertools.product(*(_values(key, child) for key, child in fields.items())):
        with node.located():
            yield node, Variant(name=name, **dict(zip(fields, point, strict=True))).text


def _values(key: str, node: Node) -> list[Any]:
    if key == "hidden":
        several = isinstance(node.value, tuple) and any(isinstance(each.value, tuple) for each in node.value)
        layers = [each.items() for each in node.distinct()] if several else [node.items()]
        return [tuple(units.integer() for units in each) for each in layers]
    return [each.text() if key == "activation" else each.number() for each in node.distinct()]
