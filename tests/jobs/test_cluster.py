from __future__ import annotations

from pathlib import Path

import pytest

from jobs.cluster import Cluster, cores, load_cluster
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
        ("kind: local\npack_runs: 1.5", r"pack_runs is 1\.5, but must be an integer"),
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
