"""Checkpoints: when they are written, damage to them, a full disk, stops wherever they come."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import torch

from regularize import checkpoint, heartbeat, recorder, trainer
from regularize.config import Evaluation, RunConfig
from regularize.store import PackPaths
from regularize.train_pack import train_pack
from tests.regularize.cases import run, trained

STEPS = 70  # 34 an epoch


@pytest.fixture
def paths(tmp_path: Path) -> PackPaths:
    return PackPaths(tmp_path / "pack")


def interrupted(runs: list[RunConfig], paths: PackPaths, step: int, **options: float) -> None:
    steps = count(1)
    status = train_pack(runs, paths, stop=lambda: next(steps) == step, **options)
    assert status.state == "interrupted"


def test_a_checkpoint_is_what_was_kept_and_the_one_before_stays(paths: PackPaths) -> None:
    for number in (1, 2, 3):
        checkpoint.keep(paths, {"number": number, "tensor": torch.full((3,), float(number))})
    data = checkpoint.latest(paths)
    assert data is not None
    state = checkpoint.decode(data)
    assert (state["number"], state["tensor"].tolist()) == (3, [3.0, 3.0, 3.0])
    assert {path.name for path in paths.folder.iterdir()} == {"checkpoint.pt", "checkpoint.previous.pt"}
    checkpoint.drop(paths)
    assert list(paths.folder.iterdir()) == []
    assert checkpoint.latest(paths) is None


@pytest.mark.parametrize("damage", ["torn", "flipped", "empty"])
def test_a_damaged_checkpoint_is_named_and_the_previous_one_used(
    damage: str, paths: PackPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [run((), seed, steps=30) for seed in (0, 1)]
    interrupted(runs, paths, 10)
    interrupted(runs, paths, 10)
    whole = paths.checkpoint.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    damaged = {"torn": whole[: len(whole) // 2], "flipped": bytes(changed), "empty": b""}
    paths.checkpoint.write_bytes(damaged[damage])

    begun: list[int] = []
    train_pack(runs, paths, stop=lambda: begun.append(1) or False)
    assert len(begun) >= 20  # from step 10 on, not 20
    said = capsys.readouterr().err
    assert f"{paths.checkpoint} is damaged" in said
    assert f"going on from {paths.previous_checkpoint}" in said
    assert not list(paths.folder.glob("checkpoint*"))
    weights = torch.load(paths.weights, weights_only=True)["model"]
    undisturbed = trained(runs, tmp_path / "undisturbed")
    assert all(torch.equal(weights[name], undisturbed[name]) for name in weights)


def test_with_both_damaged_a_pack_starts_again_and_says_so(
    paths: PackPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [run((), 0, steps=30)]
    interrupted(runs, paths, 10)
    interrupted(runs, paths, 10)
    for path in (paths.checkpoint, paths.previous_checkpoint):
        path.write_bytes(b"nothing of the kind")
    assert train_pack(runs, paths).state == "done"
    assert f"{paths.folder.name} is whole: it starts again" in capsys.readouterr().err


def test_a_full_disk_is_one_clear_error_and_costs_no_checkpoint(tmp_path: Path) -> None:
    """On a small file system of its own, mounted for this process alone."""
    script = 'mount -t tmpfs -o size=4m none "$1" && exec "$2" -m tests.regularize.full_disk "$1" "$3"'
    disk = tmp_path / "disk"
    disk.mkdir()
    arguments = [str(disk), sys.executable, str(tmp_path / "elsewhere")]
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-ec", script, "sh", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    written = disk / "pack" / "checkpoint.next.pt"
    assert done.stdout == f"no space left to write {written}; what stood there is kept\n"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps of the checkpoints that are written."""
    steps: list[int] = []

    def keep(_: PackPaths, state: dict[str, dict[str, int]]) -> None:
        steps.append(state["trainer"]["step"])

    monkeypatch.setattr(checkpoint, "keep", keep)
    return steps


def test_a_tiny_training_writes_none(paths: PackPaths, written: list[int]) -> None:
    train_pack([run((), 0, steps=STEPS)], paths)
    assert written == []


