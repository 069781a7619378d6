"""`regularize cluster check` on a real cluster: what it passes, and what it finds wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.cluster.load_config import load_cluster
from jobs.cluster_check import Check
from jobs.commands.cli import main
from tests.cluster.processes import wait_for
from tests.cluster.settings import NODES
from tests.cluster.slurm import TestCluster
from tests.cluster.trial import SMALL, Trial


@dataclass(frozen=True)
class Checked:
    """The exit code, and the findings by name: state, and what was found with what to do."""

    code: int
    findings: dict[str, tuple[str, str]]

    def failures(self) -> set[str]:
        return {name for name, (state, _) in self.findings.items() if state == "fail"}


Run = Callable[..., Checked]


@pytest.fixture
def check(slurm: TestCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Check a config of these keys; by default one that is right."""

    def run(**keys: object) -> Checked:
        capsys.readouterr()
        code = main(["cluster", "check", str(_config(tmp_path, **keys)), "--json"])
        found = json.loads(capsys.readouterr().out)
        assert found["passed"] == (code == 0)
        findings = {f["name"]: (f["state"], f"{f['found']} {f['todo']}") for f in found["findings"]}
        return Checked(code, findings)

    return run


@pytest.fixture
def mount(slurm: TestCluster, tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount an empty folder that the nodes, which have started already, do not have."""
    folder = tmp_path / "mounted"
    folder.mkdir()

    def do(options: str) -> Path:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "test", str(folder)], check=True)
        return folder

    yield do
    subprocess.run(["umount", str(folder)], check=False)


def _config(tmp_path: Path, **keys: object) -> Path:
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    (data / "own.npz").touch()
    right = {"kind": "slurm", "partition": "main", "account": "research", "time": 30, "memory": "900M"}
    right |= {"store": str(tmp_path / "results"), "data_root": str(data), "scratch": "/tmp"}
    path = tmp_path / "mine.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in (right | keys).items()), encoding="utf-8")
    return path


def _jobs(slurm: TestCluster) -> set[str]:
    """The checks' jobs that the controller knows. The accounting would learn of them only seconds later."""
    return set(slurm.run("squeue", "--noheader", "--states=all", "--name=rs-check", "-o", "%i").split())


def test_a_config_that_is_right(check: Run, slurm: TestCluster, tmp_path: Path) -> None:
    checked = check()
    assert checked.code == 0, checked
    assert {state for state, _ in checked.findings.values()} == {"pass"}
    words = {
        "partition": "main: up, 4 nodes",
        "arrays": "1,001",
        "account": "research",
        "request": "to start at",
        "store there": "written by n",
        "python": "3.",
        "data": f"own in {tmp_path / 'data'}",
        "scratch": "/tmp",
    }
    for name, word in words.items():
        assert word in checked.findings[name][1]
    assert list((tmp_path / "results").iterdir()) == []
    slurm.wait_until_idle(60)


def test_the_config_that_ships_for_this_cluster(slurm: TestCluster, tmp_path: Path) -> None:
    store = ["--store", str(tmp_path / "results"), "--data-root", str(tmp_path)]
    assert main(["cluster", "check", "test-cluster", *store]) == 0


@pytest.mark.parametrize(
    ("keys", "name", "words"),
    [
        ({"partition": "mian"}, "partition", "did you mean 'main'"),
        ({"partition": "short"}, "time", "30 min a job, but at most 1 min are allowed (partition short)"),
        ({"account": "reserch"}, "account", "did you mean 'research'"),
        ({"qos": "gold"}, "account", "qos 'gold' is not open to you"),
        ({"nodes": 5}, "partition", "main has 4 nodes, nodes is 5"),
        ({"memory": "64G"}, "request", "Requested node configuration is not available"),
        ({"gpus_per_task": 1}, "request", "gpus_per_task"),
        ({"sbatch": "{nonsense: 1}"}, "request", "not one of `man sbatch`"),
    ],
)
def test_a_config_that_asks_for_what_is_not_there(
    check: Run, slurm: TestCluster, tmp_path: Path, keys: dict[str, object], name: str, words: str
) -> None:
    before = _jobs(slurm)
    checked = check(**keys)
    assert checked.code == 1
    assert name in checked.failures(), checked
    assert words in checked.findings[name][1]
    assert checked.findings["compute node"][0] == "skip"
    assert _jobs(slurm) <= before
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"follow_up": "{partition: mian}"}, "invalid partition"),
        ({"follow_up": "{gpus: 1}"}, "`follow_up: {partition"),
        ({"follow_up": "{memory: 64G}"}, "node configuration is not available"),
    ],
)
def test_a_follow_up_that_could_not_be_submitted(check: Run, keys: dict[str, object], words: str) -> None:
    checked = check(**keys)
    assert checked.failures() == {"follow-up"}
    assert words in checked.findings["follow-up"][1]


