"""Nodes that swallow what others finish are left out; where everything fails alike, none is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster, FollowUp
from jobs.slurm.sbatch_request import parameters, small
from jobs.store.handed import Ending, Handed
from jobs.store.journal import Journal, ended, read_journal, submitting
from jobs.store.pack_status import Packs
from jobs.submission.bad_nodes import bad_node_lines, bad_nodes
from jobs.submission.retries import by_bad_nodes, judge
from regularize.config import pack_id
from tests.jobs.stores import status


def journal(*ends: tuple[str, str, bool], retried: int = 0, at_once: bool = False) -> Journal:
    """Attempts at one run after the other, each on a node, and handed over when the last one had ended.

    Or all `at_once`.
    """
    handed = tuple(
        Handed(
            token=f"t{number}",
            name="",
            line=0 if at_once else 2 * number,
            elements=(((("a",),),),),
            endings={0: Ending(state, progress, 99 if at_once else 2 * number + 1, node)},
        )
        for number, (node, state, progress) in enumerate(ends)
    )
    return Journal(handed=handed, retried={"a": (retried, "")} if retried else {}, forgiven=retried)


HOLE, GOOD = ("n1", "FAILED", False), ("n1", "COMPLETED", True)
OTHER, FAILS = ("n2", "COMPLETED", True), ("n2", "FAILED", False)
PAIR, PAIR_FAILS = ("n[1-2]", "TIMEOUT", True), ("n[1-2]", "FAILED", False)


@pytest.mark.parametrize(
    ("ends", "bad"),
    [
        ([HOLE], set()),
        ([HOLE, OTHER], set()),
        ([HOLE, HOLE], {"n1"}),  # nobody has tried another
        ([HOLE, HOLE, OTHER], {"n1"}),
        ([OTHER, HOLE, HOLE], {"n1"}),
        ([HOLE, HOLE, GOOD], set()),
        ([HOLE, HOLE, FAILS], set()),  # it is not the nodes
        ([HOLE, HOLE, FAILS, ("n3", "TIMEOUT", True)], {"n1"}),
        ([GOOD, HOLE, HOLE], {"n1"}),  # it was good once
        ([GOOD, HOLE, HOLE, FAILS], {"n1"}),
        ([GOOD, OTHER, HOLE, HOLE, FAILS, FAILS], set()),  # what fails everywhere since
        ([GOOD, HOLE, HOLE, GOOD, HOLE], set()),
        ([("n1", "TIMEOUT", False)] * 3 + [OTHER], set()),
        ([("n1", "OUT_OF_MEMORY", False)] * 3 + [OTHER], set()),
        ([PAIR_FAILS] * 3, {"n1", "n2"}),
        ([PAIR_FAILS] * 3 + [("n3", "FAILED", False)], set()),
        ([PAIR_FAILS] * 2 + [("n[3-4]", "COMPLETED", True)], {"n1", "n2"}),
        ([PAIR_FAILS] * 2 + [("n[2-3]", "COMPLETED", True)], {"n1"}),
        ([PAIR_FAILS, ("n[1,3]", "FAILED", False), OTHER], {"n1"}),
        ([PAIR, PAIR_FAILS, PAIR_FAILS], {"n1", "n2"}),
        ([("", "FAILED", False)] * 3 + [OTHER], set()),
    ],
)
def test_which_nodes_are_left_out(ends: list[tuple[str, str, bool]], bad: set[str]) -> None:
    assert bad_nodes(journal(*ends)).keys() == bad


def test_of_attempts_at_once_the_last_to_be_begun_count() -> None:
    """Those of one array are known to have ended by the same line."""
    ends = {0: GOOD, 1: OTHER, 2: HOLE, 3: HOLE}
    endings = {index: Ending(state, progress, 5, node) for index, (node, state, progress) in ends.items()}
    array = Handed(token="t", name="", elements=(((("a",),),),) * 4, endings=endings)
    assert bad_nodes(Journal(handed=(array,))).keys() == {"n1"}
    again = {3 - index: ending for index, ending in endings.items()}
    assert not bad_nodes(Journal(handed=(replace(array, endings=again),)))


def test_what_fails_everywhere_since_is_no_node_s_fault_within_one_array_either() -> None:
    ends = [GOOD, OTHER, HOLE, HOLE, FAILS, FAILS]
    endings = {index: Ending(state, progress, 5, node) for index, (node, state, progress) in enumerate(ends)}
    array = Handed(token="t", name="", elements=(((("a",),),),) * 6, endings=endings)
    assert not bad_nodes(Journal(handed=(array,)))


def test_attempts_on_a_bad_node_do_not_exhaust_a_run_and_a_retry_forgets_them() -> None:
    ends = [HOLE, HOLE, HOLE, OTHER, ("n2", "NODE_FAIL", False)]
    assert left_out(journal(*ends, at_once=True)) == {}
    assert bad_node_lines(journal(*ends)) == [
        "node n1 is left out of the next request: 3 attempts there achieved nothing"
    ]
    assert bad_nodes(journal(*ends, retried=9)) == {}
    assert by_bad_nodes(journal(*ends, at_once=True)) == {"a"}
    assert by_bad_nodes(journal(OTHER, FAILS)) == set()


def test_attempts_on_a_node_that_nothing_can_be_had_without_do_exhaust_it() -> None:
    """They go there though it is known to be bad, as Slurm refuses a request without it."""
    ends = [GOOD, *[HOLE] * 4]
    assert bad_nodes(journal(*ends)).keys() == {"n1"}
    assert left_out(journal(*ends)) == {}
    assert left_out(journal(*ends, HOLE)).keys() == {"a"}


def element(line: int, node: str, *packs: str, raised: str = "", done: bool = False) -> Handed:
    """An element of packs of a run each, of which some raised an error."""
    pairs = tuple((node if not done else "", pack_id([run])) for run in raised)
    elements = ((tuple((run,) for run in packs),),)
    ending = Ending("COMPLETED", True, line, node, pairs)
    return Handed(token=f"t{line}", name="", line=line - 1, elements=elements, endings={0: ending})


def failures(*runs: str) -> Packs:
    return Packs({pack_id([run]): status([run], "failed") for run in runs})


def test_a_node_on_which_packs_fail_that_others_train_is_left_out_and_they_are_tried_elsewhere_once() -> None:
    swallows = element(2, "n1", *"abc", raised="abc")
    assert not bad_nodes(Journal(handed=(swallows,))), "nobody knows whether it is the packs"
    good = element(2, "n2", "d")
    known = Journal(handed=(swallows, good))
    assert bad_node_lines(known) == [
        "node n1 is left out of the next request: 3 packs failed there, and those elsewhere did not"
    ]
    assert left_out(known, failures(*"abc")) == {}
    assert by_bad_nodes(known) == set("abc"), "whose failures a retry has to forget with those of the node"
    again = element(4, "n2", *"abc", raised="a", done=True)
    known = Journal(handed=(swallows, good, again))
    assert left_out(known, failures("a")) == {"a": "failed"}
    assert bad_nodes(known).keys() == {"n1"}
    assert bad_nodes(replace(known, forgiven=4)) == {}


@pytest.mark.parametrize(
    ("good", "bad"), [((), set()), (("n2",), {"n1"}), (("n3",), {"n1"}), (None, set()), (("n1",), set())]
)
def test_of_a_job_on_several_nodes_what_others_trained_tells(
    good: tuple[str, ...] | None, bad: set[str]
) -> None:
    """None: what earlier versions wrote."""
    pairs = tuple(("n1", pack_id([run])) for run in "ab")
    ending = Ending("COMPLETED", True, 2, "n[1-3]", pairs if good != ("n1",) else (("", "x"),), good)
    array = Handed(
        token="t", name="", line=1, elements=((tuple((run,) for run in "abc"),),), endings={0: ending}
    )
    assert bad_nodes(Journal(handed=(array,))).keys() == bad


def test_one_pack_in_each_of_two_jobs_that_share_a_node_is_as_two() -> None:
    array = Handed(
        token="t",
        name="",
        line=1,
        elements=(((("a",), ("b",)),), ((("c",), ("d",)),)),
        endings={
            0: Ending("COMPLETED", True, 2, "n[1-2]", (("n1", pack_id("a")),), ("n2",)),
            1: Ending("COMPLETED", True, 2, "n[1,3]", (("n1", pack_id("c")),), ("n3",)),
        },
    )
    assert bad_nodes(Journal(handed=(array,))).keys() == {"n1"}


def test_where_an_error_may_be_of_each_node_none_is_absolved_by_it() -> None:
    """Ranks of two nodes that train together: it is no progress there, either."""
    unclear = Ending("COMPLETED", True, 6, "n[1-2]", (("", pack_id("a")),), ())
    holes = [element(2, "n1", "b"), element(4, "n1", "c")]
    holes = [replace(each, endings={0: Ending("FAILED", False, each.line + 1, "n1")}) for each in holes]
    after = replace(element(6, "n1", "a"), endings={0: unclear})
    assert bad_nodes(Journal(handed=(*holes, after))).keys() == {"n1"}


def test_what_fails_everywhere_is_not_its_nodes_fault() -> None:
    good = [element(2, "n1", "g"), element(2, "n2", "h")]
    first = element(4, "n1", *"ab", raised="ab")
    beside = element(4, "n2", "c")
    assert bad_nodes(Journal(handed=(*good, first, beside))).keys() == {"n1"}
    second = element(6, "n2", *"ab", raised="ab")
    known = Journal(handed=(*good, first, beside, second, element(6, "n1", "d"), element(6, "n3", "e")))
    assert bad_nodes(known) == {}
    assert left_out(known, failures(*"ab")).keys() == {"a", "b"}


def test_a_single_pack_that_fails_is_not_its_nodes_fault() -> None:
    known = Journal(handed=(element(2, "n1", "a", raised="a"), element(2, "n2", *"bc")))
    assert bad_nodes(known) == {}
    assert left_out(known, failures("a")) == {"a": "failed"}


def left_out(journal: Journal, packs: Packs | None = None) -> Mapping[str, str]:
    return judge(journal, packs or Packs(), Cluster(kind="slurm")).left_out


def test_they_are_excluded_beside_those_of_the_config() -> None:
    cluster = Cluster(kind="slurm", sbatch={"exclude": "n7"})
    asked = parameters(cluster, name="a", without=["n1", "n2"])["additional_parameters"]
    assert asked["exclude"] == "n7,n1,n2"
    assert "exclude" not in parameters(Cluster(kind="slurm"), name="a")["additional_parameters"]
    follows = small(cluster, name="a", after=["13"], without=["n1"])["additional_parameters"]
    assert follows["exclude"] == "n7,n1", "which would die there, and nobody would go on"
    elsewhere = Cluster(kind="slurm", follow_up=FollowUp(partition="serial"))
    assert "exclude" not in small(elsewhere, name="a", without=["n1"])["additional_parameters"]


def test_where_an_attempt_ended_and_what_failed_there_is_in_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    submitting(path, Handed(token="t", name="", elements=(((("a",),),),)))
    ended(path, "t", {0: Ending("FAILED", False, nodes="n3")})
    assert read_journal(path).handed[0].endings[0] == Ending("FAILED", False, 2, "n3")
    ended(path, "t", {0: Ending("COMPLETED", True, nodes="n3", raised=(("n3", "ab"), ("", "cd")))})
    assert read_journal(path).handed[0].endings[0].raised == (("n3", "ab"), ("", "cd"))
    assert read_journal(path).handed[0].endings[0].good is None, "of earlier versions"
    for good in ((), ("n1", "n2")):
        ended(path, "t", {0: Ending("COMPLETED", True, nodes="n[1-3]", raised=(("n3", "ab"),), good=good)})
        assert read_journal(path).handed[0].endings[0].good == good
