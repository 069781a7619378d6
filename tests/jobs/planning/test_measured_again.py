"""What a plan makes of packs that are done but measured otherwise than the sweep asks for now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.planning.measured_again import NOT_ASKED
from jobs.planning.plan import IN_HAND, Plan, make_plan
from jobs.planning.plan_headline import headline
from jobs.store.pack_status import Packs
from jobs.sweep.run_grid import report_runs
from jobs.sweep.sweep_file import Sweep, load_sweep
from regularize.config import pack_id
from regularize.data.registry import OFFICIAL
from regularize.evaluation.settings import Evaluation, Robustness
from tests.jobs.stores import status
from tests.jobs.sweeps import BASE

FACTS = {"digits": OFFICIAL["digits"].facts}
HERE = Cluster(kind="local", tasks=2, pack_runs=3)
OLD = Evaluation(predictions=False, jacobian_examples=5)


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Nine runs, of three seeds."""
    path = tmp_path / "sweep.yaml"
    path.write_text(BASE[: BASE.index("seeds:")] + "seeds: 3\n", encoding="utf-8")
    return load_sweep(path)


def ids(sweep: Sweep) -> list[str]:
    return [run.config.run_id for run in report_runs(sweep)]


def packs(*done: Sequence[str], by: Evaluation = OLD, **changes: object) -> Packs:
    return Packs({pack_id(r): replace(status(r, "done"), evaluation=by.text, **changes) for r in done})


def planned(sweep: Sweep, found: Packs, without: Mapping[str, str] | None = None) -> Plan:
    return make_plan(report_runs(sweep), [], found, HERE, FACTS, without)


def test_it_measures_what_is_done_and_trains_the_rest(sweep: Sweep) -> None:
    runs = ids(sweep)
    found = packs(runs[:2], runs[2:5])
    plan = planned(sweep, found)
    assert (len(plan.done), plan.to_do, len(plan.again.runs)) == (5, 4, 5)
    measured = {pack.pack_id: pack for pack in plan.packs if pack.measures}
    assert set(measured) == set(found.statuses), "the same packs, whatever the cluster's pack_runs"
    assert {pack.measures for pack in measured.values()} == {sweep.evaluation.text}
    trained = [run_id for pack in plan.packs if not pack.measures for run_id in pack.runs]
    assert sorted(trained) == sorted(runs[5:])
    assert "4 runs to do in 2 packs and measure 5 runs again, from the weights of 2 packs," in headline(plan)
    told = plan.to_json()
    assert (told["done"], told["to_do"], told["to_measure"]) == (5, 4, 5)
    assert 0 < told["seconds_measuring"] <= 2 * told["seconds"]


def test_it_costs_less_than_training(sweep: Sweep) -> None:
    runs = ids(sweep)
    afresh, again = planned(sweep, Packs()), planned(sweep, packs(runs))
    assert again.to_do == 0
    assert headline(again).startswith("measure 9 runs again, from the weights of 1 pack, on 1 task, about")
    assert again.again.seconds < sum(pack.seconds for pack in afresh.packs) / 2


@pytest.mark.parametrize(
    ("by", "to_measure", "curves_stay"),
    [
        (Evaluation(), 0, 0),
        (Evaluation(robustness=Robustness()), 0, 0),
        (Evaluation(train_examples=100), 9, 0),
        (Evaluation(every=7), 0, 9),
        (Evaluation(every=7, jacobian_examples=0), 9, 9),
    ],
)
def test_only_what_differs_and_can_be_measured_again(
    sweep: Sweep, by: Evaluation, to_measure: int, curves_stay: int
) -> None:
    told = planned(sweep, packs(ids(sweep), by=by)).to_json()
    assert (told["to_measure"], told["curves_stay"]) == (to_measure, curves_stay)
    assert told["packs"] == bool(to_measure)


def test_of_packs_of_earlier_versions_nothing_is_known(sweep: Sweep) -> None:
    runs = ids(sweep)
    plan = planned(sweep, Packs({pack_id(runs): replace(status(runs, "done"), evaluation="")}))
    assert len(plan.again.runs) == 9
    assert not plan.again.stays


def test_a_pack_holds_runs_that_are_no_longer_planned(sweep: Sweep) -> None:
    runs = ids(sweep)
    plan = planned(sweep, packs([runs[0], "gone"], runs[1:], ["others"]))
    assert {pack.runs for pack in plan.packs} == {(runs[0], "gone"), tuple(runs[1:])}
    assert len(plan.again.runs) == 9


@pytest.mark.parametrize(
    ("without", "to_measure", "held"),
    [
        ({0: IN_HAND}, 6, {IN_HAND: 3}),
        ({0: "cancelled", 1: NOT_ASKED}, 6, {"cancelled": 3}),
        ({0: NOT_ASKED}, 9, {}),
        ({0: NOT_ASKED, 1: NOT_ASKED, 2: NOT_ASKED}, 6, {NOT_ASKED: 3}),
    ],
)
def test_packs_in_hand_or_left_out_are_not_measured(
    sweep: Sweep, without: dict[int, str], to_measure: int, held: dict[str, int]
) -> None:
    runs = ids(sweep)
    plan = planned(sweep, packs(runs[:3], runs[3:]), {runs[i]: reason for i, reason in without.items()})
    assert len(plan.again.runs) == to_measure
    reasons = list(plan.held.values())
    assert {reason: reasons.count(reason) for reason in reasons} == held
    assert plan.in_hand == held.get(IN_HAND, 0)
    assert plan.to_do == 0


def test_a_pack_is_worked_off_when_it_is_measured_as_asked_for(sweep: Sweep) -> None:
    runs = ids(sweep)
    (pack,) = planned(sweep, packs(runs)).packs
    before = status(runs, "done", evaluation=OLD.text)
    assert (pack.done(before), pack.ended(before), pack.share_left(before)) == (False, False, 1.0)
    failed = replace(before, measuring_failed=True)
    assert (pack.done(failed), pack.ended(failed), pack.share_left(failed)) == (False, True, 0.0)
    after = replace(before, evaluation=sweep.evaluation.text)
    assert (pack.done(after), pack.ended(after), pack.share_left(after)) == (True, True, 0.0)
    assert not pack.done(status(runs, "running")), "trained again, as its weights were gone"


def test_of_a_pack_with_runs_of_both_phases_those_that_ask_for_more_decide(sweep: Sweep) -> None:
    """Such packs are of before, and must not wait for ever for what nobody measures."""
    runs = report_runs(sweep)
    first = replace(runs[0].config, evaluation=sweep.evaluation.of_phase("tune"))
    mixed = [replace(runs[0], phase="tune", config=first), *runs[1:]]
    names = [run.config.run_id for run in mixed]
    choice = sweep.evaluation.of_phase("tune")
    plan = make_plan(mixed, [], packs(names, by=choice), HERE, FACTS)
    assert {pack.measures for pack in plan.packs} == {sweep.evaluation.text}
    assert plan.again.runs == {*names}
    assert make_plan(mixed, [], packs(names, by=sweep.evaluation), HERE, FACTS).to_do == 0
