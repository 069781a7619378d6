"""What `cluster check` makes of what Slurm and the probe say; `tests/cluster` runs it on a real cluster."""

from __future__ import annotations

import ast
import json
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from jobs.cluster.cluster_config import Cluster, FollowUp
from jobs.cluster_check import Check, config_findings, node_findings, node_probe, remove, step_probe
from jobs.cluster_check.finding import Finding
from jobs.commands.cli import main
from jobs.slurm.limits import Limits
from jobs.slurm.sacct import FIELDS, parse_accounting
from jobs.store.meeting_place import Meeting, Place
from regularize import convolution_setting, fused
from regularize.errors import UserError
from regularize.fused import build
from regularize.store import read_json
from tests.jobs.sweeps import BASE
from tests.regularize.numbered_gpu import NAME, gpu

PARTITIONS = {
    "cpu": {"State": "UP", "TotalNodes": "4", "Default": "YES"},
    "old": {"State": "DRAIN", "TotalNodes": "2", "Default": "NO"},
}
ROWS = ({"Account": "deep", "QOS": "normal,long"}, {"Account": "other", "QOS": "normal"})


def _cluster(**asked_for: Any) -> Cluster:
    return Cluster(kind="slurm", **asked_for)


def _limits(**changes: Any) -> Limits:
    return Limits(
        **{"max_array_size": 1001, "max_submit_jobs": None, "max_time": None, "queued_now": 0, **changes}
    )


def _time(asked: int, most: int | None, *, taken: bool = True, **limits: Any) -> Finding:
    return config_findings.time_limit(_cluster(time=asked), _limits(max_time=most, **limits), taken=taken)


@pytest.mark.parametrize(
    ("finding", "state", "words"),
    [
        (config_findings.partition(_cluster(), PARTITIONS), "pass", "cpu: up, 4 nodes"),
        (
            config_findings.partition(_cluster(partition="cpus"), PARTITIONS),
            "fail",
            "'cpus'.*did you mean 'cpu'",
        ),
        (config_findings.partition(_cluster(partition="old"), PARTITIONS), "fail", "old is drain.*cpu"),
        (config_findings.partition(_cluster(nodes=5), PARTITIONS), "fail", "cpu has 4 nodes, nodes is 5"),
        (config_findings.partition(_cluster(), {}), "fail", "no default partition"),
        (_time(60, None), "pass", "sets no limit"),
        (_time(60, 60), "pass", "allows 60 min"),
        (_time(61, 60), "fail", "would never start.*`time: 60`"),
        (_time(61, 60, sure=False), "warn", "may never start.*`time: 60`"),
        (_time(61, 60, sure=False, taken=False), "fail", "would never start"),
        (config_findings.array_size(_limits()), "pass", "up to 1,001"),
        (config_findings.array_size(_limits(max_array_size=0)), "pass", "each element is a job of its own"),
        (config_findings.partition(_cluster(partition="cpu,cpu"), PARTITIONS), "pass", "cpu: up.*; cpu: up"),
        (config_findings.partition(_cluster(partition="cpu,cpus"), PARTITIONS), "fail", "'cpus'"),
        (
            config_findings.partition(_cluster(), PARTITIONS, {"cpu": {"drained": 3, "down": 1}}),
            "fail",
            "no node of cpu takes jobs now: 3 drained, 1 down.*sinfo -R",
        ),
        (
            config_findings.partition(_cluster(), PARTITIONS, {"cpu": {"drained": 3, "idle": 1}}),
            "pass",
            "cpu: up",
        ),
        (config_findings.account(_cluster(account="DEEP"), ["associations"], ROWS), "pass", "DEEP"),
        (
            config_findings.follow_up(_cluster(), _limits(), 1, "Memory specification can not be satisfied"),
            "fail",
            "follow_up: {partition",
        ),
        (
            config_findings.follow_up(
                _cluster(follow_up=FollowUp(time=90)),
                _limits(max_time=60, time_of="partition short"),
                0,
                "sbatch: Job 3",
            ),
            "fail",
            "its time is 90 minutes, but partition short allows 60: it would never start",
        ),
        (
            config_findings.follow_up(_cluster(), _limits(least={"gres/gpu": 1}), 0, "sbatch: Job 3"),
            "fail",
            "gres/gpu=1: it would never start.*follow_up: {gpus: 1}",
        ),
        (
            config_findings.follow_up(_cluster(), _limits(), 0, "sbatch: Job 3", "not from n1"),
            "warn",
            "not from n1: it is left out.*--wait",
        ),
        (config_findings.submitted_jobs(_limits()), "pass", "no limit"),
        (config_findings.submitted_jobs(_limits(max_submit_jobs=1)), "fail", "at most 1 job at a time"),
        (config_findings.submitted_jobs(_limits(max_submit_jobs=9, queued_now=8)), "warn", "8 of at most 9"),
        (config_findings.submitted_jobs(_limits(max_submit_jobs=9, queued_now=7)), "pass", "at most 9"),
        (config_findings.account(_cluster(), ["associations"], None), "pass", "keeps no accounts"),
        (config_findings.account(_cluster(), ["associations"], ()), "fail", "you have no account"),
        (
            config_findings.account(_cluster(account="deep", qos="long"), ["associations"], ROWS),
            "pass",
            "deep",
        ),
        (
            config_findings.account(_cluster(account="depe"), ["associations"], ROWS),
            "fail",
            "did you mean 'deep'",
        ),
        (config_findings.account(_cluster(account="depe"), [""], ROWS), "warn", "none of your accounts"),
        (
            config_findings.account(_cluster(account="other", qos="long"), ["associations"], ROWS),
            "fail",
            "'long' is not",
        ),
        (config_findings.request(0, "sbatch: Job 3 to start at noon"), "pass", "^Job 3 to start"),
        (
            config_findings.request(1, "allocation failure: Invalid qos specification"),
            "fail",
            "`qos:` must be",
        ),
        (
            config_findings.request(1, "allocation failure: Requested node configuration is not available"),
            "fail",
            "lower",
        ),
        (
            config_findings.request(1, "Invalid account or account/partition combination specified"),
            "fail",
            "`account:` must be",
        ),
        (config_findings.history(False), "warn", "stays unknown"),
    ],
)
def test_what_is_asked_against_what_there_is(finding: Finding, state: str, words: str) -> None:
    _is(finding, state, words)


