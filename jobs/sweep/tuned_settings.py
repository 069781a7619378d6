"""Settings that techniques share: lists under `training` make problems, those of `tune` are chosen from."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from jobs.sweep.dialects import FIRST, NOW
from jobs.sweep.strength_values import Range, read_numbers, read_range
from jobs.sweep.yaml_checks import Node, overlaid
from regularize.models.variant import widened, width_of
from regularize.training_config import APART, TUNABLE, VALID, Training

Axis = tuple[Node, ...] | Range
"""What one setting is tried at: values one would give it under `training`, or what they are drawn from."""
WIDTH = "width"
NUMBERS = (*APART, WIDTH)
"""Settings that take any number."""
LISTED = (*(name for name in TUNABLE if name != WIDTH), "optimizer", "schedule", "precision")
"""What may be a list under `training`."""


class Shared(NamedTuple):
    """What all techniques share: the training, and the width of a model whose width is tuned."""

    training: Training
    width: float = 1.0

    def model(self, name: str) -> str:
        """The network that this is trained with."""
        return name if self.width == 1 else widened(name, self.width)


def separate(training: Node) -> list[tuple[str, Node]]:
    """Every combination of what is listed under `training`, each a problem of its own.

    In words, such as `lr=0.05 epochs=10`, `` where nothing is listed, and with one value of each.

    Raises:
        UserError: a value twice.
    """
    fields = training.mapping()
    lists = {name: _values(name, fields[name]) for name in LISTED if name in fields}
    several = [name for name, values in lists.items() if len(values) > 1]
    found = []
    for point in itertools.product(*lists.values()):
        chosen = dict(zip(lists, point, strict=True))
        words = " ".join(f"{name}={_word(chosen[name])}" for name in several)
        found.append((words, replace(training, value={**fields, **chosen})))
    return found


def read_axes(
    training: Node, tune: Node | None, models: Iterable[str], *, drawn: bool, dialect: int = NOW
) -> dict[str, Axis]:
    """What each tuned setting is tried at, by its name under `training`; ranges only where it is `drawn`.

    Raises:
        UserError: what cannot be tuned, a value twice, or a setting that is given elsewhere, too.
    """
    given = training.mapping()
    axes: dict[str, Axis] = {}
    for name, child in ({} if tune is None else tune.mapping(TUNABLE)).items():
        if name in given:
            raise child.error(f"{name} is tuned here and given in {given[name].where}; leave one of them out")
        valid = VALID[name]
        if drawn and (between := read_range(child, whole=valid.whole)):
            ends = (between.low, between.high) if dialect > FIRST or name not in NUMBERS else ()
            for end in ends:
                if not valid.holds(end):
                    raise child.error(f"{name} is {end:g}, but must be {valid}")
            axes[name] = between
        else:
            axes[name] = _values(name, child)
        if name == WIDTH:
            _check_widths(axes[name], models)
    return axes


def _values(name: str, node: Node) -> tuple[Node, ...]:
    """One or several, no two alike."""
    if name not in NUMBERS:
        return node.distinct()
    found: dict[str, Node] = {}
    for place, number in read_numbers(node):
        value = replace(place, key=name, value=number)
        if found.setdefault(_word(value), value) is not value:
            raise place.error(f"{name} lists {value.shown} twice")
    return tuple(found.values())


def _word(node: Node) -> str:
    return f"{node.value:.12g}" if isinstance(node.value, int | float) else str(node.value)


def _check_widths(axis: Axis, models: Iterable[str]) -> None:
    """Each model must have every width, and not one of its own already."""
    if isinstance(axis, Range):
        widths = [(axis.place, axis.low), (axis.place, axis.high)]
    else:
        widths = [(each, each.number()) for each in axis]
    for place, width in widths:
        for model in models:
            with place.located():
                widened(model, width)
            if width_of(model) != 1:
                raise place.error(f"width is tuned here and given with model {model}; leave one of them out")


def combinations(training: Node, axes: Mapping[str, Axis]) -> tuple[Shared, ...]:
    """Every combination of the settings; the only one where nothing is tuned."""
    values = [axis for axis in axes.values() if not isinstance(axis, Range)]
    return tuple(built(training, dict(zip(axes, point, strict=True))) for point in itertools.product(*values))


def built(training: Node, settings: Mapping[str, Node]) -> Shared:
    """The training with settings from `tune` in it."""
    own = {name: node for name, node in settings.items() if name != WIDTH}
    found = overlaid(training, replace(training, value=own)).build(Training)
    return Shared(found, settings[WIDTH].number()) if WIDTH in settings else Shared(found)
