"""What the packs of a job say of its nodes: where errors were raised, and where all went well. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jobs.store.handed import Handed
from jobs.store.pack_status import Packs, ended_order, share
from jobs.submission.bad_nodes import FRUITLESS
from regularize.config import pack_id
from regularize.evaluation.measurement import meets
from regularize.store import PackStatus


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """What Slurm calls hosts. `names` gives the nodes that they may be, `attempts` are those of each attempt
    at a job, as far as they are known; `wide` is whether a job has several.
    """

    names: Callable[[], Sequence[str]]
    attempts: Sequence[Sequence[str]] = ()
    wide: bool = False

    def node(self, host: str) -> str:
        """The node that a host is; empty where that is not clear."""
        names = self.names()
        same = [name for name in names if name in (host, host.partition(".")[0])]
        return same[0] if same else names[0] if len({*names}) == 1 else ""

    def together(self, node: str) -> Sequence[str]:
        """The nodes of the ranks that train one pack together, of which one is on this node."""
        found = [*dict.fromkeys(name for nodes in self.attempts if node in nodes for name in nodes)]
        return found or ([""] if self.wide else [node])


class Told(NamedTuple):
    """`raised` and `good` as an `Ending` has them, and all nodes that packs were on."""

    raised: tuple[tuple[str, str], ...]
    good: tuple[str, ...] | None
    nodes: Sequence[str]


def told_by_packs(handed: Handed, index: int, packs: Packs, hosts: Hosts) -> Told:
    """What is to be learned of nodes from an element that has ended.

    A node may be at fault for a pack that raised an error there, but not where others went well after, nor by
    a single one after others that did. Of ranks that train together it may have been each.
    """
    if not (ours := _in_its_job(handed, index, packs)):
        return Told((), None, ())
    measures, single = _measured_again(handed), len(handed.elements[index]) == 1
    raised, done, begun, heard = dict[str, str](), set[str](), set[str](), dict[str, None]()
    for pack, status in sorted(ours, key=lambda each: ended_order(each[1])):
        node = hosts.node(status.host)
        on = hosts.together(node) if single else [node]
        heard |= dict.fromkeys(filter(None, on))
        if _failed(status):
            raised[pack] = on[0] if len(on) == 1 else ""
        elif status.state == "done":
            raised = {other: "" if at in on else at for other, at in raised.items()}
            done.update(on)
        elif _brought_on(status, handed.begun.get(pack, 0.0), measures.get(pack)):
            begun.update(on)
    counts = Counter(raised.values())
    own = {node for node in done if counts[node] < FRUITLESS}
    blamed = {pack: "" if node in own else node for pack, node in raised.items()}
    good = (done | begun).difference(blamed.values())
    clear = bool(raised) and "" not in done | begun
    pairs = tuple((node, pack) for pack, node in blamed.items())
    return Told(pairs, tuple(sorted(good)) if clear else None, [*heard])


def _in_its_job(handed: Handed, index: int, packs: Packs) -> list[tuple[str, PackStatus]]:
    job = handed.slurm_id(index)
    return [(pack, each) for pack, each in _statuses(handed, index, packs) if _in_job(job, each)]


def progress(handed: Handed, index: int, packs: Packs) -> bool:
    """Whether an element has brought any of its packs on."""
    if not handed.elements:
        return True
    if any(_failed(status) for _, status in _in_its_job(handed, index, packs)):
        return True  # a person has to see to them; those behind them come next
    measures, known = _measured_again(handed), _statuses(handed, index, packs)
    return any(_brought_on(status, handed.begun.get(i, 0.0), measures.get(i)) for i, status in known)


def _statuses(handed: Handed, index: int, packs: Packs) -> list[tuple[str, PackStatus]]:
    """The packs of an element that were begun, by anyone; of a follow-up there are none."""
    if not handed.elements:
        return []
    ids = (pack_id(runs) for slice_ in handed.elements[index] for runs in slice_)
    return [(i, packs.statuses[i]) for i in ids if i in packs.statuses]


def _in_job(job: str, status: PackStatus) -> bool:
    """Whether it was last in hand in this very job."""
    return status.job.rpartition("_")[0] == job


def _failed(status: PackStatus) -> bool:
    """Whether it raised an error, in training or in being measured again."""
    return status.state == "failed" or status.measuring_failed


def _brought_on(status: PackStatus, begun: float, measures: str | None) -> bool:
    """Whether more of it is done than was `begun`, or it is measured as was wanted."""
    if measures is not None:
        return status.state == "done" and meets(status.evaluation, measures)
    return status.state == "done" or share(status) > begun


def _measured_again(handed: Handed) -> Mapping[str, str]:
    """By what packs that are done are measured again, by their ids."""
    return {i: settings for settings, measured in handed.measures.items() for i in measured}