HERE = {
    "host": "login",
    "python": "3.11.7",
    "executable": "/venv/bin/python",
    "versions": {"regularize-sweeps": "1", "torch": "2.9"},
    "gpus": 0,
    "kernels": "fused avx2",
    "kernel_cache": "/home/me/kernels",
    "prepared": True,
    "data": {"folder": "/data", "there": True, "sets": ["mnist"]},
    "scratch": "",
}
MET = {"ranks": 4, "nodes": 2, "networks": 8, "problem": "", "seconds": 0.0031}


@pytest.mark.parametrize(
    ("asked_for", "changes", "name", "state", "words"),
    [
        ({}, {}, "python", "pass", "3.11.7 on n1"),
        ({}, {}, "versions", "pass", "torch 2.9 and all others as here"),
        ({}, {"python": "3.12.1"}, "versions", "fail", "Python 3.11 here, 3.12 there"),
        ({}, {"python": "3.11.2"}, "versions", "pass", ""),
        ({}, {"versions": {"regularize-sweeps": "1"}}, "versions", "warn", "torch 2.9 here, none there"),
        ({}, {"versions": {"regularize-sweeps": "2", "torch": "2.9"}}, "versions", "fail", "1 here, 2 there"),
        ({}, {}, "data", "pass", "mnist in /data"),
        ({}, {"data": {"folder": "/data", "there": False, "sets": []}}, "data", "fail", "there is no /data"),
        (
            {},
            {"data": {"folder": "/data", "there": True, "sets": []}},
            "data",
            "warn",
            "no data set in /data",
        ),
        ({"scratch": Path("/scratch")}, {}, "scratch", "pass", "/scratch"),
        ({"scratch": Path("/scratch")}, {"scratch": "/scratch: read-only"}, "scratch", "fail", "read-only"),
        ({"gpus_per_task": 2}, {"gpus": 1}, "gpus", "fail", "torch sees 1, 2 are asked for"),
        ({"gpus_per_task": 2}, {"gpus": 2}, "gpus", "warn", "torch sees 2, but a task trains on one"),
        ({"gres": "gpu:2"}, {"gpus": 2}, "gpus", "pass", "torch sees 2"),
        (
            {"gres": "gpu:1"},
            {"gpus": 1, "step": {"device": "A100", "networks": 8, "batch": 128, "seconds": 0.00213}},
            "step",
            "pass",
            "a step of 8 LeNets, 128 images each, takes 2.1 ms on A100",
        ),
        (
            {"gres": "gpu:1"},
            {"gpus": 1, "step": {"device": "Tesla V100", "problem": "CUDA error: no kernel image"}},
            "step",
            "fail",
            "nothing trains on Tesla V100: CUDA error: no kernel image.*install a torch",
        ),
        ({}, {}, "kernels", "pass", "LeNet's stages are fused avx2 $"),
        ({"threads": 4}, {}, "kernels", "warn", "use one of the 4 CPUs of a task.*cpus_per_task: 1"),
        ({"threads": 4}, {"kernels": "torch: no compiler found"}, "kernels", "warn", "ziglang"),
        (
            {},
            {"kernels": "torch: no compiler found"},
            "kernels",
            "warn",
            "and n1 does not see what login has compiled in /home/me/kernels.*KERNEL_CACHE",
        ),
        ({"gres": "gpu:1"}, {}, "gpus", "fail", "torch sees 0, 1 are asked for"),
        ({"gres": "gpu:1", "allow_cpu": True}, {}, "gpus", "warn", "torch sees 0, 1 are asked for"),
        ({}, {"submits": "there is no sbatch"}, "follow-up", "warn", "n1 cannot submit jobs: there is no"),
        (
            {},
            {"ranks": MET},
            "ranks",
            "pass",
            "4 ranks on 2 nodes met; .* 8 LeNets at each step takes 3.1 ms",
        ),
        ({}, {"ranks": MET | {"problem": "rank 1 on n2 cannot start"}}, "ranks", "fail", "rank 1 on n2"),
    ],
)
def test_what_the_probe_reported(
    asked_for: dict[str, Any], changes: dict[str, Any], name: str, state: str, words: str
) -> None:
    found = node_findings.findings(_cluster(**asked_for), HERE, {**HERE, "host": "n1", **changes}, asked=True)
    _is({finding.name: finding for finding in found}[name], state, words)


