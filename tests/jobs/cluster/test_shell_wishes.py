"""What the user's shell asks of sbatch stands where the config leaves it open, and not inside a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster, from_json
from jobs.cluster.shell_wishes import notes, with_wishes
from jobs.commands.cli import main
from regularize.errors import UserError

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


def test_what_is_not_taken_over_is_named_and_what_is_taken() -> None:
    shell = SHELL | {
        "SBATCH_TIMELIMIT": "10",
        "SBATCH_GRES": "gpu:1",
        "SBATCH_EXCLUSIVE": "",
        "SBATCH_QOS": "q",
    }
    taken, *others, dropped = notes(with_wishes(Cluster(kind="slurm", qos="mine"), shell), shell)
    assert taken == "account: deep (by $SBATCH_ACCOUNT), as the cluster config leaves it open"
    assert len(others) == 2
    assert dropped.startswith("$SBATCH_GRES, $SBATCH_TIMELIMIT: not taken over from this shell; ")
    assert notes(Cluster(kind="slurm"), {"SLURM_CONF": "x"}) == []
    for elsewhere in (Cluster(kind="local"), Cluster(kind="slurm", host="login")):
        assert notes(elsewhere, shell) == []
    assert notes(Cluster(kind="slurm"), {**shell, "SLURM_JOB_ID": "13"}) == []


def test_another_cluster_is_chosen_for_all_programs_or_not_at_all() -> None:
    shell = {"SBATCH_CLUSTERS": "other"}
    for environment in (shell, {**shell, "SLURM_CLUSTERS": "one"}):
        with pytest.raises(UserError, match=r"SBATCH_CLUSTERS is 'other'.*set SLURM_CLUSTERS=NAME"):
            with_wishes(Cluster(kind="slurm"), environment)
    same = {**shell, "SLURM_CLUSTERS": "other"}
    assert with_wishes(Cluster(kind="slurm"), same) == Cluster(kind="slurm")
    assert notes(Cluster(kind="slurm"), same) == []
    with_wishes(Cluster(kind="slurm"), {**shell, "SLURM_JOB_ID": "13"})


def test_check_says_so_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text("kind: slurm\n", encoding="utf-8")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    for name, value in {"PATH": "/nowhere", "SBATCH_QOS": "q", "SBATCH_TIMELIMIT": "10"}.items():
        monkeypatch.setenv(name, value)
    words = ["cluster", "check", str(tmp_path / "mine.yaml"), "--store", str(tmp_path)]
    assert main(words) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "note: qos: q (by $SBATCH_QOS), as the cluster config leaves it open" in said
    assert "note: $SBATCH_TIMELIMIT: not taken over" in said
    monkeypatch.setenv("SBATCH_CLUSTERS", "other")
    assert main(words) == 2
    assert "set SLURM_CLUSTERS=NAME in its place" in capsys.readouterr().err