def test_accounts_are_slurms_in_lower_case_and_the_first_that_takes_jobs_is_used(
    check: Run, slurm: TestCluster, tmp_path: Path, data_root: Path
) -> None:
    slurm.run("sacctmgr", "-i", "add", "account", "full")
    slurm.run("sacctmgr", "-i", "add", "user", "root", "account=full", "MaxSubmitJobs=0")
    try:
        keys = {"account": ["full", "RESEARCH"], "partition": ["high", "low"]}
        lists = {key: json.dumps(value) for key, value in keys.items()}
        checked = check(**lists, follow_up="false", sbatch="{export: NONE}")
        said = Trial(tmp_path, data_root, SMALL, sbatch={"hold": True}, **keys).submit()
        asked = set(slurm.run("squeue", "--noheader", "--format=%a %P").splitlines())
    finally:
        slurm.run("sacctmgr", "-i", "delete", "user", "root", "account=full")
        slurm.run("sacctmgr", "-i", "delete", "account", "full")
    assert checked.code == 0, checked
    assert (said.code, asked) == (0, {"research high,low"})
    assert "account full is left out: " in said.out + said.err


def test_a_time_limit_beyond_the_accounts_is_said_as_submit_says_it(check: Run, slurm: TestCluster) -> None:
    """Slurm takes such a job, and it waits; of a limit that Slurm denies, it takes none."""
    slurm.run("sacctmgr", "-i", "modify", "user", "root", "set", "MaxWall=5")
    try:
        checked = check(time=30, follow_up="false")
    finally:
        slurm.run("sacctmgr", "-i", "modify", "user", "root", "set", "MaxWall=-1")
    assert (checked.code, checked.findings["time"][0]) == (0, "warn"), checked
    assert "account research): Slurm takes such jobs, and may never start them" in checked.findings["time"][1]


def test_a_quality_of_service_that_wants_more_of_each_job_than_is_asked_for(
    check: Run, slurm: TestCluster, tmp_path: Path, data_root: Path
) -> None:
    """Slurm takes such jobs, and never starts them."""
    slurm.run("sacctmgr", "-i", "add", "qos", "wide", "MinTRESPerJob=cpu=2")
    slurm.run("sacctmgr", "-i", "modify", "user", "root", "set", "qos+=wide")
    try:
        checked = check(qos="wide")
        keys = {"qos": "wide", "cpus_per_task": 2, "memory": "900M", "sbatch": {"hold": True}}
        refused = Trial(tmp_path, data_root, SMALL, **keys).submit()
        accepted = Trial(tmp_path, data_root, SMALL, follow_up={"cpus": 2}, **keys).submit()
    finally:
        slurm.run("sacctmgr", "-i", "modify", "user", "root", "set", "qos-=wide")
        slurm.run("sacctmgr", "-i", "delete", "qos", "wide")
    words = "wants each job to ask for cpu=2: it would never start"
    assert checked.failures() == {"request", "follow-up"}
    assert all(words in checked.findings[name][1] for name in checked.failures())
    assert (refused.code, accepted.code) == (2, 0), accepted
    assert (
        f"error: the job that follows: the quality of service {words}; `follow_up: {{cpus: 2}}`"
        in refused.err
    )


