"""Nodes that swallow what others finish are left out; where everything fails alike, none is."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster, FollowUp
from jobs.slurm.sbatch_request import parameters, small
from jobs.store.handed import Ending, Handed
from jobs.store.journal import Journal, ended, read_journal, submitting
from jobs.store.pack_status import Packs
from jobs.submission.bad_nodes import bad_node_lines, bad_nodes
from jobs.submission.retries import judge


def journal(*ends: tuple[str, str, bool], retried: int = 0) -> Journal:
    """Attempts at one run after the other, each on a node."""
    handed = tuple(
        Handed(
            token=f"t{line}",
            name="",
            elements=(((("a",),),),),
            endings={0: Ending(state, progress, line, node)},
        )
        for line, (node, state, progress) in enumerate(ends, 1)
    )
    return Journal(handed=handed, retried={"a": (retried, "")} if retried else {})


HOLE = ("n1", "FAILED", False)


@pytest.mark.parametrize(
    ("ends", "bad"),
    [
        ([HOLE], set()),
        ([HOLE, HOLE], {"n1"}),  # nobody has tried another
        ([HOLE, HOLE, ("n2", "COMPLETED", True)], {"n1"}),
        ([HOLE, HOLE, ("n1", "COMPLETED", True)], set()),
        ([HOLE, HOLE, ("n2", "FAILED", False)], set()),  # it is not the nodes
        ([HOLE, HOLE, ("n2", "FAILED", False), ("n3", "TIMEOUT", True)], {"n1"}),
        ([("n1", "TIMEOUT", False)] * 3, set()),
        ([("n1", "OUT_OF_MEMORY", False)] * 3, set()),
        ([("n[1-2]", "FAILED", False)] * 3, set()),
    ],
)
def test_which_nodes_are_left_out(ends: list[tuple[str, str, bool]], bad: set[str]) -> None:
    assert bad_nodes(journal(*ends)).keys() == bad


def test_attempts_on_a_bad_node_do_not_exhaust_a_run_and_a_retry_forgets_them() -> None:
    ends = [HOLE, HOLE, HOLE, ("n2", "COMPLETED", True), ("n2", "NODE_FAIL", False)]
    assert judge(journal(*ends), Packs(), Cluster(kind="slurm")).left_out == {}
    assert bad_node_lines(journal(*ends)) == [
        "node n1 is left out of the next request: 3 attempts there achieved nothing"
    ]
    assert bad_nodes(journal(*ends, retried=9)) == {}


def test_they_are_excluded_beside_those_of_the_config() -> None:
    cluster = Cluster(kind="slurm", sbatch={"exclude": "n7"})
    asked = parameters(cluster, name="a", without=["n1", "n2"])["additional_parameters"]
    assert asked["exclude"] == "n7,n1,n2"
    assert "exclude" not in parameters(Cluster(kind="slurm"), name="a")["additional_parameters"]
    follows = small(cluster, name="a", after=["13"], without=["n1"])["additional_parameters"]
    assert follows["exclude"] == "n7,n1", "which would die there, and nobody would go on"
    elsewhere = Cluster(kind="slurm", follow_up=FollowUp(partition="serial"))
    assert "exclude" not in small(elsewhere, name="a", without=["n1"])["additional_parameters"]


def test_where_an_attempt_ended_is_in_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    submitting(path, Handed(token="t", name="", elements=(((("a",),),),)))
    ended(path, "t", {0: Ending("FAILED", False, nodes="n3")})
    assert read_journal(path).handed[0].endings[0] == Ending("FAILED", False, 2, "n3")
