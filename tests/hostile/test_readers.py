"""Whatever bytes stand in a file of a store, a data root or a config, what reads it ends in a clean error.

About 30 s, always the same examples; `HYPOTHESIS_EXAMPLES=2000` looks further, with other ones each time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.report import facts
from analysis.statistics import looks
from analysis.tables.collect import collect
from jobs.cluster.cluster_config import from_json
from jobs.cluster.load_config import load_cluster
from jobs.store import kept_inputs, submitted_settings
from jobs.store.journal import read_journal
from jobs.store.pack_status import read_packs
from jobs.store.planned_runs import read_rows
from jobs.sweep.run_grid import from_table
from jobs.sweep.sweep_file import load_sweep
from jobs.watch.picture import Picture
from jobs.watch.source_wire import _read
from regularize.data.stored import read_meta
from regularize.errors import UserError
from regularize.schemas import RUNS
from regularize.store import Store, read_table, write_table
from tests.hostile.stores import JOURNAL, SWEEP, store_in

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "0"))
fuzz = settings(
    max_examples=EXAMPLES or 60,
    derandomize=not EXAMPLES,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just([]), st.just({})
)
VALUES = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
STATUS = {
    "state": "running", "runs": ["a" * 16], "step": 1, "steps": 2, "epoch": 1, "epochs": 2, "seconds": 1.0,
    "started_at": "2024-01-01T00:00:00+00:00", "updated_at": "2024-01-01T00:00:00+00:00", "host": "n",
    "pid": 1, "diverged": [], "files": {"weights.pt": 3},
}  # fmt: skip
META = {
    "format": 3, "facts": {"train": 4, "validation": 0, "test": 2, "classes": 2, "side": 2, "channels": 1},
    "class_names": ["a", "b"], "mean": [0.5], "std": [0.5], "notes": [], "source": "s", "looked": {"x": [1]},
    "checksum": "c", "sizes": {},
}  # fmt: skip
PICTURE = {
    "sweep": "s",
    "place": "p",
    "time": "2024-01-01T00:00:00+00:00",
    "runs": [["a", "report", "d", "r", "", 1, "done", 1.0, "", ""]],
    "speed": 1.0,
    "seconds_left": None,
    **dict.fromkeys(("warnings", "active", "queue", "failures"), ()),
}


@st.composite
def spoilt(draw: st.DrawFn, whole: Any) -> Any:
    """A JSON value in which something, anywhere, is another value, or is gone, or something is added."""
    if isinstance(whole, dict) and whole and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(whole)))
        return {**whole, key: draw(spoilt(whole[key]))}
    if isinstance(whole, list) and whole and draw(st.booleans()):
        place = draw(st.integers(0, len(whole) - 1))
        return [*whole[:place], draw(spoilt(whole[place])), *whole[place + 1 :]]
    if isinstance(whole, dict) and whole and draw(st.booleans()):
        return {key: value for key, value in whole.items() if key != draw(st.sampled_from(sorted(whole)))}
    return draw(VALUES)


def clean(read: Callable[[], object]) -> None:
    """Let it read; what it may raise is an error of ours."""
    with suppress(UserError):
        read()


@fuzz
@given(spoilt(STATUS), st.binary(max_size=30))
def test_status(tmp_path: Path, value: Any, raw: bytes) -> None:
    store = Store(tmp_path)
    for number, content in enumerate((json.dumps(value).encode(), raw)):
        folder = store.pack(f"{number}" * 16).folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "status.json").write_bytes(content)
    found = read_packs(store)
    assert len(found.statuses) + len(found.broken) == 2
    for status in found.statuses.values():
        assert all(isinstance(run_id, str) for run_id in status.runs)


@fuzz
@given(spoilt(META), st.binary(max_size=30))
def test_meta(tmp_path: Path, value: Any, raw: bytes) -> None:
    path = tmp_path / "meta.json"
    for content in (json.dumps(value).encode(), raw):
        path.write_bytes(content)
        if ready := read_meta(tmp_path):
            assert isinstance(ready.path("train_images"), Path)
            assert not ready.complete()


EVENTS = [json.loads(line) for line in JOURNAL.splitlines() if line.startswith('{"event": "')]
EVENTS += [
    {"event": "submitting", "token": "t", "name": "rs-a-t", "time": "x", "elements": [[[["a"]]]]},
    {
        "event": "died",
        "pid": 1,
        "how": "x",
        "pack": "a",
        "runs": ["a"],
        "log": "l",
        "given_up": True,
        "time": "",
    },
    {"event": "retried", "runs": ["a"], "time": "x"},
    {"event": "said", "damaged": [1]},
]


@fuzz
@given(st.lists(st.sampled_from(EVENTS).flatmap(spoilt), max_size=4), st.binary(max_size=40))
def test_journal(tmp_path: Path, events: list[Any], raw: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes("\n".join(map(json.dumps, events)).encode() + b"\n" + raw)
    journal = read_journal(path)
    for handed in journal.handed:
        assert isinstance(handed.slurm_id(0), str)
        for index in range(len(handed.elements)):
            assert all(isinstance(run_id, str) for run_id in handed.runs(index))
    assert all(isinstance(run_id, str) for run_id in journal.cancelled)


@fuzz
@given(VALUES, st.binary(max_size=30))
def test_what_a_store_remembers(tmp_path: Path, value: Any, raw: bytes) -> None:
    store = Store(tmp_path)
    for content in (json.dumps(value).encode(), json.dumps({"submissions": value}).encode(), raw):
        for path in (store.provenance, store.submission, store.accepted, store.looks, store.data("a")):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        clean(lambda: [facts.provenance(each) for each in facts.submissions(store)])
        clean(lambda: facts.again(store))
        clean(lambda: submitted_settings.load(store))
        clean(lambda: kept_inputs.accepted(store))
        clean(lambda: kept_inputs.kept_data(store, "a"))
        clean(lambda: looks.read(store))
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        from_json(value)


@fuzz
@given(spoilt(PICTURE), st.text(max_size=20))
def test_answers(value: Any, raw: str) -> None:
    clean(lambda: _read(Picture.from_json, json.dumps(value)))
    clean(lambda: _read(Picture.from_json, raw))


@fuzz
@given(
    st.sampled_from(["name", "dataset", "model", "training", "regularizers", "seeds", "evaluation"]),
    VALUES,
    st.text(max_size=30),
)
def test_sweep_and_cluster_files(tmp_path: Path, key: str, value: Any, raw: str) -> None:
    path = tmp_path / "s.yaml"
    line = f"{key}: {json.dumps(value)}\n"
    kept = [each for each in SWEEP.splitlines(keepends=True) if not each.startswith(f"{key}:")]
    for text in (line + "".join(kept), raw, f"{SWEEP}{raw}"):
        path.write_text(text, encoding="utf-8", errors="replace")
        clean(lambda: load_sweep(path))
        clean(lambda: load_cluster(str(path)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return store_in(tmp_path_factory.mktemp("whole") / "s")


@settings(fuzz, max_examples=EXAMPLES or 15)  # each collects
@given(
    st.sampled_from(RUNS.names),
    st.text(max_size=12)
    | st.sampled_from(["", "../x", "a/b", "nan", "{}", "[]", '{"data": 3}', "1e999", "-"]),
)
def test_runs(whole: Store, tmp_path: Path, column: str, value: str) -> None:
    store = Store(tmp_path)
    rows = read_table(whole.runs).to_pylist()
    try:
        table = pa.Table.from_pylist([row | {column: value} for row in rows], schema=RUNS)
    except (pa.ArrowException, TypeError):  # another type than the column's
        table = pa.Table.from_pylist(rows).drop_columns([column])
        write_table(store.runs, table, table.schema)
    else:
        write_table(store.runs, table, RUNS)
    clean(lambda: read_rows(store))
    clean(lambda: collect(store))
    clean(lambda: from_table(read_table(store.runs)))


@fuzz
@given(st.integers(0, 10_000), st.integers(0, 255), st.integers(0, 3))
def test_tables_of_packs(whole: Store, tmp_path: Path, place: int, byte: int, cut: int) -> None:
    source = next(iter(sorted(whole.packs.iterdir()))) / "results.parquet"
    content = bytearray(source.read_bytes())
    content[place % len(content)] = byte
    path = tmp_path / "packs" / "a" / "results.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(content[: len(content) - cut]))
    clean(lambda: read_table(path))
