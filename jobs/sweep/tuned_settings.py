"""The sweep's `tune`: settings that all techniques share, chosen for each together with its strength."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

from jobs.sweep.strength_values import Range, read_numbers, read_range
from jobs.sweep.yaml_checks import Node, overlaid
from regularize.training_config import APART, TUNABLE, Training

Axis = tuple[Node, ...] | Range
"""What one setting is tried at: values one would give it under `training`, or what they are drawn from."""


def read_axes(training: Node, tune: Node | None, *, drawn: bool) -> dict[str, Axis]:
    """What each tuned setting is tried at, by its name under `training`; ranges only where it is `drawn`.

    Raises:
        UserError: what cannot be tuned, a value twice, or a setting that is given under `training`, too.
    """
    given = training.mapping()
    axes: dict[str, Axis] = {}
    for name, child in ({} if tune is None else tune.mapping(TUNABLE)).items():
        if name in given:
            raise child.error(f"{name} is tuned here and given in {given[name].where}; leave one of them out")
        if name not in APART:
            axes[name] = child.distinct()
        elif drawn and (between := read_range(child)):
            axes[name] = between
        else:
            axes[name] = tuple(
                replace(place, key=name, value=number) for place, number in read_numbers(child)
            )
    return axes


def trainings(training: Node, axes: Mapping[str, Axis]) -> tuple[Training, ...]:
    """Every combination of the settings; the only one where nothing is tuned."""
    values = [axis for axis in axes.values() if not isinstance(axis, Range)]
    return tuple(built(training, dict(zip(axes, point, strict=True))) for point in itertools.product(*values))


def built(training: Node, settings: Mapping[str, Node]) -> Training:
    """The training with settings from `tune` in it."""
    return overlaid(training, replace(training, value=dict(settings))).build(Training)