def test_all_nodes_drained(check: Run, slurm: TestCluster) -> None:
    slurm.run("scontrol", "update", "nodename=n[1-4]", "state=drain", "reason=test")
    try:
        checked = check()
    finally:
        slurm.run("scontrol", "update", "nodename=n[1-4]", "state=resume")
    assert "partition" in checked.failures()
    assert "no node of main takes jobs now: 4 drained" in checked.findings["partition"][1]


def test_nodes_that_differ(check: Run, slurm: TestCluster) -> None:
    slurm.set_config(n3="CPUs=1 RealMemory=1000", n4="CPUs=4 RealMemory=2000")
    wait_for("four idle nodes", lambda: {*slurm.node_states().values()} == {"idle"})
    assert check(memory="1800M", nodes=3, cpus_per_task=2).code == 0
    checked = check(memory="1800M", nodes=4)
    assert checked.failures() == {"request"}
    assert "no node has that much, or too few have" in checked.findings["request"][1]


def test_nodes_of_which_slurm_does_not_know_the_memory(
    check: Run, slurm: TestCluster, tmp_path: Path, data_root: Path
) -> None:
    """Without RealMemory in slurm.conf none can be asked for: neither by what trains nor by what follows."""
    slurm.set_config(**dict.fromkeys(NODES, "CPUs=4"), SelectTypeParameters="CR_CPU", DefMemPerCPU=None)
    wait_for("four idle nodes", lambda: {*slurm.node_states().values()} == {"idle"})
    asked = check()
    assert asked.failures() == {"request", "follow-up"}
    assert all("leave `memory:` out" in asked.findings[name][1] for name in asked.failures())
    refused = Trial(tmp_path, data_root, SMALL, memory="900M").submit()
    assert (refused.code, "leave `memory:` out" in refused.err) == (2, True), refused
    assert check(memory="null", follow_up="{memory: 2G}").failures() == {"follow-up"}
    assert check(memory="null", follow_up="{memory: none}").code == 0
    trial = Trial(tmp_path, data_root, SMALL, memory=None)
    assert trial.submit("--wait").code == 0
    assert trial.states() == {"done": 1}


@pytest.fixture
def n1_with_gpu(slurm: TestCluster) -> Iterator[None]:
    """A node of which Slurm says that it has a GPU, and torch that it has none."""
    place = slurm.folder / "gres.conf"
    place.write_text("NodeName=n1 Name=gpu File=/dev/null\n", encoding="utf-8")
    # The node is to hear of it before it says again what it has.
    slurm.kill_node("n1")
    slurm.set_config(GresTypes="gpu", n1="CPUs=4 RealMemory=4000 Gres=gpu:1")
    slurm.restart_node("n1")
    yield
    place.unlink()
    slurm.kill_node("n1")
    slurm.set_config()
    slurm.restart_node("n1")


@pytest.mark.usefixtures("n1_with_gpu")
def test_a_node_with_a_gpu_that_torch_does_not_see(
    check: Run, slurm: TestCluster, tmp_path: Path, data_root: Path, python: list[str]
) -> None:
    """Nothing trains on its CPU instead unless the config says that it may."""
    checked = check(gres="gpu:1", python=json.dumps(python))
    assert checked.failures() == {"gpus"}
    assert "torch sees 0, 1 are asked for" in checked.findings["gpus"][1]
    allowed = check(gres="gpu:1", python=json.dumps(python), allow_cpu="true")
    assert (allowed.code, allowed.findings["gpus"][0]) == (0, "warn"), allowed
    keys = {"gres": "gpu:1", "memory": "900M", "follow_up": False, "python": python}
    trial = Trial(tmp_path, data_root, SMALL, **keys)
    assert trial.submit().code == 0
    slurm.wait_until_idle()
    logs = "".join(path.read_text(encoding="utf-8") for path in trial.store.logs.iterdir())
    assert "error: a GPU was asked for, but torch sees none" in logs
    assert "done" not in trial.states()
    trial = Trial(tmp_path, data_root, SMALL, allow_cpu=True, **keys)
    assert trial.submit("--wait").code == 0
    assert trial.states() == {"done": 1}


