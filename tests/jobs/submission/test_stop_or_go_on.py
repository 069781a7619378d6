"""A sweep that was stopped for what failed on one node: other nodes are tried where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.slurm.client import Done, Slurm
from jobs.store.handed import Ending, Handed
from jobs.store.journal import append, ended, read_journal, submitting
from jobs.store.pack_status import read_packs
from jobs.store.stopped import stop_if_alike, stopped
from jobs.submission.bad_nodes import bad_nodes
from jobs.submission.job_outcomes import Sight
from jobs.submission.retries import judge
from jobs.submission.stop_or_go_on import stop_or_go_on
from regularize.config import pack_id
from regularize.store import Store
from tests.jobs.stores import write_pack

SINFO = "main|n1|idle\nmain|n2|mixed\nlong|n3|idle\nmain|n4|down*\n"


def failed_on(store: Store, token: str, ends: str, time: str = "2026-01-02T00:00:00") -> None:
    """Packs of one run each that ended on nodes: `aF1` failed on n1, `aD1` was done there."""
    packs = [(run, end, f"n{number}") for run, end, number in ends.split()]
    elements = tuple((((run,),),) for run, _, _ in packs)
    submitting(store.journal, Handed(token=token, name="", elements=elements))
    append(store.journal, "submitted", token=token, job_id="13")
    endings = {}
    for index, (run, end, node) in enumerate(packs):
        paths = write_pack(store, [run], "done" if end == "D" else "failed", host=node, updated_at=time)
        if end == "F":
            paths.error.write_text("ValueError: no", encoding="utf-8")
        raised = ((node, pack_id([run])),) if end == "F" else ()
        endings[index] = Ending("COMPLETED", True, nodes=node, raised=raised, good=() if raised else None)
    ended(store.journal, token, endings)


def look(store: Store, **values: object) -> tuple[bool, set[str], set[str]]:
    """Whether the sweep is stopped after a look, which nodes are left out then, and which runs."""
    cluster = Cluster(kind="slurm", max_failures=2, **values)  # type: ignore[arg-type]

    def run(command: Sequence[str], _: str | None) -> Done:
        return Done(
            code=0, out=SINFO if command[0] == "sinfo" else "PartitionName=main Default=YES\n", err=""
        )

    sight, packs = Sight(journal=read_journal(store.journal), live={}, gone={}), read_packs(store)
    sight = stop_or_go_on(store, cluster, sight, packs, Slurm(run=run))
    assert sight.journal == read_journal(store.journal)
    left_out = judge(sight.journal, packs, cluster).left_out
    return stopped(store) is not None, set(bad_nodes(sight.journal)), set(left_out)


def test_another_node_is_tried_and_where_all_fails_there_too_it_is_over(tmp_path: Path) -> None:
    store = Store(tmp_path)
    failed_on(store, "t", "aF1 bF1 cF1")
    assert look(store) == (False, set(), set("abc")), "nothing was stopped"
    stop_if_alike(store, 2)
    assert look(store) == (False, {"n1"}, set())
    failed_on(store, "u", "aF2", "2026-01-02T00:00:02")
    stop_if_alike(store, 2)
    assert look(store) == (True, set(), set("abc")), "what is not tried, either"
    append(store.journal, "retried", runs=[*"abc"])
    assert bad_nodes(read_journal(store.journal)) == {}


def test_where_others_are_trained_there_the_node_stays_out(tmp_path: Path) -> None:
    store = Store(tmp_path)
    failed_on(store, "t", "aF1 bF1 cF1")
    stop_if_alike(store, 2)
    look(store)
    failed_on(store, "u", "aD2 bF2", "2026-01-02T00:00:02")
    stop_if_alike(store, 2)
    assert look(store) == (False, {"n1"}, {"b"})


@pytest.mark.parametrize(
    "values",
    [
        {"partition": "solo"},
        {"partition": "main", "nodes": 2},
        {"sbatch": {"exclude": "n[2-3]"}},
        {"sbatch": {"nodelist": "n1"}},
    ],
)
def test_where_there_is_no_other_the_sweep_stays_stopped(tmp_path: Path, values: dict[str, object]) -> None:
    store = Store(tmp_path)
    failed_on(store, "t", "aF1 bF1")
    stop_if_alike(store, 2)
    assert look(store, **values) == (True, set(), {"a", "b"})


def test_what_others_did_well_since_takes_the_note_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    failed_on(store, "t", "aF1 bF1")
    stop_if_alike(store, 2)
    failed_on(store, "u", "cD2", "2026-01-02T00:00:02")
    assert look(store, partition="solo") == (False, {"n1"}, set())


def test_a_node_that_nobody_can_name_is_not_blamed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    failed_on(store, "t", "aF1 bF1")
    stop_if_alike(store, 2)
    unclear = {
        index: Ending("COMPLETED", True, nodes="n[1-2]", raised=(("", pack_id([run])),), good=())
        for index, run in enumerate("ab")
    }
    ended(store.journal, "t", unclear)
    assert look(store) == (True, set(), {"a", "b"})