def test_epochs_worth_it_end_in_one(
    paths: PackPaths, written: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "EPOCH_SECONDS", 0.0)
    monkeypatch.setattr(recorder, "EPOCH_BEATS", 0)
    monkeypatch.setattr(recorder, "WORTH", 0.0)
    train_pack([run((), 0, steps=STEPS)], paths)
    assert written == [34, 68, 70]


def test_one_is_written_every_so_often(paths: PackPaths, written: list[int]) -> None:
    train_pack([run((), 0, steps=5)], paths, checkpoint_seconds=0)
    assert written == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("heartbeat_seconds", "most"), [(2.0, 100), (60.0, 15)])
def test_where_heartbeats_are_rare_so_is_all_that_is_written(
    paths: PackPaths, monkeypatch: pytest.MonkeyPatch, heartbeat_seconds: float, most: int
) -> None:
    """Thousands of workers share a metadata server: in four epochs of 34 seconds, renames of one pack."""
    clock = SimpleNamespace(monotonic=lambda: float(len(asked)))
    asked, renamed = list[None](), list[Path]()
    inner = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, to: renamed.append(to) or inner(path, to))
    for module in (recorder, heartbeat):
        monkeypatch.setattr(module, "time", clock)
    train_pack(
        [run((), 0, steps=4 * 34)],
        paths,
        stop=lambda: bool(asked.append(None)),
        heartbeat_seconds=heartbeat_seconds,
    )
    assert len(renamed) <= most
    assert (paths.checkpoint in renamed) == (heartbeat_seconds == 2.0)


def metrics(paths: PackPaths) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(paths.metrics).drop(["seconds"]).to_pylist()
    return rows


def test_a_stop_comes_anywhere_even_while_measuring(paths: PackPaths, tmp_path: Path) -> None:
    """Stopped at every 13th question: in steps, in the rows of epochs and in the final evaluation."""
    runs = [run((), seed, steps=STEPS) for seed in (0, 1)]
    evaluation = Evaluation(every=1, train_examples=300, jacobian_examples=150)
    runs = [RunConfig(**vars(config) | {"evaluation": evaluation}) for config in runs]
    undisturbed = PackPaths(tmp_path / "undisturbed")
    train_pack(runs, undisturbed)
    steps: list[int] = []
    status = None
    while status is None or status.state != "done":
        questions = count(1)
        status = train_pack(runs, paths, stop=lambda q=questions: next(q) == 13)  # type: ignore[misc]
        steps.append(status.step)
    assert len(set(steps)) < len(steps), "none of the stops came while measuring"
    assert metrics(paths) == metrics(undisturbed)
    assert pq.read_table(paths.predictions) == pq.read_table(undisturbed.predictions)
    drop = ["seconds", "core_seconds", "evaluation_seconds", "pack_id", "finished_at"]
    assert pq.read_table(paths.results).drop(drop) == pq.read_table(undisturbed.results).drop(drop)
    one, other = (torch.load(p.weights, weights_only=True)["model"] for p in (paths, undisturbed))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's number of threads, for the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_results_say_all_that_a_pack_was_trained_on(
    paths: PackPaths, monkeypatch: pytest.MonkeyPatch, threads: Callable[[int], None]
) -> None:
    """It goes on with other threads on another processor, and is as before at its end."""
    runs = [run((), 0, steps=STEPS)]
    for number, name in ((2, "one"), (1, "other")):
        threads(number)
        monkeypatch.setattr(trainer, "processor", lambda name=name: name)
        interrupted(runs, paths, 10)
    threads(2)
    assert train_pack(runs, paths).state == "done"
    (found,) = pq.read_table(paths.results).to_pylist()
    assert (found["ranks"], found["processor"], found["device"]) == ("1x2+1x1", "one+other", "cpu")
    assert (found["world_size"], found["threads"]) == (1, 2)


def test_a_checkpoint_of_an_earlier_version_says_it_of_the_attempts_since(paths: PackPaths) -> None:
    runs = [run((), 0, steps=STEPS)]
    interrupted(runs, paths, 10)
    data = checkpoint.latest(paths)
    assert data
    state = checkpoint.decode(data)
    for name in ("crews", "processors", "devices"):
        del state["trainer"][name]
    checkpoint.keep(paths, state)
    assert train_pack(runs, paths).state == "done"
    (found,) = pq.read_table(paths.results).to_pylist()
    assert found["ranks"] == f"1x{torch.get_num_threads()}"