def test_nodes_that_may_not_submit(check: Run, slurm: TestCluster, tmp_path: Path, data_root: Path) -> None:
    """As one of them finds out, or as the partition says."""
    lost = check(python=json.dumps(["env", "SLURM_CONF=/nowhere", sys.executable]))
    assert (lost.code, lost.findings["follow-up"][0]) == (0, "warn"), lost
    assert "cannot submit jobs" in lost.findings["follow-up"][1]
    slurm.run("scontrol", "update", "partition=main", "AllocNodes=localhost")  # as this host is called
    try:
        checked = check()
        trial = Trial(tmp_path, data_root, SMALL, sbatch={"hold": True})
        said = trial.submit()
        queued = slurm.run("squeue", "--noheader", "--states=PENDING").splitlines()  # none of the check
        # Where the follow-up runs on a node that may.
        slurm.run("scontrol", "update", "partition=main", "AllocNodes=localhost,n[2-8]")
        slurm.run("scontrol", "create", "partition=serial", "nodes=n4", "AllocNodes=ALL")
        elsewhere = check(follow_up="{partition: serial}")
        (tmp_path / "other").mkdir()
        keys = {"sbatch": {"hold": True}, "follow_up": {"partition": "serial"}}
        followed = Trial(tmp_path / "other", data_root, SMALL, **keys).submit()
    finally:
        slurm.run("scontrol", "update", "partition=main", "AllocNodes=ALL")
        slurm.run("scancel", "--user=root")
        slurm.wait_until_idle()
        slurm.run("scontrol", "delete", "partition=serial")
    assert (elsewhere.code, elsewhere.findings["follow-up"][0]) == (0, "pass"), elsewhere
    assert (followed.code, "what comes next is submitted by itself" in followed.err) == (0, True), followed
    assert (checked.code, checked.findings["follow-up"][0]) == (0, "warn"), checked
    closed = "partition main takes no jobs from node n1 (its AllocNodes)"
    assert f"{closed}: it is left out" in checked.findings["follow-up"][1]
    assert (said.code, len(queued)) == (0, 1), said
    assert f"{closed}: what comes next needs `regularize submit` again" in said.err


def test_limits_on_submitted_jobs(check: Run, slurm: TestCluster) -> None:
    slurm.set_max_submit_jobs(1)
    checked = check()
    assert checked.failures() == {"jobs"}
    slurm.set_max_submit_jobs(3)
    assert "at most 3 submitted at a time" in check().findings["jobs"][1]


def test_a_store_that_cannot_be_written(check: Run, slurm: TestCluster, mount: Callable[[str], Path]) -> None:
    before = _jobs(slurm)
    checked = check(store=f"{mount('ro')}")
    assert checked.failures() == {"store"}
    assert "Read-only file system" in checked.findings["store"][1]
    assert _jobs(slurm) <= before


def test_a_store_that_is_full(check: Run, mount: Callable[[str], Path]) -> None:
    folder = mount("size=64k")
    with (folder / "full").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    checked = check(store=f"{folder}")
    assert checked.failures() == {"store"}
    assert "No space left on device" in checked.findings["store"][1]
    assert [path.name for path in folder.iterdir()] == ["full"]


def test_a_store_that_the_nodes_do_not_see(check: Run, mount: Callable[[str], Path]) -> None:
    checked = check(store=f"{mount('size=1m')}")
    assert checked.failures() == {"store"}
    assert "login and compute nodes share" in checked.findings["store"][1]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"python": "/nowhere/python"}, "/nowhere/python"),
        ({"python": "/usr/bin/python3", "setup": "['export PYTHONPATH=']"}, "No module named"),
        ({"python": "$HOME/it is; touch pwned/$(touch pwned)"}, "/it is; touch pwned/$(touch pwned)"),
        ({"setup": "['exit 5']"}, "exit code 5"),
    ],
)
def test_a_python_that_is_not_there(check: Run, keys: dict[str, object], words: str) -> None:
    checked = check(**keys)
    assert checked.code == 1
    assert checked.failures() <= {"python", "store"}
    assert words in str(checked.findings)


