"""Which runs a plan leaves out: those that Slurm has in hand, and those that the retry policy holds back."""

from __future__ import annotations

from jobs.cluster import Cluster
from jobs.journal import read_journal
from jobs.packs import Packs
from jobs.plan import IN_HAND
from jobs.retries import judge
from jobs.sight import look
from jobs.slurm.commands import Slurm
from regularize.store import Store


def without(store: Store, packs: Packs, cluster: Cluster) -> dict[str, str]:
    """Reasons by run id, for one look at a store. Slurm is asked only if jobs may be at work.

    Raises:
        UserError: Slurm has jobs of the sweep and does not answer.
    """
    journal = read_journal(store.journal)
    held = judge(journal, packs, cluster).left_out if cluster.kind == "slurm" else {}
    return {**held, **dict.fromkeys(look(journal, Slurm()).live_runs(), IN_HAND)}
