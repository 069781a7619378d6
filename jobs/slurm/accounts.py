"""Which of several accounts is charged: Slurm takes one, so the first that it lets one submit with."""

from __future__ import annotations

from dataclasses import replace

from jobs.cluster.cluster_config import Cluster
from jobs.slurm.client import Slurm
from jobs.slurm.sbatch_request import parameters, script


def with_one_account(cluster: Cluster, slurm: Slurm) -> Cluster:
    """The cluster with the first of its accounts that `sbatch --test-only` passes and that has room.

    The last one where none does, so that its refusal is what is said. One account is taken as it is.
    """
    *others, last = (cluster.account or "").split(",")
    for account in others:
        one = replace(cluster, account=account)
        tried = slurm.test_only(script("true", "logs", parameters(one, name="rs-check")))
        if not tried.code and slurm.limits(one).room != 0:
            return one
        why = tried.said if tried.code else "it has no room for further jobs"
        slurm.say(f"account {account} is left out: {why}")
    return replace(cluster, account=last) if others else cluster
