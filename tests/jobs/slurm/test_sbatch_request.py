"""The job's script, as submitit writes it from a cluster config."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster, FollowUp
from jobs.cluster.load_config import load_cluster
from jobs.slurm.sbatch_request import parameters, script, small, small_minutes

FULL = Cluster(
    kind="slurm",
    partition="gpu",
    account="deep",
    qos="long",
    constraint="a100&ib",
    gres="tmpdir:10G",
    time=90,
    memory=4096,
    threads=6,
    gpus_per_task=1,
    nodes=2,
    tasks_per_node=4,
    setup=("module load cuda", "source ~/venv/bin/activate"),
    sbatch={"mail-user": "me@uni.example", "exclusive": True},
)


def _options(text: str) -> dict[str, str]:
    lines = [line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH")]
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def test_every_key_of_the_config_reaches_sbatch(tmp_path: Path) -> None:
    text = script("true", str(tmp_path), parameters(FULL, name="rs-a-1"))
    options = _options(text)
    log = options.pop("output")
    assert log.startswith(str(tmp_path))
    assert options == {
        "account": "deep",
        "constraint": "'a100&ib'",
        "cpus-per-task": "6",
        "exclusive": "",
        "gpus-per-task": "1",
        "gres": "tmpdir:10G",
        "job-name": "rs-a-1",
        "mail-user": "me@uni.example",
        "mem": "4096M",
        "nodes": "2",
        "ntasks-per-node": "4",
        "open-mode": "append",
        "partition": "gpu",
        "qos": "long",
        "requeue": "",
        "signal": "USR2@120",
        "time": "90",
        "wckey": "submitit",
    }
    assert text.index("module load cuda") < text.index("source ~/venv") < text.index("srun")


def test_what_the_config_leaves_open_is_left_to_the_cluster(tmp_path: Path) -> None:
    options = _options(script("true", str(tmp_path), parameters(Cluster(kind="slurm"), name="a")))
    assert not {"partition", "account", "qos", "mem", "gres", "gpus-per-task", "constraint"} & options.keys()


def test_a_retry_asks_for_more_memory_and_nothing_caps_an_array() -> None:
    asked = parameters(FULL, name="a", memory=8192)
    assert (asked["mem"], asked["array_parallelism"]) == ("8192M", 1_000_000)
    assert parameters(FULL, name="a", parallel=3)["array_parallelism"] == 3
    assert [parameters(FULL, name="a", minutes=m)["time"] for m in (None, 180)] == [90, 180]


def test_the_small_job_waits_for_the_arrays_and_asks_for_no_gpu(tmp_path: Path) -> None:
    text = script("true", str(tmp_path), small(FULL, name="a", after=["13", "14"]))
    options = _options(text)
    assert options["dependency"] == "afterany:13:14"
    assert "requeue" in options  # after the loss of its node
    assert (options["nodes"], options["ntasks-per-node"], options["cpus-per-task"]) == ("1", "1", "1")
    assert not {"gres", "gpus-per-task", "constraint"} & options.keys()
    assert "srun" not in text
    assert "module load cuda" in text


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        (Cluster(kind="slurm"), {"mem": None}),  # nodes without RealMemory take no --mem
        (Cluster(kind="slurm", memory=900), {"mem": "2048M"}),
        (Cluster(kind="slurm", sbatch={"mem-per-cpu": "900M"}), {"mem": None, "mem-per-cpu": "900M"}),
        (Cluster(kind="slurm", sbatch={"gpus-per-node": 4, "exclusive": True, "mail-user": "a@b"}),
         {"gpus-per-node": None, "exclusive": None, "mail-user": "a@b"}),
        (Cluster(kind="slurm", sbatch={"time-min": 90, "core-spec": 1}),
         {"time-min": None, "core-spec": None}),
        (Cluster(kind="slurm", memory=900, follow_up=FollowUp(memory=0)), {"mem": None}),
        (Cluster(kind="slurm", sbatch={"mem-per-cpu": "900M"}, follow_up=FollowUp(memory=0)),
         {"mem": None, "mem-per-cpu": None}),
        (replace(FULL, follow_up=FollowUp(gpus=1, gres="tmpdir:1G")),
         {"gres": "gpu:1,tmpdir:1G", "gpus-per-task": None, "constraint": None}),
    ],
)  # fmt: skip
def test_the_small_jobs_request_follows_the_configs_and_has_keys_of_its_own(
    tmp_path: Path, cluster: Cluster, expected: dict[str, str | None]
) -> None:
    options = _options(script("true", str(tmp_path), small(cluster, name="a", after=["13"])))
    assert {key: options.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("time", "own", "most", "minutes"),
    [(1, None, None, 30), (600, None, None, 30), (1, None, 2, 2), (1, None, 60, 30), (1, 90, 60, 90)],
)
def test_the_small_jobs_time_is_not_that_of_training(
    time: int, own: int | None, most: int | None, minutes: int
) -> None:
    cluster = Cluster(kind="slurm", time=time, follow_up=FollowUp(time=own))
    assert small_minutes(cluster, most) == minutes
    assert small(cluster, name="a", minutes=small_minutes(cluster, most))["time"] == minutes


@pytest.mark.parametrize(
    ("follow_up", "expected"),
    [
        ("{partition: serial, memory: 4G, cpus: 2, gpus: 1, time: 5, constraint: cpu}",
         {"partition": "serial", "qos": "long", "mem": "4096M", "cpus-per-task": "2", "gres": "gpu:1",
          "time": "5", "constraint": "cpu"}),
        ("{constraint: cpu&big, gres: 'gpu:a100:1'}", {"constraint": "'cpu&big'", "gres": "gpu:a100:1"}),
        ("{gres: 'tmpdir:1G', gpus: 2}", {"gres": "gpu:2,tmpdir:1G", "constraint": None}),
        ("{sbatch: {gpus-per-node: 'a100:1'}}", {"gpus-per-node": "a100:1", "gres": None}),
        ("{}", {"constraint": None, "gres": None, "partition": "gpu"}),
    ],
)  # fmt: skip
def test_what_a_file_asks_for_it_reaches_sbatch(
    tmp_path: Path, follow_up: str, expected: dict[str, str | None]
) -> None:
    path = tmp_path / "mine.yaml"
    keys = "partition: gpu\nqos: long\nmemory: 900M\nconstraint: a100\ngres: gpu:1"
    path.write_text(f"kind: slurm\n{keys}\nfollow_up: {follow_up}\n", encoding="utf-8")
    asked = small(load_cluster(str(path)), name="a", after=["13"])
    options = _options(script("true", str(tmp_path), asked))
    assert {key: options.get(key) for key in expected} == expected
