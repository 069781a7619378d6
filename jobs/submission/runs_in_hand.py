"""Which runs a plan leaves out: those that Slurm has in hand, and those that the retry policy holds back."""

from __future__ import annotations

from jobs.cluster.cluster_config import Cluster
from jobs.planning.plan import IN_HAND
from jobs.slurm.client import Slurm
from jobs.store.journal import read_journal
from jobs.store.pack_status import Packs
from jobs.store.planned_runs import read_rows
from jobs.store.stopped import still_stopped
from jobs.submission.job_outcomes import look
from jobs.submission.retries import judge
from regularize.store import Store


def without(store: Store, packs: Packs, cluster: Cluster) -> dict[str, str]:
    """Reasons by run id, for one look at a store. Slurm is asked only if jobs may be at work.

    Raises:
        UserError: Slurm has jobs of the sweep and does not answer.
    """
    journal = read_journal(store.journal)
    held: dict[str, str] = {}
    if cluster.kind == "slurm":
        held = {**judge(journal, packs, cluster).left_out}
    sight = look(journal, Slurm())
    why = still_stopped(store, cluster.max_failures) if cluster.kind == "slurm" else None
    if why and why.holds(at_work=bool(sight.live)):
        held = dict.fromkeys((row.run_id for row in read_rows(store)), why.reason) | held
    return {**held, **dict.fromkeys(sight.live_runs(), IN_HAND)}
