"""What an entry of the sweep trains with otherwise than the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from jobs.sweep.yaml_checks import Node
from regularize.regularizers import technique
from regularize.training_config import STARTS, Training

Own = tuple[tuple[str, Any], ...]
"""Fields of `Training` by name."""
OWN = {
    "start": "How the entry's weights start; as `training` says unless given. "
    "Example: `technique: none, start: orthogonal`.",
    "lr": "A learning rate of the entry's own, as where a published table has one; whether a gain is the "
    "technique's or the rate's is then open. Example: `technique: l2, strength: 5e-3, lr: 0.001`.",
}


def own_training(
    entry: Node, shared: Mapping[str, Node], varied: Collection[str], usual: str | None = None
) -> Own:
    """The fields of an entry that are of its training; what it shares is none of its own.

    Nor is what is so anyway: `usual` is how its weights start where nothing says.

    Raises:
        UserError: a value that is not valid, a rate where that is `varied`: tuned, or listed.
    """
    fields = entry.mapping()
    found: dict[str, Any] = {}
    if "start" in fields:
        start = fields["start"].choice("start", STARTS)
        if start != ((shared["start"].value if "start" in shared else None) or usual):
            found["start"] = start
    if "lr" in fields:
        rate = fields["lr"]
        if "lr" in varied:
            raise rate.error("lr is given here, and several for every entry; leave one of them out")
        if rate.number() <= 0:
            raise rate.refused("above 0")
        if rate.number() != (shared["lr"].number() if "lr" in shared else Training.lr):
            found["lr"] = rate.number()
    return tuple(found.items())


def usual_start(techniques: Iterable[str]) -> str:
    """How weights start with these where nothing says: one of `STARTS`, or as no word of a sweep has it."""
    starts = (technique(name).start for name in techniques)
    return " ".join(start for start in starts if start != "default") or "default"