APPTAINER = """\
#!/bin/sh
# Apptainer's command line: what is not bound cannot be seen, and the image has to be there.
echo "$@" >> {folder}/asked
test "$1" = exec && shift
while [ "$1" = --bind ]; do test -d "$2" || exit 255; shift 2; done
test -f "$1" || {{ echo "FATAL: could not open image $1: no such file" >&2; exit 255; }}
export APPTAINER_CONTAINER="$1" && shift && exec "$@"
"""


def test_a_container(check: Run, slurm: TestCluster, tmp_path: Path, data_root: Path) -> None:
    """Tasks run in it, the follow-up does not; `python` is a command there, not split at spaces."""
    image, program = tmp_path / "my image's.sif", tmp_path / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text(APPTAINER.format(folder=tmp_path), encoding="utf-8")
    program.chmod(0o755)
    keys = {
        "setup": [f"export PATH={program.parent}:$PATH"],
        "container": str(image),
        "python": ["env", "INSIDE=it's; touch pwned", "python3"],
    }
    lacking = check(**{key: json.dumps(value) for key, value in keys.items()})
    assert lacking.failures() == {"python"}
    assert "could not open image" in lacking.findings["python"][1]
    image.touch()
    lines = {key: json.dumps(value) for key, value in keys.items()}
    checked = check(**lines)
    assert (checked.code, checked.findings["follow-up"][0]) == (0, "pass"), checked
    assert "from where jobs can be submitted" in checked.findings["follow-up"][1]
    outside = check(**lines, follow_up="{python: /nowhere/python}")
    assert outside.failures() == {"follow-up"}
    assert "/nowhere/python" in outside.findings["follow-up"][1]
    keys["follow_up"] = {"python": ["env", "OUTSIDE=1", sys.executable]}
    trial = Trial(tmp_path, data_root, SMALL, memory="900M", **keys)
    assert trial.submit("--wait").code == 0
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert len(asked) == 4, "the checks' three jobs, and the task"
    binds = f"--bind {trial.root} --bind {data_root}"
    patient = 'sh -c trap "" USR2; exec "$@" sh'
    words = (
        f"exec {binds} {image} {patient} env INSIDE=it's; touch pwned python3 -u -m submitit.core._submit "
    )
    assert asked[-1].startswith(words)
    assert not list(tmp_path.rglob("pwned"))


def test_a_cluster_that_is_busy(slurm: TestCluster, tmp_path: Path) -> None:
    full = slurm.sbatch("sleep 300", "--nodes=4", "--exclusive", "--time=10")
    slurm.wait_for_state(full, "RUNNING")
    said: list[str] = []
    waited = Check(
        cluster=load_cluster(str(_config(tmp_path))),
        store=tmp_path / "results",
        data_root=None,
        patience=4,
        say=said.append,
    )
    last = list(waited.findings())[-1]
    assert (last.name, last.state) == ("compute node", "fail")
    assert "has not begun" in last.found
    assert any("waits in the queue: " in line for line in said)
    assert slurm.queued() == [full]


def test_the_ranks_of_a_job_meet_once(check: Run, slurm: TestCluster, tmp_path: Path) -> None:
    """And are told of as their own: where one of them has a wrong network, that is what is said."""
    asked: dict[str, object] = {"mode": "ddp", "nodes": 2, "tasks_per_node": 2, "memory": "1800M"}
    checked = check(**asked)
    assert checked.code == 0, checked
    state, found = checked.findings["ranks"]
    assert (state, "4 ranks on 2 nodes met; adding up the gradients of 8 LeNets" in found) == ("pass", True)
    assert float(found.rpartition("takes ")[2].partition(" ms")[0]) > 0
    checked = check(**asked, setup="['export GLOO_SOCKET_IFNAME=nowhere0']")
    assert checked.failures() == {"ranks"}
    assert "GLOO_SOCKET_IFNAME is 'nowhere0', but n" in checked.findings["ranks"][1]
    assert list((tmp_path / "results").iterdir()) == []
