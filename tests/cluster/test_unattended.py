"""What goes on without a person, what waits for one, and what is said of either."""

from __future__ import annotations

import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.slurm.node_names import expanded
from jobs.store.journal import read_journal
from jobs.support.readable_numbers import plural
from regularize.config import pack_id
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster
from tests.cluster.trial import SMALL, Trial

SWEEP = """\
name: small
dataset: {digits: {per_class: 20}}
model: mlp
training: {steps: 20, batch_size: 16}
regularizers:
  none:
  l2: {strength: [1e-3, 1e-2]}
seeds: {tune: 1, report: 1}
"""
TUNE, REPORT = 3, 2
DONE = f"{TUNE + REPORT} of {TUNE + REPORT} runs done (tune {TUNE} of {TUNE}, report {REPORT} of {REPORT})"
PICKY = SWEEP.replace("model: mlp", "model: tests.cluster.picky_network:build")


def follow_up(trial: Trial) -> str:
    """The id of the last follow-up."""
    return str(
        [handed for handed in read_journal(trial.store.journal).handed if not handed.elements][-1].job_id
    )


def hearing(folder: Path) -> str:
    """A command that writes its arguments into `heard` of a folder, one a line."""
    hook = folder / "hook"
    hook.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {folder}/heard\n', encoding="utf-8")
    hook.chmod(0o755)
    return str(hook)


def test_waiting_ends_when_both_phases_are_done(slurm: TestCluster, tmp_path: Path, data_root: Path) -> None:
    trial = Trial(tmp_path, data_root, SWEEP, notify=[hearing(tmp_path), "$(touch pwned)"])
    said = trial.submit("--wait")
    assert (said.code, slurm.queued()) == (0, [])
    heard = (tmp_path / "heard").read_text(encoding="utf-8").splitlines()
    assert heard == ["$(touch pwned)", f"small is over: {TUNE + REPORT} of {TUNE + REPORT} runs done"]
    assert said.err.splitlines()[-1] == DONE
    assert trial.store.table("selection").exists()
    logs = trial.regularize("logs", "--state", "done", "--lines", "200").out
    for pack in trial.packs():  # tasks of Slurm tell as much as workers of this machine
        told = re.findall(rf"^\d\d-\d\d \S+  {pack_id(pack)}: (.*)", logs, re.MULTILINE)
        assert told[0] == f"{len(pack)} runs, from epoch 0 of 2, step 0 of 20"
        assert re.match(r"(epoch 1/2|step \d+/20): .*validation \d", told[1]), told
        assert told[-1].startswith("done after ")
    assert re.search(r"epoch 2/2: loss \d", logs), "which is not measured of tune runs"


def test_what_is_tuned_is_chosen_unattended_before_anything_is_reported(
    slurm: TestCluster, tmp_path: Path, data_root: Path, python: list[str]
) -> None:
    """A grid that goes on beyond its edge, and beside it a budget; nobody waits for either."""
    one, few = "strength: 1e-6", "strength: {loguniform: [1e-4, 1]}"
    sweeps = {
        "widened": (one, "tune: {lr: [0.001, 0.003]}\nwiden: 1\n"),
        "drawn": (few, "tune: {lr: {loguniform: [0.01, 0.3]}}\nbudget: 2\n"),
    }
    trials = {}
    for name, (strength, tuning) in sweeps.items():
        (tmp_path / name).mkdir()
        text = SWEEP.replace("name: small", f"name: {name}").replace("strength: [1e-3, 1e-2]", strength)
        trials[name] = Trial(tmp_path / name, data_root, text + tuning, python=python)
        assert trials[name].submit().code == 0
    slurm.wait_until_idle()
    assert {name: trial.states() for name, trial in trials.items()} == {
        "widened": {"done": 2 * 3 + REPORT},
        "drawn": {"done": 2 * 2 + REPORT},
    }
    for trial in trials.values():
        tried = pq.read_table(trial.store.table("selection")).to_pylist()
        chosen = {row["regularizer"]: row["strength"] for row in tried if row["chosen"]}
        rows = pq.read_table(trial.store.table("results")).to_pylist()
        assert {r["regularizer"]: r["strength"] for r in rows if r["phase"] == "report"} == chosen
        counts = Counter(row["regularizer"] for row in tried)
        assert counts["none"] == counts["l2"]
    widened = pq.read_table(trials["widened"].store.table("selection")).to_pylist()
    assert {row["strength"].rpartition(" ")[2] for row in widened if row["chosen"]} == {"lr=0.009"}


