"""Which Python starts what in a job."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.cluster.load_config import load_cluster
from jobs.slurm import interpreter

TOLD = """\
import os, signal, sys
os.kill(os.getpid(), signal.SIGUSR2)
print("goes on", *sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("lines", "follow_up"),
    [
        ([], None),
        (["python: /opt/python"], "/opt/python"),
        (["container: /images/a.sif", "python: python3.11"], None),
        (["container: /images/a.sif", "follow_up: {python: /opt/python}"], "/opt/python"),
        (["python: /opt/a", "follow_up: {python: [conda, run, -n, 'my env', python]}"],
         "conda run -n 'my env' python"),
        (["python: /opt/a", "follow_up: false"], "/opt/a"),
    ],
)  # fmt: skip
def test_the_follow_ups_python_is_its_own_or_what_runs_outside_a_container(
    tmp_path: Path, lines: list[str], follow_up: str | None
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(["kind: slurm", *lines]), encoding="utf-8")
    assert interpreter.of_follow_up(load_cluster(str(path))) == follow_up


@pytest.mark.parametrize("python", [(), ("env", "A=b c", sys.executable)])
def test_a_worker_that_does_not_listen_yet_is_not_ended_by_the_word_that_its_time_is_nearly_over(
    python: tuple[str, ...],
) -> None:
    command = interpreter.of_tasks(Cluster(kind="slurm", python=python))
    done = subprocess.run(["sh", "-c", f"{command} - 'a b'"], input=TOLD, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("goes on a b\n", 0), done.stderr