@pytest.mark.parametrize(
    ("state", "exit_code", "log", "name", "words"),
    [
        ("FAILED", "3:0", "", "store", "n1 does not see in /store what was written here"),
        ("FAILED", "4:0", "Read-only file system", "store", "n1 cannot write to /store: Read-only"),
        (
            "FAILED",
            "1:0",
            None,
            "store",
            "job ended as FAILED, exit code 1, on n1, and nothing of it is to be seen in /store",
        ),
        ("COMPLETED", "0:0", "all well", "store", "nothing of it is to be seen"),
        ("FAILED", "1:0", "No module named 'jobs'", "python", "No module named 'jobs'.*install"),
        (
            "FAILED",
            "127:0",
            "python9: not found",
            "python",
            "exit code 127, on n1: python9: not found.*`python:`",
        ),
        ("FAILED", "5:0", "", "python", "exit code 5, on n1, with an empty log"),
        ("OUT_OF_MEMORY", "0:125", "Killed", "python", "OUT_OF_MEMORY"),
    ],
)
def test_why_the_probe_did_not_report(
    state: str, exit_code: str, log: str | None, name: str, words: str
) -> None:
    row = dict.fromkeys(FIELDS, "") | {"JobID": "7", "State": state, "ExitCode": exit_code, "NodeList": "n1"}
    (past,) = parse_accounting("|".join(row.values()))
    finding = node_findings.ended("/store", past, log)
    assert finding.name == name
    _is(finding, "fail", words)


def test_without_an_account_the_store_is_suspected() -> None:
    _is(node_findings.ended("/store", None, None), "fail", "nothing of it is to be seen in /store")


