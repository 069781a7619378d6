from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster, FollowUp, from_json
from jobs.cluster.load_config import load_cluster
from regularize.cores import cores
from regularize.errors import UserError


def test_the_local_cluster_uses_every_core_once() -> None:
    assert load_cluster("local") == Cluster(kind="local", name="local", tasks=cores(), threads=1, pack_runs=8)


@pytest.mark.parametrize(("most", "tasks"), [(None, 6), (2, 2), (9, 6)])
def test_a_file_of_ones_own_and_a_limit(tmp_path: Path, most: int | None, tasks: int) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("kind: local\ntasks: 6\npack_runs: 3\n", encoding="utf-8")
    assert load_cluster(str(path), most) == Cluster(
        kind="local", name="mine", tasks=tasks, threads=1, pack_runs=3
    )


def test_several_threads_a_task_leave_fewer_tasks(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("kind: local\ntasks: auto\nthreads: 1000\n", encoding="utf-8")
    assert load_cluster(str(path)) == Cluster(kind="local", name="mine", tasks=1, threads=1000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tasks: 1", "'kind' is missing"),
        ("kind: slrum", "mine.yaml:1: unknown kind 'slrum'; one of: local"),
        ("kind: local\ntask: 2", "mine.yaml:2: unknown key 'task'; one of: .*did you mean 'tasks'"),
        ("kind: local\ntasks: 0", "mine.yaml:2: tasks is 0, but must be an integer from 1, or auto"),
        ("kind: local\ngpus: -1", "gpus is -1, but must be an integer from 0"),
        ("kind: local\nthreads: true", "threads is true, but must be an integer from 1"),
        ("kind: local\npack_runs: 1.5", r"pack_runs is 1\.5, but must be an integer from 1, or auto"),
        ("kind: local\npack_runs: all", r"pack_runs is 'all', but must be an integer from 1, or auto"),
    ],
)
def test_wrong_files_are_refused_with_their_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        load_cluster(str(path))


@pytest.mark.parametrize(
    ("name", "words"),
    [("lokal", "one of: .*local.*did you mean 'local'"), ("no.yaml", "No such file")],
)
def test_clusters_that_are_not_there(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_cluster(name)


def _slurm(tmp_path: Path, *lines: str) -> Cluster:
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(["kind: slurm", *lines]), encoding="utf-8")
    return load_cluster(str(path))


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("'90'", None),
        ("30:00", 30),
        ("00:00:30", 1),
        ("04:00:00", 240),
        ("1-12", 2160),
        ("1-12:30", 2190),
        ("1-12:00:00", 2160),
        ("0", None),
        ("00:00:00", None),
        ("4h", None),
        ("true", None),
    ],
)
def test_time_is_written_as_for_slurm(tmp_path: Path, text: str, minutes: int | None) -> None:
    lines = (f"time: {text}", "signal_seconds: 10")
    if minutes:
        assert _slurm(tmp_path, *lines).time == minutes
    else:
        with pytest.raises(UserError, match=r"mine.yaml:2: time is .* must be minutes, or text such as"):
            _slurm(tmp_path, *lines)


def test_how_often_checkpoints_are_written(tmp_path: Path) -> None:
    assert _slurm(tmp_path, "checkpoint_minutes: 30").checkpoint_minutes == 30
    (tmp_path / "here.yaml").write_text("kind: local\ncheckpoint_minutes: 2\n", encoding="utf-8")
    assert load_cluster(str(tmp_path / "here.yaml")).checkpoint_minutes == 2


