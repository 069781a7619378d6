"""Whether a sweep stays stopped whose runs failed alike, or goes on where they have not been tried."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace

from jobs.cluster.cluster_config import Cluster
from jobs.slurm.client import Slurm
from jobs.store.journal import Journal, append, read_journal
from jobs.store.pack_status import Packs
from jobs.store.stopped import Stopped, still_stopped, stopped
from jobs.submission.bad_nodes import bad_nodes, errors
from jobs.submission.job_outcomes import Sight
from jobs.submission.retries import excused
from regularize.store import Store, write_json


def stop_or_go_on(store: Store, cluster: Cluster, sight: Sight, packs: Packs, slurm: Slurm) -> Sight:
    """Take back the note that stops a sweep where it is to go on; the sight, with what that wrote down.

    It goes on where what failed did so on a bad node, or others have done well since; where one node alone
    has been tried it is blamed, and others are tried, if there are any. To be called by the holder of the
    store's lock.
    """
    if not stopped(store):
        return sight
    why = still_stopped(store, cluster.max_failures)
    if why is None or ((runs := _runs(why, packs)) and runs <= excused(sight.journal)):
        store.stopped.unlink(missing_ok=True)
    elif not why.host:
        write_json(store.stopped, asdict(why))
    elif (node := _only_node(why, sight.journal, packs)) and _others(node, cluster, sight.journal, slurm):
        append(store.journal, "blamed", node=node)
        store.stopped.unlink(missing_ok=True)
        return replace(sight, journal=read_journal(store.journal))
    return sight


def _runs(why: Stopped, packs: Packs) -> set[str]:
    """The runs of the pack that is told of."""
    status = packs.statuses.get(why.pack)
    return set(status.runs) if status else set()


def _only_node(why: Stopped, journal: Journal, packs: Packs) -> str:
    """The node that may be to blame; empty where it is not known, or that was not their first try."""
    raised = errors(journal)
    tries = [raised.get(run_id, [""]) for run_id in _runs(why, packs)]
    nodes = {node for each in tries for node in each}
    if len(nodes) > 1 or any(len(each) > 1 for each in tries):
        return ""
    node = "".join(nodes)
    return node if node in bad_nodes(replace(journal, blamed={node: sys.maxsize})) else ""


def _others(node: str, cluster: Cluster, journal: Journal, slurm: Slurm) -> bool:
    """Whether a job could go to other nodes."""
    left = slurm.taking_nodes(cluster) - {node, *bad_nodes(journal)}
    return len(left) >= cluster.nodes
