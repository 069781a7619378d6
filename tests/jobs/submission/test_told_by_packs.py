"""Which nodes may be at fault for packs that raised errors, and which are good, by what the packs say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.slurm.client import Done, Slurm
from jobs.store.handed import Handed
from jobs.store.journal import append, submitting
from jobs.store.pack_status import Packs
from jobs.store.submitted_settings import Saved
from jobs.submission.bad_nodes import bad_nodes
from jobs.submission.follow_up_job import way_to_slurm
from jobs.submission.reconcile import reconcile
from jobs.submission.told_by_packs import Hosts, Told, told_by_packs
from regularize.config import pack_id
from regularize.store import Store
from tests.jobs.stores import status, write_pack


def told(slices: Sequence[str], ends: str, hosts: Hosts) -> Told:
    """Packs of one run each, `slices` of them, which ended one after the other.

    `ends` has for each its run, how it ended (failed, done, or interrupted) and its host's number.
    """
    elements = (tuple(tuple((run,) for run in runs) for runs in slices),)
    handed = Handed(token="t", name="", job_id="13", elements=elements)
    states = {"F": "failed", "D": "done", "I": "interrupted"}
    found = {
        pack_id([run]): status(
            [run], states[end], host=f"n{host}.site", job="13_0", updated_at=f"2026-01-0{day}"
        )
        for day, (run, end, host) in enumerate(ends.split(), 1)
    }
    return told_by_packs(handed, 0, Packs(found), hosts)


def by_run(said: Told) -> str:
    """Which runs raised errors, each with its node's number, if that may be at fault."""
    names = {pack_id([run]): run for run in "abcd"}
    return " ".join(sorted(f"{names[pack]}{node.removeprefix('n')}" for node, pack in said.raised))


@pytest.mark.parametrize(
    ("ends", "raised"),
    [
        ("aF1 bF1 cF1", "a1 b1 c1"),
        ("aF1 bF1 cD1", "a b"),  # it went well after
        ("aD1 bF1 cF1", "b1 c1"),
        ("aD1 bD1 cF1", "c"),  # a single one
        ("aF1 bF1 cI1", "a1 b1"),
        ("aF9 bF9 cF9", "a b c"),  # nobody calls it so
    ],
)
def test_which_packs_failed_by_what_may_be_their_node(ends: str, raised: str) -> None:
    assert by_run(told(["abc"], ends, Hosts(names=lambda: ["n1", "n2"]))) == raised
    assert (
        by_run(told(["abc"], ends.replace("1", "7"), Hosts(names=lambda: ["n1"]))) == raised.replace("9", "1")
        or "9" in ends
    ), "the only node there is, whatever it calls itself"


@pytest.mark.parametrize(
    ("ends", "raised", "good"),
    [
        ("aF1 bF1 cD2 dD2", "a1 b1", ["n2"]),
        ("cD2 dD2 aF1 bF1", "a1 b1", ["n2"]),
        ("aF1 bF1 cI2", "a1 b1", ["n2"]),
        ("aF1 cF2", "a1 c2", []),
        ("aF1 bD1 cF2 dF2", "a c2 d2", ["n1"]),
        ("aF1 bF1 cD9", "a1 b1", None),
        ("aD1 cD2", "", None),
    ],
)
def test_of_a_job_on_two_nodes_each_is_told_of(ends: str, raised: str, good: list[str] | None) -> None:
    said = told(["ab", "cd"], ends, Hosts(names=lambda: ["n1", "n2"], attempts=[["n1", "n2"]], wide=True))
    assert by_run(said) == raised
    assert said.good == (None if good is None else tuple(good))


def test_of_ranks_that_train_together_none_is_to_blame_and_all_are_good() -> None:
    """The host is that of the first rank, or of the last one to raise the error."""
    requeued = Hosts(names=lambda: ["n1", "n2", "n3"], attempts=[["n1", "n2"], ["n2", "n3"]], wide=True)
    said = told(["abc"], "aF2 bF1 cD1", requeued)
    assert (by_run(said), said.good) == ("a b", ("n1", "n2"))
    forgotten = told(["abc"], "aF2 bF1 cD1", Hosts(names=lambda: ["n1", "n2"], wide=True))
    assert (by_run(forgotten), forgotten.good) == ("a b", None)


def test_where_slurm_has_forgotten_the_nodes_packs_name_them(tmp_path: Path) -> None:
    """Without accounts: the controller knows nodes, and has no word any more of a job that has ended."""
    store = Store(tmp_path)
    config = "AccountingStorageType = accounting_storage/none\n"
    answers = {
        "config": Done(code=0, out=config, err=""),
        "partition": Done(code=0, out="PartitionName=main Nodes=n[1-3] State=UP\n", err=""),
        "13": Done(code=1, out="", err="slurm_load_jobs error: Invalid job id specified\n"),
    }
    disabled = Done(code=1, out="", err="Slurm accounting storage is disabled\n")
    squeue = "13_1|COMPLETED|None|N/A|N/A|n2|rs-x-t\n"
    slurm = Slurm(
        run=lambda command, _: {"sacct": disabled, "squeue": Done(code=0, out=squeue, err="")}.get(
            command[0], answers[command[-1]] if command[0] == "scontrol" else disabled
        )
    )
    elements = tuple(((tuple((run,) for run in runs)),) for runs in ("ab", "c"))
    submitting(store.journal, Handed(token="t", name="rs-x-t", elements=elements))
    append(store.journal, "submitted", token="t", job_id="13")
    for run in "ab":
        write_pack(store, [run], "failed", host="n1.site", job="13_0_0")
    write_pack(store, ["c"], "done", host="n2", job="13_1_0")
    sight, _ = reconcile(way_to_slurm(store, Saved(cluster=Cluster(kind="slurm"), data_root=None), slurm))
    first, second = (sight.journal.arrays[0].endings[index] for index in (0, 1))
    assert (first.state, first.nodes, by_run(Told(first.raised, None, ()))) == ("UNKNOWN", "n1", "a1 b1")
    assert (second.state, second.nodes) == ("COMPLETED", "n2")
    assert bad_nodes(sight.journal).keys() == {"n1"}


def test_of_a_job_that_was_requeued_errors_are_of_the_node_of_their_attempt(tmp_path: Path) -> None:
    store = Store(tmp_path)
    row = "13|{}|0:0|5|{}|None|Unknown|Unknown||00:00:00|1G|1|1|20||||rs-x-t\n"
    sacct = row.format("REQUEUED", "n1") + row.format("COMPLETED", "n2")
    slurm = Slurm(run=lambda command, _: Done(code=0, out=sacct if command[0] == "sacct" else "", err=""))
    submitting(store.journal, Handed(token="t", name="rs-x-t", elements=((tuple((run,) for run in "abc"),),)))
    append(store.journal, "submitted", token="t", job_id="13")
    for run in "ab":
        write_pack(store, [run], "failed", host="n1", job="13_0")
    write_pack(store, ["c"], "done", host="n2", job="13_0")
    sight, _ = reconcile(way_to_slurm(store, Saved(cluster=Cluster(kind="slurm"), data_root=None), slurm))
    ending = sight.journal.arrays[0].endings[0]
    assert (ending.nodes, by_run(Told(ending.raised, None, ())), ending.good) == ("n2", "a1 b1", ("n2",))
    assert bad_nodes(sight.journal).keys() == {"n1"}