@pytest.mark.parametrize(("text", "mebibytes"), [("4G", 4096), ("500M", 500), ("1T", 2**20), ("2048K", 2)])
def test_memory_has_a_unit(tmp_path: Path, text: str, mebibytes: int) -> None:
    assert _slurm(tmp_path, f"memory: {text}").memory == mebibytes


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            ["gpus_per_tasks: 2"],
            "mine.yaml:2: unknown key 'gpus_per_tasks'; one of: .*did you mean 'gpus_per_task'",
        ),
        (["tasks: 2"], "unknown key 'tasks'"),
        (["memory: 4"], "memory is 4, but must be memory of a node with its unit"),
        (["memory: 10K"], "memory is '10K'"),
        (["mode: dpp"], "unknown mode 'dpp'; one of: ddp, spread; did you mean 'ddp'"),
        (["nodes: 0"], "nodes is 0, but must be an integer from 1"),
        (["partition: a b"], "partition is 'a b', but must be one word"),
        (["partition: 3"], "partition is 3, but must be one word"),
        (["host: -oProxyCommand=x"], "host is '-oProxyCommand=x', but must be"),
        (["store: results"], "store is 'results', but must be a full path"),
        (
            ["store: /a/$NOPE_NOT_SET/b"],
            "store is '/a/\\$NOPE_NOT_SET/b', but the variable NOPE_NOT_SET is not set",
        ),
        (["memory: 4G", "max_memory: 2G"], "mine.yaml:3: max_memory is '2G', but must be at least memory"),
        (["max_memory: 2G"], "max_memory needs memory"),
        (["time: 60", "max_time: 30"], "mine.yaml:3: max_time is 30, but must be at least time"),
        (["checkpoint_minutes: 0"], "checkpoint_minutes is 0, but must be an integer from 1"),
        (["heartbeat_seconds: 90"], "heartbeat_seconds is 90, but must be an integer from 1 to 60"),
        (["time: 1"], "signal_seconds is 120, but the time limit is 60 seconds"),
        (["sbatch: {partition: x}"], "partition has a key of its own: partition"),
        (["sbatch: {ntasks-per-node: 2}"], "ntasks-per-node has a key of its own: tasks_per_node"),
        (["sbatch: {output: x}"], "output is set by regularize itself"),
        (["sbatch: {wait: true}"], "wait is set by regularize itself"),
        (["follow_up: {sbatch: {test-only: true}}"], "test-only is set by regularize itself"),
        (["sbatch: {clusters: b}"], "mine.yaml:2: clusters is not for a config.*SLURM_CLUSTERS=NAME"),
        (["follow_up: {memroy: 2G}"], "mine.yaml:2: unknown key 'memroy'.*did you mean 'memory'"),
        (["follow_up: {memory: 2}"], "memory is 2, but must be memory of a node.*, or none"),
        (["follow_up: {sbatch: {constraint: a}}"], "constraint has a key of its own: constraint"),
        (["follow_up: {sbatch: {cpus-per-task: 2}}"], "cpus-per-task has a key of its own: cpus$"),
        (["follow_up: {sbatch: {nodes: 2}}"], "nodes is set by regularize itself"),
        (["follow_up: {gpus: 1, gres: 'gpu:a100:1'}"], "gpus asks for GPUs, and so do gres or sbatch"),
        (["memory: none"], "memory is 'none', but must be memory of a node"),
        (["follow_up: 3"], "follow_up is 3"),
        (["notify: []"], "notify is .*, but must be at least one value"),
        (['notify: "mail \'me"'], "mine.yaml:2: notify is .*No closing quotation"),
        (["allow_cpu: perhaps"], "allow_cpu is 'perhaps', but must be true or false"),
        (
            ["sbatch: {--mail-user: x}"],
            "'--mail-user' is not an option of sbatch; write it without its dashes",
        ),
        (["sbatch: {exclusive: false}"], "exclusive is false, but must be printable text"),
        (['sbatch: {comment: "a\\nb"}'], "mine.yaml:2: comment is .* but must be printable text"),
        (['sbatch: {comment: "a\\rb"}'], "comment is .* but must be printable text"),
        (["sbatch: {comment: a\\b}"], "comment is .* but must be printable text without backslashes"),
        (["qos: a\\b"], "mine.yaml:2: qos is .* but must be one word, without backslashes"),
        (['qos: "a\\x7fb"'], "qos is .* but must be one word"),
        (['qos: ""'], "qos is '', but must be one word"),
        (["setup: [1]"], "setup is 1, but must be text"),
    ],
)
def test_what_slurm_could_not_be_asked_is_refused(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        _slurm(tmp_path, *lines)


def test_folders_of_the_host_are_expanded_and_those_of_nodes_and_other_hosts_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("GROUP", "deep")
    lines = ["store: ~/a", "data_root: /data/$GROUP", "scratch: $SLURM_TMPDIR/x"]
    here = _slurm(tmp_path, *lines)
    assert (here.store, here.data_root) == (Path("/home/me/a"), Path("/data/deep"))
    assert here.scratch == Path("$SLURM_TMPDIR/x")
    there = _slurm(tmp_path, *lines, "host: login")
    assert (there.store, there.data_root) == (Path("~/a"), Path("/data/$GROUP"))


def test_a_job_needs_as_many_tasks_as_may_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("kind: slurm\nnodes: 2\ntasks_per_node: 4\n", encoding="utf-8")
    with pytest.raises(UserError, match="at most 7 tasks at a time, but a job of mine has 8"):
        load_cluster(str(path), 7)


def test_the_follow_up_has_keys_of_its_own_and_comes_back_from_json(tmp_path: Path) -> None:
    found = _slurm(tmp_path, "follow_up: {partition: serial, memory: 4G, time: 10, sbatch: {export: ALL}}")
    assert found.follow_up == FollowUp(partition="serial", memory=4096, time=10, sbatch={"export": "ALL"})
    told = _slurm(tmp_path, "notify: \"mail -s 'my sweep' me@uni.example\"")
    assert told.notify == ("mail", "-s", "my sweep", "me@uni.example")
    assert _slurm(tmp_path, "notify: [curl, -d]").notify == ("curl", "-d")
    unasked = _slurm(tmp_path, "memory: 4G", "follow_up: {memory: none}")
    assert unasked.follow_up == FollowUp(memory=0)
    other = _slurm(tmp_path, "follow_up: {python: [env, python3]}")
    assert other.follow_up == FollowUp(python=("env", "python3"))
    none = _slurm(tmp_path, "follow_up: false")
    assert none.follow_up is None
    plain = _slurm(tmp_path)
    assert "follow_up" not in plain.to_json()
    for cluster in (found, none, plain, told, unasked, other):
        assert from_json(json.loads(json.dumps(cluster.to_json()))) == cluster


@pytest.mark.parametrize(
    ("lines", "gpus"),
    [
        ([], 0),
        (["gpus_per_task: 2"], 2),
        (["gres: gpu:1"], 1),
        (["gres: 'gpu:a100:4,tmpdir:10G'"], 4),
        (["gres: gpu"], 1),
        (["gres: tmpdir:10G"], 0),
        (["sbatch: {gpus-per-node: a100:2}"], 2),
        (["sbatch: {gpus: 3}"], 3),
        (["gres: shard:4"], 1),
        (["gres: 'mps:50,tmpdir:1G'"], 1),
        (["sbatch: {tres-per-task: 'gres/gpu:2'}"], 2),
    ],
)
def test_gpus_are_counted_however_they_are_asked_for(tmp_path: Path, lines: list[str], gpus: int) -> None:
    assert _slurm(tmp_path, *lines).gpus_asked == gpus
