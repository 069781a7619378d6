"""Which packs that are done are measured again, as the sweep's `evaluation:` has changed since. Pure.

Training is not touched by it: what is measured of final weights is measured of the stored ones. A pack is
measured whole, runs that are no longer planned among the others, so that its tables speak of one measurement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from jobs.planning.cost import Clock, Run
from jobs.planning.packing import Pack, whole_seconds
from jobs.store.pack_status import Packs
from regularize.evaluation.measurement import kept, meets
from regularize.evaluation.settings import Evaluation
from regularize.store import PackStatus

NOT_ASKED = "not asked for"


@dataclass(frozen=True, kw_only=True)
class Again:
    """The packs to measure; which of the wanted runs are in them, and which are not, though they should.

    `stays` are wanted runs whose curves or snapshots are not as the sweep asks for now: only a training
    makes them.
    """

    packs: Sequence[Pack] = ()
    runs: frozenset[str] = frozenset()
    without: Mapping[str, str] = field(default_factory=dict)  # with the reason
    stays: frozenset[str] = frozenset()

    @property
    def seconds(self) -> float:
        """Of one task that works through all of them."""
        return sum(pack.seconds for pack in self.packs)


def measured_again(
    runs: Sequence[Run], packs: Packs, clock: Clock, without: Mapping[str, str] | None = None
) -> Again:
    """What has to be measured of the wanted `runs` that are done.

    A pack waits as long as one of its runs is in hand or left out (`without`), as in training.
    """
    wanted = {run.run_id: run for run in runs}
    found: list[Pack] = []
    reasons: dict[str, str] = {}
    measured, stays = set[str](), set[str]()
    for status, mine in _done(packs, wanted):
        # A pack of before may hold runs of both phases; those on tune seeds ask for less.
        asking = min(mine, key=lambda run: run.config.evaluation.for_choice)
        settings = _text(asking.config.evaluation)
        ids = {run.run_id for run in mine}
        if kept(status.evaluation, settings) and status.evaluation:
            stays |= ids
        if meets(status.evaluation, settings):
            continue
        held = {run_id: without[run_id] for run_id in status.runs if without and run_id in without}
        if set(held.values()) - {NOT_ASKED} or held.keys() >= ids:
            reason = max(held.values(), key=lambda reason: (reason != NOT_ASKED, reason))
            reasons |= dict.fromkeys(ids, reason)
            continue
        measured |= ids
        alone = clock.measuring_seconds(asking)
        found.append(Pack(runs=status.runs, whole=whole_seconds(len(status.runs), alone), measures=settings))
    return Again(
        packs=found,
        runs=frozenset(measured),
        without={run_id: reason for run_id, reason in reasons.items() if run_id not in measured},
        stays=frozenset(stays),
    )


def _done(packs: Packs, wanted: Mapping[str, Run]) -> Iterator[tuple[PackStatus, list[Run]]]:
    """The packs that are done and hold a wanted run, with those."""
    for status in packs.statuses.values():
        mine = [wanted[run_id] for run_id in status.runs if run_id in wanted]
        if mine and status.state == "done":
            yield status, mine


@cache
def _text(evaluation: Evaluation) -> str:
    return evaluation.text
