"""What the user's shell asks of sbatch stands where the config leaves it open, and not inside a job."""

from __future__ import annotations

from jobs.cluster.cluster_config import Cluster, from_json
from jobs.cluster.shell_wishes import with_wishes

SHELL = {
    "SBATCH_ACCOUNT": "deep",
    "SLURM_PARTITION": "gpu",
    "SBATCH_RESERVATION": "course",
    "SLURM_CONF": "x",
}


def test_the_shells_wishes_are_kept_and_named() -> None:
    found = with_wishes(Cluster(kind="slurm"), SHELL)
    assert (found.account, found.partition, found.qos) == ("deep", "gpu", None)
    assert found.sbatch == {"reservation": "course"}
    assert found.wished == (
        "account: deep (by $SBATCH_ACCOUNT)",
        "partition: gpu (by $SLURM_PARTITION)",
        "reservation: course (by $SBATCH_RESERVATION)",
    )
    assert from_json(found.to_json()) == found, "the follow-up asks for the same"


def test_the_config_comes_before_them() -> None:
    found = with_wishes(Cluster(kind="slurm", account="mine", sbatch={"reservation": "r"}), SHELL)
    assert (found.account, found.sbatch, len(found.wished)) == ("mine", {"reservation": "r"}, 1)


def test_inside_a_job_they_are_that_jobs() -> None:
    cluster = Cluster(kind="slurm")
    assert with_wishes(cluster, {**SHELL, "SLURM_JOB_ID": "13"}) == cluster
    assert with_wishes(Cluster(kind="local"), SHELL) == Cluster(kind="local")
