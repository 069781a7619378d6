from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.planning.cost import Clock, Run
from jobs.planning.packing import Pack, balanced, longest, make_packs, make_slices
from regularize.config import RunConfig, Term
from regularize.data.data_config import DataConfig
from regularize.store import PackStatus
from regularize.training_config import Training
from tests.jobs.stores import status

CLOCK = Clock({})


def run(seed: int, technique: str = "none", phase: str = "tune") -> Run:
    config = RunConfig(
        data=DataConfig(name="digits"),
        model="lenet5",
        regularizer=technique,
        terms=() if technique == "none" else (Term.build(technique, {"strength": 0.1}),),
        training=Training(epochs=1),
        seed=seed,
    )
    return Run(config.run_id, config.pack_key, phase, config)


RUNS = [run(seed, technique) for technique in ("none", "l2", "jacobian") for seed in range(12)]
IDS = [r.run_id for r in RUNS]


@st.composite
def statuses(draw: st.DrawFn) -> list[PackStatus]:
    """Packs that were begun, of any runs, overlapping too."""
    groups = draw(st.lists(st.sets(st.sampled_from(IDS), min_size=1, max_size=10), max_size=6))
    states = ("running", "interrupted", "failed", "done")
    return [status(sorted(g), draw(st.sampled_from(states)), step=draw(st.integers(0, 100))) for g in groups]


@given(statuses(), st.sets(st.sampled_from(RUNS)), st.integers(1, 10), st.integers(1, 5))
def test_every_run_is_in_exactly_one_pack_and_no_pack_is_new_and_too_large(
    begun: list[PackStatus], to_do: set[Run], limit: int, tasks: int
) -> None:
    packs = make_packs(list(to_do), begun, CLOCK, limit=limit, tasks=tasks)
    assert Counter(i for pack in packs for i in pack.runs) == Counter(r.run_id for r in to_do)
    known = {s.runs for s in begun}
    assert all(len(pack.runs) <= limit or pack.runs in known for pack in packs)
    keys = {r.run_id: r.key for r in RUNS}
    assert all(len({keys[i] for i in pack.runs}) == 1 for pack in packs if pack.runs not in known)


@given(statuses(), st.permutations(RUNS))
def test_the_order_of_the_arguments_does_not_matter(begun: list[PackStatus], shuffled: list[Run]) -> None:
    packs = make_packs(RUNS, begun, CLOCK, limit=8, tasks=2)
    again = make_packs(shuffled, begun[::-1], CLOCK, limit=8, tasks=2)
    assert {p.pack_id for p in packs} == {p.pack_id for p in again}


@given(st.lists(st.floats(0, 1e6), max_size=30), st.integers(1, 6))
def test_slices_hold_every_pack_once_and_are_about_equally_long(seconds: list[float], tasks: int) -> None:
    packs = [Pack(runs=(str(i),), whole=s) for i, s in enumerate(seconds)]
    slices = make_slices(packs, tasks)
    assert sorted(p.runs for slice_ in slices for p in slice_) == sorted(p.runs for p in packs)
    assert len(slices) == min(tasks, len(packs))
    # Graham's bound for whoever gives the next one to the task that is free first.
    longest_one = max(seconds, default=0)
    assert longest(slices) <= sum(seconds) / tasks + (1 - 1 / tasks) * longest_one + 1e-6


@pytest.mark.parametrize("state", ["running", "interrupted", "failed"])
def test_a_begun_pack_stays_the_same_pack_and_only_its_rest_counts(state: str) -> None:
    half = status(IDS[:5], state, step=50)
    packs = make_packs(RUNS, [half], CLOCK, limit=3, tasks=1)
    same = next(pack for pack in packs if pack.runs == half.runs)
    assert same.seconds == pytest.approx(same.whole / 2)


def test_a_begun_pack_of_which_a_run_is_done_or_unwanted_is_packed_anew() -> None:
    packs = make_packs(RUNS[1:], [status(IDS[:5], "interrupted")], CLOCK, limit=12, tasks=1)
    assert all(pack.share == 0 for pack in packs)


def test_of_two_begun_packs_with_a_common_run_the_one_further_on_goes_on() -> None:
    near, far = status(IDS[:4], "interrupted", step=90), status(IDS[3:8], "interrupted", step=10)
    packs = make_packs(RUNS, [far, near], CLOCK, limit=8, tasks=1)
    assert near.runs in [pack.runs for pack in packs]
    assert far.runs not in [pack.runs for pack in packs]


@pytest.mark.parametrize(
    ("runs", "limit", "sizes"),
    [(9, 8, [4, 5]), (8, 8, [8]), (17, 8, [5, 6, 6]), (1, 8, [1]), (0, 8, []), (10, 4, [3, 3, 4])],
)
def test_parts_are_few_and_balanced(runs: int, limit: int, sizes: list[int]) -> None:
    assert [len(part) for part in balanced([str(i) for i in range(runs)], limit)] == sizes


@pytest.mark.parametrize(("tasks", "sizes"), [(1, [8]), (2, [4, 4]), (3, [2, 3, 3]), (8, [1] * 8)])
def test_few_runs_are_shared_among_the_tasks(tasks: int, sizes: list[int]) -> None:
    packs = make_packs(RUNS[:8], [], CLOCK, limit=8, tasks=tasks)
    assert sorted(len(pack.runs) for pack in packs) == sizes


def test_tune_runs_come_before_report_runs_and_low_seeds_before_high_ones() -> None:
    runs = [run(1, phase="report"), run(7), run(0, phase="report"), run(3)]
    packs = make_packs(runs, [], CLOCK, limit=1, tasks=1)
    assert [pack.runs[0] for pack in packs] == [runs[k].run_id for k in (3, 1, 2, 0)]


def test_a_pack_is_of_one_phase_as_the_phases_are_measured_differently() -> None:
    runs = [run(seed, phase=phase) for seed, phase in enumerate(("tune", "report", "tune", "report"))]
    packs = make_packs(runs, [], CLOCK, limit=8, tasks=1)
    assert sorted(pack.runs for pack in packs) == sorted(
        tuple(each.run_id for each in runs if each.phase == phase) for phase in ("tune", "report")
    )
