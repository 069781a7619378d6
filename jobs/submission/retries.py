"""Which unfinished runs are handed over again, and with how much memory. Pure.

Out of memory: again with twice as much, up to `max_memory`; out of time without a checkpoint: the same, up to
`max_time`. A lost node, preemption, the time limit, a
killed task, an end of which nothing is known: again, until `MOST_FRUITLESS` attempts in a row
brought nothing on (those do not count on nodes that are left out since). A Python error: not again, unless
it was raised on such a node, nor what was cancelled, until a person says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from jobs.cluster.cluster_config import Cluster
from jobs.slurm.node_names import expanded
from jobs.store.handed import Ending, Handed
from jobs.store.journal import Journal
from jobs.store.pack_status import Packs, lacks_files
from jobs.submission.bad_nodes import Bad, bad_nodes, errors
from jobs.submission.job_outcomes import CANCELLED, OUT_OF_MEMORY, TIMEOUT

MOST_FRUITLESS = 3
STARVED = "out of memory, and max_memory allows no more"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Runs that are left out, each with why, and what others need: MiB a node, and minutes."""

    left_out: Mapping[str, str]
    memory: Mapping[str, int]
    minutes: Mapping[str, int] = field(default_factory=dict)


def judge(journal: Journal, packs: Packs, cluster: Cluster) -> Verdict:
    """What the ends of all attempts mean for the runs that were in them; done ones do not matter."""
    memory, starved = _memory(journal, cluster)
    left_out = _given_up(journal) | starved | _ended_by_others(journal)
    left_out |= dict.fromkeys(failed(journal, packs), "failed")
    left_out |= dict.fromkeys(journal.cancelled, "cancelled")
    return Verdict(left_out=left_out, memory=memory, minutes=_minutes(journal, cluster))


def failed(journal: Journal, packs: Packs) -> set[str]:
    """Runs whose pack raised an error after they were last retried; of those done, in measuring it again.

    Not those that did so once, on a bad node: they are tried elsewhere. Nor those of which only files are
    gone or damaged.
    """
    never, done, elsewhere = (0, ""), packs.done(), excused(journal)
    return {
        run_id
        for status in packs.statuses.values()
        if (status.state == "failed" and not lacks_files(status)) or status.measuring_failed
        for run_id in status.runs
        if status.measuring_failed or run_id not in done
        if status.updated_at >= journal.retried.get(run_id, never)[1]
        if run_id not in elsewhere
    }


def excused(journal: Journal) -> set[str]:
    """Runs whose pack raised an error once since the last retry, on a bad node."""
    raised, bad = errors(journal), bad_nodes(journal)
    return {run_id for run_id, nodes in raised.items() if len(nodes) == 1 and nodes[0] in bad}


def endings(journal: Journal) -> Iterator[tuple[Handed, int, Ending]]:
    """How elements ended, in the order in which they were handed over."""
    for handed in journal.arrays:
        for index, ending in handed.endings.items():
            yield handed, index, ending


def _given_up(journal: Journal) -> dict[str, str]:
    fruitless: dict[str, int] = {}
    last: dict[str, str] = {}
    bad = bad_nodes(journal)
    for handed, index, ending in endings(journal):
        if ending.state != CANCELLED and not _by_a_node(ending, handed, bad):
            for run_id in _counted(journal, ending, handed.runs(index)):
                fruitless[run_id] = 0 if ending.progress else fruitless.get(run_id, 0) + 1
                last[run_id] = ending.state
    return {
        run_id: f"{count} attempts without progress, the last one {last[run_id]}"
        for run_id, count in fruitless.items()
        if count >= MOST_FRUITLESS
    }


def _by_a_node(ending: Ending, handed: Handed, bad: Mapping[str, Bad]) -> bool:
    """Whether an attempt achieved nothing on a bad node to which it went before that was known.

    Those that go there all the same, as Slurm has no other, count: they have to come to an end.
    """
    known = max((bad[node].known for node in expanded(ending.nodes) if node in bad), default=0)
    return not ending.progress and handed.line < known


def by_bad_nodes(journal: Journal) -> set[str]:
    """Runs of which attempts or errors do not count, as they were on bad nodes."""
    bad = bad_nodes(journal)
    attempts = [
        _counted(journal, ending, handed.runs(index))
        for handed, index, ending in endings(journal)
        if _by_a_node(ending, handed, bad)
    ]
    return excused(journal).union(*attempts)


def _memory(journal: Journal, cluster: Cluster) -> tuple[dict[str, int], dict[str, str]]:
    """What runs need that once ran out of memory, and those that cannot be given more."""
    needed: dict[str, int] = {}
    starved: dict[str, str] = {}
    for handed, index, ending in endings(journal):
        if ending.state != OUT_OF_MEMORY:
            continue
        more = min(2 * (handed.memory or 0), cluster.max_memory or 0)
        for run_id in handed.runs(index):
            if more > (handed.memory or 0):
                needed[run_id] = max(more, needed.get(run_id, 0))
        if more <= (handed.memory or 0):
            starved |= dict.fromkeys(_counted(journal, ending, handed.runs(index)), STARVED)
    return needed, starved


def _minutes(journal: Journal, cluster: Cluster) -> dict[str, int]:
    """What runs need that once reached the time limit without having got anywhere."""
    needed: dict[str, int] = {}
    for handed, index, ending in endings(journal):
        if ending.state == TIMEOUT and not ending.progress:
            more = min(2 * (handed.minutes or cluster.time), cluster.max_time or 0)
            for run_id in handed.runs(index):
                if more > cluster.time:
                    needed[run_id] = max(more, needed.get(run_id, 0))
    return needed


def _ended_by_others(journal: Journal) -> dict[str, str]:
    """Runs of jobs that someone ended with scancel, until everything is asked for again."""
    found: dict[str, str] = {}
    for handed, index, ending in endings(journal):
        for run_id in handed.runs(index):
            found.pop(run_id, None)  # it was handed over again since
        ours = (handed.token, index) in journal.ended_by_us
        if ending.state == CANCELLED and not ours and ending.line > journal.asked:
            found |= dict.fromkeys(_counted(journal, ending, handed.runs(index)), "ended by scancel")
    return found


def _counted(journal: Journal, ending: Ending, runs: Iterable[str]) -> Iterator[str]:
    """The runs that have not been retried since."""
    return (run_id for run_id in runs if ending.line > journal.retried.get(run_id, (0, ""))[0])