def test_the_probe_reports_only_where_it_sees_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def code(scratch: str = "") -> object:
        probe = node_probe.Probe(folder=tmp_path, data_root=tmp_path, scratch=scratch, follow_up="#!/bin/sh")
        with pytest.raises(SystemExit) as ended:
            probe()
        return ended.value.code

    monkeypatch.setenv("PATH", os.devnull)
    assert code() == node_probe.UNSEEN
    (tmp_path / node_probe.HERE).touch()
    assert code(str(tmp_path / "none")) == 0
    found = read_json(tmp_path / node_probe.THERE)
    assert found["data"] == {"folder": str(tmp_path), "there": True, "sets": []}
    assert found["versions"]["torch"]
    assert found["scratch"] == f"{tmp_path / 'none'}: No such file or directory"
    assert "there is no sbatch on this host" in found["submits"]


def test_a_machine_is_checked_without_slurm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    store = ["--store", str(tmp_path / "results"), "--data-root", str(tmp_path)]
    assert main(["cluster", "check", "local", "--json", *store]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cluster"] == "local"
    states = {finding["name"]: finding["state"] for finding in found["findings"]}
    # Without a PATH there is no compiler either; what was compiled before is there still.
    assert states.pop("kernels") in ("pass", "warn")
    assert list(states.values()) == ["pass", "pass", "pass", "warn"]
    assert list((tmp_path / "results").iterdir()) == []


def test_a_cluster_is_not_found_on_a_host_without_slurm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    path = tmp_path / "mine.yaml"
    path.write_text(f"kind: slurm\nstore: {tmp_path}/results\n", encoding="utf-8")
    assert main(["cluster", "check", str(path)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "✗ Slurm there is no scontrol on this host" in out
    assert "– compute node not tried" in out
    assert "mine: 1 failure" in out
    assert not (tmp_path / "results").exists()


def _is(finding: Finding, state: str, words: str) -> None:

    text = f"{finding.found} {finding.todo}"
    assert finding.state == state, text
    assert re.search(words, text), text
    assert bool(finding.todo) == (state in ("warn", "fail"))


def test_a_step_is_timed_where_a_pack_would_train() -> None:
    found = step_probe.step(warm=1, times=2)
    assert (found["device"], found["networks"], found["batch"]) == ("cpu", 8, 128)
    assert 0 < found["seconds"] < 60


def test_a_step_is_timed_on_a_gpu_as_far_as_one_that_is_none_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(convolution_setting.SETTING, "grouped")  # without a try
    monkeypatch.setattr(step_probe, "BATCH", 4)
    with gpu():
        found = step_probe.measured()
    assert (found["device"], found["networks"], "problem" in found) == (NAME, 8, False)


def test_what_goes_wrong_in_a_step_is_said_of_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def step() -> dict[str, Any]:
        raise RuntimeError("CUDA error: no kernel image is available\nCompile with …")

    monkeypatch.setattr(step_probe, "step", step)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla V100")
    problem = "CUDA error: no kernel image is available"
    assert step_probe.measured() == {"device": "Tesla V100", "problem": problem}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert step_probe.measured() == {}


def test_the_docs_list_all_that_is_tried() -> None:
    calls = [
        node
        for path in Path(config_findings.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    makers = ("passed", "warned", "failed", "skipped", "complain")
    said = [call.args[0] for call in calls if call.func.id in makers]  # type: ignore[attr-defined]
    names = {name.value for name in said if isinstance(name, ast.Constant)}
    docs = (Path(__file__).parents[3] / "docs" / "cluster-config.md").read_text("utf-8")
    table = docs.partition("| finding | what is tried |")[2].partition("\n\n")[0]
    listed = {name for row in re.findall(r"^\| ([^|-]\S[^|]*) \|", table, re.M) for name in row.split(", ")}
    assert listed == names
    assert len(names) > 15


def test_what_was_tried_of_packs_is_told_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REGULARIZE_MEASURED", str(tmp_path / "measured"))
    monkeypatch.setattr("jobs.planning.pack_sizes.SIZES", (1, 2))
    monkeypatch.chdir(tmp_path)
    sweep = BASE.replace("  l2: {strength: [1e-5, 1e-4]}\n", "")
    Path("sweep.yaml").write_text(sweep, encoding="utf-8")
    Path("auto.yaml").write_text("kind: local\ntasks: 1\npack_runs: auto\n", encoding="utf-8")
    checked = ["cluster", "check", "auto.yaml", "--json"]
    main(checked)
    (without,) = (f for f in json.loads(capsys.readouterr().out)["findings"] if f["name"] == "packs")
    assert (without["state"], "--sweep" in without["todo"]) == ("warn", True)
    main([*checked, "--sweep", "sweep.yaml"])
    (found,) = (f for f in json.loads(capsys.readouterr().out)["findings"] if f["name"] == "packs")
    assert found["state"] == "pass"
    assert re.search(r"up to [12] lenet5 on digits side by side, .* times as fast", found["found"])
    assert len(list((tmp_path / "measured").iterdir())) == 1


def test_a_node_tries_what_it_is_given() -> None:
    (answer,) = node_probe._packs({"threads": 1, "seconds": 0.0, "needs_gpu": False, "asked": [{}]})
    assert answer == {"problem": "no time was left for it"}
    assert node_probe._packs(None) == []


def test_a_compiler_that_is_none_is_a_finding_and_no_folder_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", 'g++ "')
    check = Check(cluster=_cluster(), store=tmp_path, data_root=None, patience=0, say=print)
    *_, found = check._node()
    assert (found.name, found.state) == ("compute node", "fail")
    assert found.found.startswith("CXX is 'g++ \"', which is no command")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_compiled_for_nodes_that_are_not_to_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(build.CACHE, str(tmp_path / "cache"))
    monkeypatch.setenv(fused.SETTING, "torch")
    assert not Check(cluster=_cluster(), store=tmp_path, data_root=None, patience=0, say=print)._prepared()
    monkeypatch.delenv(fused.SETTING)
    on_gpus = _cluster(gpus_per_task=1)
    assert not Check(cluster=on_gpus, store=tmp_path, data_root=None, patience=0, say=print)._prepared()
    assert not (tmp_path / "cache").exists()


def test_the_folder_goes_though_ranks_still_write_in_it(tmp_path: Path) -> None:
    """Each says that it cannot come, and the first word is the report."""
    place = tmp_path / ".check-1" / "7-0"
    place.mkdir(parents=True)
    until = time.monotonic() + 0.3

    def write() -> None:
        number = 0
        with suppress(FileNotFoundError):  # the folder is gone
            while time.monotonic() < until:
                number += 1
                (place / f"absent-{number}").write_text("no such interface")

    with ThreadPoolExecutor(4) as ranks:
        for _ in range(4):
            ranks.submit(write)
        remove(place.parent)
    assert list(tmp_path.iterdir()) == []


MEETING = Meeting(host="n1", addresses=("n1",), port=1, token="a", here=1, ranks=2, since=0.0)


@pytest.mark.parametrize(
    "late",
    [
        lambda place: place.stay_away("no such interface"),
        lambda place: place.open(MEETING),
        Place.queue_again,
        Place.say_too_short,
    ],
)
def test_a_rank_that_is_late_does_not_bring_the_folder_back(
    tmp_path: Path, late: Callable[[Place], None]
) -> None:
    (tmp_path / ".check-1").mkdir()
    place = Place(tmp_path / ".check-1", "7")
    remove(tmp_path / ".check-1")
    with pytest.raises(UserError, match="cannot be written: No such file or directory"):
        late(place)
    assert list(tmp_path.iterdir()) == []


def test_a_probe_whose_check_was_ended_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told to end, and works on for as long as Slurm lets it."""
    folder = tmp_path / ".check-1"

    def facts(*_: object) -> dict[str, object]:
        remove(folder)
        return {}

    folder.mkdir()
    (folder / node_probe.HERE).touch()
    monkeypatch.setattr(node_probe, "facts", facts)
    with pytest.raises(SystemExit):
        node_probe.Probe(folder=folder, data_root=None)()
    with pytest.raises(UserError):
        node_probe.FollowUpProbe(folder=folder, script="")()
    assert list(tmp_path.iterdir()) == []


def test_a_probe_that_cannot_write_its_report_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / node_probe.HERE).touch()
    (tmp_path / node_probe.THERE).mkdir()  # as root may write everywhere
    monkeypatch.setattr(node_probe, "facts", lambda *_: {})
    with pytest.raises(SystemExit) as ended:
        node_probe.Probe(folder=tmp_path, data_root=None)()
    assert ended.value.code == node_probe.UNWRITABLE
    assert "there.json cannot be written: Is a directory" in capsys.readouterr().err