def test_an_error_waits_for_retry_and_the_first_phase_for_it(
    slurm: TestCluster,
    tmp_path: Path,
    data_root: Path,
    python: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    permit = tmp_path / "permit"
    monkeypatch.setenv("PERMIT", str(permit))
    trial = Trial(tmp_path, data_root, PICKY, max_jobs=1, max_failures=1, python=python)
    waited = trial.submit("--wait")
    assert waited.code == 1
    (first,) = trial.packs()  # as it failed, the other of the same job was not begun
    failed, others = len(first), TUNE - len(first)
    error = f"RuntimeError: not yet permitted (packs/{pack_id(first)}/error.txt)"
    alike = f"the last {plural(failed, 'run')} to end failed alike: {error}"
    held_back = {f"{plural(failed, 'run')} left out: failed", f"{plural(others, 'run')} left out: {alike}"}
    retry = "; `regularize retry` hands them over again"
    assert {line.removesuffix(retry) for line in waited.err.splitlines()[-2:]} == held_back
    assert "RuntimeError: not yet permitted" in waited.err
    logs = trial.regularize("logs").out
    assert "Traceback" in logs
    assert any("no further pack is begun" in path.read_text() for path in trial.store.logs.iterdir())
    status = " ".join(trial.regularize("status").out.split())
    assert all(line in status for line in held_back)

    # A further submission changes nothing.
    again = trial.submit()
    assert (again.code, slurm.queued()) == (1, [])
    assert all(line in again.err for line in held_back)

    permit.touch()
    assert f"{plural(failed, 'run')} to try again" in trial.regularize("retry").err
    local = trial.regularize("submit", "--data-root", str(data_root))
    assert (local.code, "this sweep is in Slurm's queue" in local.err) == (2, True)
    slurm.wait_until_idle()
    assert trial.states() == {"done": TUNE + REPORT}


def test_a_node_that_swallows_jobs_is_left_out_of_the_next_request(
    slurm: TestCluster, tmp_path: Path, data_root: Path, python: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.planning.job_arrays.LEAST_SECONDS", 1e-6)
    hole = 'test "$SLURMD_NODENAME" != n1 || exit 1'  # the follow-up, too
    keys = {
        "pack_runs": 1,
        "memory": "900M",
        "python": python,
        "setup": [hole],
        "notify": [hearing(tmp_path)],
    }
    trial = Trial(tmp_path, data_root, SWEEP, **keys)
    assert trial.submit().code == 0
    slurm.wait_until_idle()
    assert trial.states() == {"done": TUNE + REPORT}
    first, again, *_ = read_journal(trial.store.journal).arrays
    assert [ending.nodes for ending in first.endings.values()] == ["n1"] * TUNE
    assert "n1" not in {ending.nodes for ending in again.endings.values()}
    said = trial.regularize("status").out
    assert f"node n1 is left out of the next request: {TUNE} attempts there achieved nothing" in said
    (heard,) = (tmp_path / "heard").read_text(encoding="utf-8").splitlines()
    assert heard.startswith("small is over: ")


def test_what_fails_on_one_node_alone_is_trained_elsewhere(
    slurm: TestCluster, tmp_path: Path, data_root: Path, python: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packs raise an error on n1, once others were trained on n2; it stops the sweep until that is seen."""
    monkeypatch.setattr("jobs.planning.job_arrays.LEAST_SECONDS", 1e-6)
    (tmp_path / "permit").touch()
    monkeypatch.setenv("PERMIT", str(tmp_path / "permit"))
    done = f'grep -qs \'"state": *"done"\' {tmp_path}/store/small/packs/*/status.json'
    breaks = f"export PERMIT=/nowhere; until {done}; do sleep 0.2; done"
    keys = {
        "pack_runs": 1,
        "memory": "900M",
        "python": python,
        "max_failures": 2,
        "sbatch": {"exclude": "n[3-4]"},
        "setup": [f'if [ "$SLURMD_NODENAME${{SLURM_JOB_DEPENDENCY-}}" = n1 ]; then {breaks}; fi'],
    }
    sweep = SMALL.replace("model: mlp", "model: tests.cluster.picky_network:build")
    trial = Trial(tmp_path, data_root, sweep.replace("seeds: 1", "seeds: 6"), **keys)
    assert trial.submit().code == 0
    slurm.wait_until_idle()
    assert trial.states() == {"done": 6}
    first, *later = read_journal(trial.store.journal).arrays
    nodes = {ending.nodes for ending in first.endings.values()}
    assert nodes == {"n1", "n2"}
    assert {ending.nodes for handed in later for ending in handed.endings.values()} == {"n2"}
    assert "node n1 is left out of the next request: " in trial.regularize("status").out


@pytest.mark.parametrize("accounts", [True, False])
def test_of_jobs_on_two_nodes_the_one_on_which_all_fails_is_left_out(
    slurm: TestCluster,
    tmp_path: Path,
    data_root: Path,
    python: list[str],
    monkeypatch: pytest.MonkeyPatch,
    accounts: bool,
) -> None:
    """An array of such jobs, whose nodes say themselves who they are where Slurm keeps no accounts."""
    if not accounts:
        none = {"AccountingStorageType": "accounting_storage/none", "AccountingStorageEnforce": None}
        slurm.set_config(MinJobAge=2, **none)
    (tmp_path / "permit").touch()
    monkeypatch.setenv("PERMIT", str(tmp_path / "permit"))
    keys = {
        "pack_runs": 1,
        "nodes": 2,
        "memory": "900M",
        "python": [breaking(tmp_path, "n1", python)],
        "sbatch": {"exclude": "n4"},
        "max_jobs": 2,
    }
    sweep = SMALL.replace("model: mlp", "model: tests.cluster.picky_network:build")
    trial = Trial(tmp_path, data_root, sweep.replace("seeds: 1", "seeds: 8"), **keys)
    monkeypatch.setattr("jobs.planning.job_arrays.LEAST_SECONDS", 1e-6)
    assert trial.submit().code == 0
    slurm.wait_until_idle()
    assert trial.states() == {"done": 8}
    first, again, *_ = read_journal(trial.store.journal).arrays
    assert len(first.elements) == 2
    assert {name for ending in again.endings.values() for name in expanded(ending.nodes)} == {"n2", "n3"}
    assert "node n1 is left out of the next request: 4 packs failed there" in trial.regularize("status").out


def test_where_one_node_has_failed_all_before_another_had_a_try_the_others_are_tried(
    slurm: TestCluster, tmp_path: Path, data_root: Path, python: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All jobs begin on n1, and `max_failures` are had there; the only node of a partition stays stopped."""
    (tmp_path / "permit").touch()
    monkeypatch.setenv("PERMIT", str(tmp_path / "permit"))
    monkeypatch.setattr("jobs.planning.job_arrays.LEAST_SECONDS", 1e-6)
    sweep = SMALL.replace("model: mlp", "model: tests.cluster.picky_network:build")
    trials = {}
    for name, exclude in (("others", "n[3-4]"), ("only", "n[2-4]")):
        (tmp_path / name).mkdir()
        keys = {
            "pack_runs": 1,
            "memory": "900M",
            "python": [breaking(tmp_path, "n1", python)],
            "sbatch": {"exclude": exclude},
            "max_jobs": 2,
            "max_failures": 2,
        }
        trials[name] = Trial(tmp_path / name, data_root, sweep.replace("seeds: 1", "seeds: 6"), **keys)
        assert trials[name].submit().code == 0
    slurm.wait_until_idle()
    assert trials["others"].states() == {"done": 6}
    first, *later = read_journal(trials["others"].store.journal).arrays
    assert {ending.nodes for ending in first.endings.values()} == {"n1"}
    assert {ending.nodes for handed in later for ending in handed.endings.values()} == {"n2"}
    assert trials["only"].states().keys() == {"failed", "lost"}
    said = " ".join(trials["only"].regularize("status").out.split())
    assert "runs to end failed alike: RuntimeError: not yet permitted" in said
    assert "is left out of the next request" not in said


def breaking(folder: Path, node: str, python: Sequence[str]) -> str:
    """Python for `python:` whose networks are not permitted on a node."""
    path = folder / "python"
    path.write_text(
        f'#!/bin/sh\n[ "$SLURMD_NODENAME${{SLURM_JOB_DEPENDENCY-}}" = {node} ] && export PERMIT=/nowhere\n'
        f'exec {shlex.join(python)} "$@"\n'
    )
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def solo(slurm: TestCluster) -> Iterator[str]:
    """A partition of one node."""
    slurm.run("scontrol", "create", "PartitionName=solo", "Nodes=n1", "State=UP")
    yield "solo"
    slurm.run("scontrol", "delete", "PartitionName=solo")


def test_the_only_node_of_a_partition_is_not_lost_by_mistakes(
    slurm: TestCluster, tmp_path: Path, data_root: Path, python: list[str], solo: str
) -> None:
    """Slurm has no other: it is asked again, and a retry forgets it; also after something was done there."""
    broken = tmp_path / "broken"
    mistake = f"test ! -e {broken} || exit 1"
    keys = {"partition": solo, "memory": "900M", "python": python, "follow_up": False}
    again = "may go to n1, where attempts achieved nothing"

    def submit(sweep: str, *, fails: bool) -> str:
        (broken.touch if fails else broken.unlink)()
        trial = Trial(tmp_path, data_root, sweep, **keys, setup=[mistake])
        said = trial.submit()
        slurm.wait_until_idle()
        assert (said.code, trial.states().get("lost", 0)) == (0, int(fails)), said
        return " ".join(said.err.split())

    assert [again in submit(SMALL, fails=True) for _ in range(3)] == [False, False, True]
    trial = Trial(tmp_path, data_root, SMALL, **keys)
    broken.unlink()
    said = trial.regularize("retry")
    assert (said.code, again in " ".join(said.err.split())) == (0, False), said
    slurm.wait_until_idle()
    assert trial.states() == {"done": 1}

    grown = SMALL.replace("seeds: 1", "seeds: 2")
    assert [again in submit(grown, fails=fails) for fails in (True, True, False)] == [False, False, True]
    assert trial.states() == {"done": 2}


def test_a_follow_up_that_loses_its_node_is_brought_back(
    slurm: TestCluster, tmp_path: Path, data_root: Path, python: list[str]
) -> None:
    go = tmp_path / "go"
    hold = f'test -z "$SLURM_JOB_DEPENDENCY" || until test -e {go}; do sleep 0.2; done'
    trial = Trial(tmp_path, data_root, SWEEP, setup=[hold], python=python)
    assert trial.submit().code == 0
    job_id = follow_up(trial)
    slurm.wait_for_state(job_id, "RUNNING", seconds=240)
    node = slurm.run("squeue", "--noheader", f"--jobs={job_id}", "--format=%N").strip()
    slurm.kill_node(node)
    slurm.mark_down(node)
    slurm.wait_for_state(job_id, "PENDING")
    assert f"job {job_id} goes on by itself" in trial.regularize("status").out
    go.touch()
    slurm.wait_until_idle()
    assert trial.states() == {"done": TUNE + REPORT}


def test_a_follow_up_that_dies_is_named_with_what_continues(
    slurm: TestCluster, tmp_path: Path, data_root: Path, python: list[str]
) -> None:
    hook = hearing(tmp_path)
    trial = Trial(tmp_path, data_root, SWEEP, sbatch={"hold": True}, python=python, notify=[hook])
    assert trial.submit().code == 0
    job_id = follow_up(trial)
    trial.store.sweep.write_text(f"{SWEEP}\n# changed", encoding="utf-8")
    slurm.run("scontrol", "release", *{name.partition("_")[0] for name in slurm.queued()})
    slurm.wait_until_idle()
    wait_for("the account of its end", lambda: "FAILED" in slurm.run("sacct", "-Xnj", job_id, "-o", "State"))
    said = " ".join(trial.regularize("status").out.split())
    log = trial.store.logs / f"{job_id}_0_log.out"
    assert f"nothing goes on by itself: job {job_id}, which was to see to that, ended as FAILED" in said
    why = f"{trial.store.sweep} is damaged (it is not what was submitted last)"
    assert f"error: {why}" in said
    assert "`regularize submit` continues" in said
    assert "Traceback" not in log.read_text(encoding="utf-8")
    (heard,) = (tmp_path / "heard").read_text(encoding="utf-8").splitlines()
    assert heard.startswith(f"small is stopped: {why}")
    assert heard.endswith("; `regularize submit` continues")
    trial = Trial(tmp_path, data_root, SWEEP, python=python)
    assert trial.submit("--wait").code == 0
    assert trial.states() == {"done": TUNE + REPORT}


def test_a_follow_up_that_is_killed_tells_of_it(
    slurm: TestCluster, tmp_path: Path, data_root: Path, python: list[str]
) -> None:
    """By the kernel where it takes too much memory, and at the end of its time; of scancel nobody is told.

    What fails on its node is tried on another, and told of at once where it may go to this one only.
    """
    ends = {
        "killed": "kill -9 $$",
        "memory": f'exec {sys.executable} -c "x = bytearray(10**9)"' if slurm.kernel_kills else "kill -9 $$",
        "time": "exec sleep 300",
        "nobody": "exec sleep 300",
        "setup": "true",
        "pinned": "true",
        "early": f"touch {tmp_path}/begun",
    }
    follows = 'test -z "$SLURM_JOB_DEPENDENCY"'
    setup = {
        "setup": f"{follows} || exit 3",
        "pinned": f"{follows} || exit 3",
        "early": f"{follows} || sleep 300",
    }
    trials = {}
    for name, line in ends.items():
        folder = tmp_path / name
        folder.mkdir()
        path = folder / "python"
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
        own = {"python": [str(path)], "time": 1 if name == "time" else 9, "memory": "300M"}
        own |= {"sbatch": {"nodelist": "n1"}} if name == "pinned" else {}
        keys = {"follow_up": own, "notify": [hearing(folder)], "python": python, "memory": "900M"}
        trials[name] = Trial(folder, data_root, SWEEP, **keys, setup=[setup[name]] if name in setup else [])
        assert trials[name].submit().code == 0
    for name in ("nobody", "early"):
        slurm.wait_for_state(follow_up(trials[name]), "RUNNING", seconds=240)
        slurm.run("scancel", follow_up(trials[name]))
    slurm.wait_until_idle()
    assert not (tmp_path / "begun").exists(), "what was cancelled goes on behind its setup"
    why = {
        "killed": "was killed, as by Slurm for its memory (`follow_up: {memory: 4G}` gives it more)",
        "time": "has reached its time limit (`follow_up: {time: 120}` gives it more)",
    }
    why |= {"memory": why["killed"], **dict.fromkeys(("setup", "pinned"), "ended with exit code 3")}
    for name, trial in trials.items():
        heard = (tmp_path / name / "heard").read_text() if (tmp_path / name / "heard").exists() else ""
        log = trial.store.logs / f"{follow_up(trial)}_0_log.out"
        job = f"job {follow_up(trial)}, which was to go on, {why[name]} ({log})" if name in why else ""
        assert heard == (f"small is stopped: {job}; `regularize submit` continues\n" if job else ""), name
    said = " ".join(trials["time"].regularize("status").out.split())
    assert "ended as TIMEOUT" in said
    assert "; `follow_up: {time: 120}` gives it more; `regularize submit` continues" in said


def test_without_a_follow_up_waiting_does_its_work(
    slurm: TestCluster, tmp_path: Path, data_root: Path
) -> None:
    """At a site whose sbatch exports nothing unless it is asked to, too."""
    keys = {"follow_up": False, "sbatch": {"export": "NONE"}, "notify": [hearing(tmp_path)]}
    trial = Trial(tmp_path, data_root, SWEEP, **keys)
    said = trial.submit("--wait")
    assert (said.code, slurm.queued()) == (0, []), said.err
    assert "`follow_up: false`: what comes next needs `regularize submit` again, or `--wait`" in said.err
    assert "`notify` is run by `--wait` alone" in said.err
    heard = (tmp_path / "heard").read_text(encoding="utf-8").splitlines()
    assert heard == [f"small is over: {TUNE + REPORT} of {TUNE + REPORT} runs done"]
    assert {"metrics", "results", "selection"} <= {path.stem for path in trial.store.tables.iterdir()}
    assert said.err.splitlines()[-1] == DONE
    assert all(handed.elements for handed in read_journal(trial.store.journal).handed)
