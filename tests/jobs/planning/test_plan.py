from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.planning.plan import Plan, make_plan
from jobs.planning.tuning import wanted_runs
from jobs.store.pack_status import Packs, read_packs
from jobs.sweep.run_grid import Cell, PlannedRun, report_runs, tune_runs
from jobs.sweep.sweep_file import Sweep, load_sweep
from regularize.config import pack_id
from regularize.data.official import OFFICIAL
from regularize.errors import UserError
from regularize.evaluation.settings import Evaluation, Robustness
from regularize.store import Store
from tests.jobs.stores import status, write_pack
from tests.jobs.sweeps import BASE

FACTS = {"digits": OFFICIAL["digits"].facts}
CLUSTER = Cluster(kind="local", tasks=2, pack_runs=8)
CHOSEN = {Cell("digits", None, "lenet5", "none"): "", Cell("digits", None, "lenet5", "l2"): "0.0001"}


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Six tune runs, then six report runs."""
    path = tmp_path / "sweep.yaml"
    path.write_text(BASE, encoding="utf-8")
    return load_sweep(path)


def ids(runs: Sequence[PlannedRun]) -> list[str]:
    return [run.config.run_id for run in runs]


def packs(*begun: tuple[Sequence[str], str]) -> Packs:
    return Packs({pack_id(runs): status(runs, state) for runs, state in begun})


def planned(sweep: Sweep, found: Packs, chosen: dict[Cell, str] | None = None) -> Plan:
    return make_plan(
        *wanted_runs(sweep, found, lambda _: chosen and {cell: [text] for cell, text in chosen.items()}, {}),
        found,
        CLUSTER,
        FACTS,
    )


def test_an_empty_store_gets_every_tune_run_and_knows_what_is_ahead(sweep: Sweep) -> None:
    plan = planned(sweep, Packs())
    assert sorted(i for pack in plan.packs for i in pack.runs) == sorted(ids(tune_runs(sweep)))
    assert len(plan.ahead) == 6
    assert plan.cells()["l2", "digits"] == {"to do": 4, "ahead": 3}
    assert plan.seconds > 0
    assert plan.bytes > 12 * FACTS["digits"].test * 40


def test_the_share_of_measuring_is_known_ahead(sweep: Sweep) -> None:
    asked = Evaluation(every=1, jacobian_examples=360, robustness=Robustness(pgd_steps=100, examples=360))
    shares = [
        planned(dataclasses.replace(sweep, evaluation=evaluation), Packs()).measuring
        for evaluation in (Evaluation(jacobian_examples=0), Evaluation(), asked)
    ]
    assert 0 < shares[0] < shares[1] < shares[2] < 1
    assert shares[2] > 0.5
    phases = wanted_runs(sweep, Packs(), lambda _: None, {})
    everything = [run.config.run_id for phase in phases for run in phase]
    done = Packs({pack_id([run]): status([run], "done") for run in everything})
    assert make_plan(tune_runs(sweep), [], done, CLUSTER, FACTS).measuring == 0


def test_a_model_that_does_not_take_the_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(BASE.replace("model: lenet5", "model: toy_plane"), encoding="utf-8")
    with pytest.raises(UserError, match="model toy_plane takes points in the plane, 4 classes"):
        planned(load_sweep(path), Packs())


def test_done_runs_are_never_planned_again(sweep: Sweep) -> None:
    done, *rest = ids(tune_runs(sweep))
    plan = planned(sweep, packs(([done], "done")))
    assert sorted(i for pack in plan.packs for i in pack.runs) == sorted(rest)
    assert plan.to_do == 5


def test_a_begun_pack_keeps_its_id(sweep: Sweep) -> None:
    begun = ids(tune_runs(sweep))[2:5]
    plan = planned(sweep, packs((begun, "interrupted")))
    assert pack_id(begun) in [pack.pack_id for pack in plan.packs]
    assert plan.to_json()["packs_resumed"] == 1


def test_report_runs_at_the_chosen_strengths_follow_once_all_tune_runs_are_done(sweep: Sweep) -> None:
    tune = ids(tune_runs(sweep))
    plan = planned(sweep, packs((tune, "done")), CHOSEN)
    assert sorted(i for p in plan.packs for i in p.runs) == sorted(ids(report_runs(sweep, CHOSEN)))
    assert not plan.ahead
    early = planned(sweep, packs((tune[1:], "done")), CHOSEN)
    assert [i for pack in early.packs for i in pack.runs] == tune[:1]


def test_a_finished_sweep_has_nothing_to_do_and_counts_the_diverged(sweep: Sweep) -> None:
    runs = ids(tune_runs(sweep) + report_runs(sweep, CHOSEN))
    found = Packs({"one": status(runs, "done", diverged=(runs[0],))})
    plan = planned(sweep, found, CHOSEN)
    assert (plan.slices, plan.seconds, plan.bytes) == ([], 0, 0)
    assert plan.to_json()["diverged"] == 1
    assert plan.cells()["none", "digits"] == {"done": 5}


def test_a_single_phase_plans_every_strength_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(BASE.replace("{tune: 2, report: 3}", "2"), encoding="utf-8")
    plan = planned(load_sweep(path), Packs())
    assert (plan.to_do, len(plan.ahead)) == (6, 0)


def test_models_are_told_apart_only_where_there_are_several(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(BASE.replace("model: lenet5", "model: [lenet5, lenet_prime]"), encoding="utf-8")
    assert ("l2 (lenet_prime)", "digits") in planned(load_sweep(path), Packs()).cells()


def test_the_plan_as_json_adds_up(sweep: Sweep) -> None:
    done = ids(tune_runs(sweep))[:2]
    found = json.loads(json.dumps(planned(sweep, packs((done, "done"))).to_json()))
    assert found["runs"] == found["done"] + found["to_do"] == 6
    assert sum(cell["to_do"] for cell in found["cells"]) == found["to_do"]
    assert sum(cell["ahead"] for cell in found["cells"]) == found["ahead"] == 6


def test_broken_and_missing_statuses_do_not_hide_work(sweep: Sweep, tmp_path: Path) -> None:
    store, tune = Store(tmp_path), ids(tune_runs(sweep))
    write_pack(store, tune[:2], "done")
    write_pack(store, tune[2:4], "done").status.write_text("{", encoding="utf-8")
    (store.packs / "empty").mkdir()
    found = read_packs(store)
    assert sorted(i for p in planned(sweep, found).packs for i in p.runs) == sorted(tune[2:])
    assert list(found.broken) == [pack_id(tune[2:4])]
