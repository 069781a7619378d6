"""What is no file, or far larger than it looks, is refused in a line before it fills the memory."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from analysis.report.facts import submissions
from jobs.commands.cli import main
from regularize import checkpoint
from regularize.store import DamagedFileError, Store, read_json, read_table, write_json
from tests.hostile.bounded import bounded
from tests.hostile.stores import SWEEP, change_statuses, store_in

LOOKING: tuple[tuple[str, ...], ...] = (
    ("status",), ("logs", "--state", "failed"), ("logs", "--state", "interrupted"), ("watch", "--once"),
    ("collect",), ("compare",),
)  # fmt: skip
NO_FILES: dict[str, Callable[[Path], None]] = {
    "pipe": lambda path: os.mkfifo(path),
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "dangling": lambda path: path.symlink_to("nowhere"),
    "loop": lambda path: path.symlink_to(path),
    "folder": lambda path: path.mkdir(),
}
IDS = ("a" * 16, "b" * 16, "c" * 16)


def looked_at(
    store: Store, capsys: pytest.CaptureFixture[str], commands: Iterable[tuple[str, ...]] = LOOKING
) -> str:
    """What all commands say; each ends, and none takes much."""
    said = ""
    for name, *words in commands:
        with bounded(500):
            assert main([name, str(store.folder), *words]) in (0, 1, 2), name
        new = "".join(capsys.readouterr())
        assert "Traceback" not in new
        said += new
    return said


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_named_and_left_out(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_in(tmp_path / "evil")
    first, second, *_ = sorted(store.packs.iterdir())
    for name in ("status.json", "error.txt", "results.parquet", "metrics.parquet", "weights.pt"):
        path = first / name
        path.unlink(missing_ok=True)
        NO_FILES[kind](path)
    change = {"state": "interrupted", "job": "7_0", "host": "n"}
    write_json(second / "status.json", read_json(second / "status.json") | change)
    (third := store.packs / IDS[0]).mkdir()
    write_json(third / "status.json", read_json(second / "status.json") | {"pid": 77, "job": ""})
    (fourth := store.packs / IDS[1]).mkdir()
    write_json(fourth / "status.json", read_json(second / "status.json") | {"state": "failed"})
    store.logs.mkdir()
    for path in (store.logs / "7_0_log.out", store.logs / "worker-1-77.log", fourth / "error.txt"):
        NO_FILES[kind](path)
    for path in (store.folder / "code", store.folder / "data", store.tables):
        path.mkdir(exist_ok=True)
    NO_FILES[kind](store.code("0" * 16))
    change_statuses_of(fourth, code="0" * 16)
    looked_at(store, capsys)


def change_statuses_of(folder: Path, **fields: Any) -> None:
    write_json(folder / "status.json", read_json(folder / "status.json") | fields)


@pytest.mark.parametrize("kind", ["pipe", "endless", "dangling", "loop", "folder"])
def test_sweeps_and_cluster_configs_are_files(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bad, good = Path("bad.yaml"), Path("good.yaml")
    NO_FILES[kind](bad)
    good.write_text(SWEEP, encoding="utf-8")
    far = ["plan", "good.yaml", "--cluster", "bad.yaml"]
    for words in (
        ["plan", "bad.yaml"],
        ["status", "bad.yaml"],
        far,
        ["cluster", "check", "bad.yaml"],
        ["plan"],
    ):
        with bounded(200):
            assert main(words) == 2
        said = capsys.readouterr().err
        assert said.count("error: ") == said.count("\n") == 1, said


DEEP = "[" * 100_000
MANY = "[" + "[]," * 10_000_000 + "[]]"  # 30 MB, which would take 700
YAMLS = {
    "deep flow": f"a: {DEEP}",
    "deep block": "a:\n" + "".join(f"{' ' * i}- \n" for i in range(1, 1200)),
    "many values": "a: [" + "[]," * 120_000 + "]",
    "anchors": "x0: &x0 [1,1,1,1,1,1,1,1,1]\n"
    + "".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9)}]\n" for i in range(1, 9)),
    "long": f"a: '{'x' * 2_000_000}'",
}


@pytest.mark.parametrize("name", YAMLS)
def test_yaml_that_grows_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(YAMLS[name], encoding="utf-8")
    with bounded(400):
        assert main(["plan", str(path)]) == 2
    assert capsys.readouterr().err.count("error: ") == 1


@pytest.mark.parametrize(
    "text", [DEEP, MANY, json.dumps({"sealed": "x", "a": json.loads("[" * 9 + "]" * 9)})]
)
def test_json_that_grows_is_damaged(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = store_in(tmp_path / "evil")
    first = min(store.packs.iterdir())
    for path in (first / "status.json", store.journal, store.looks, store.provenance, store.accepted):
        path.write_text(text, encoding="utf-8")
    looked_at(store, capsys, [("status",), ("compare",)])
    with bounded(200):
        assert submissions(store) == []


def repeated(value: Any, rows: int) -> pa.Array:
    """A column that stores its one value once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))


@pytest.mark.parametrize("kind", ["rows", "a long text in each row", "lists", "nulls"])
def test_tables_that_grow_are_damaged(kind: str, tmp_path: Path) -> None:
    long = "a" * 2_000_000
    table = pa.table(
        {
            "rows": lambda: dict.fromkeys("abcd", repeated("a" * 16, 20_000_000)),
            "a long text in each row": lambda: {"run_id": repeated(long, 2000)},
            "lists": lambda: {"run_id": ["a"], "x": [np.zeros(35_000_000, np.int8)]},
            "nulls": lambda: {"run_id": pa.nulls(600_000_000)},
        }[kind]()
    )
    path = tmp_path / "packs" / "a" / "results.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table, path, compression="zstd", write_statistics=False)
    del table
    assert path.stat().st_size < 2_500_000
    with bounded(150), pytest.raises(DamagedFileError, match="far more memory"):
        read_table(path)


def test_a_table_of_runs_with_long_texts_is_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_in(tmp_path / "evil")
    row = read_table(store.runs).to_pylist()[0]
    columns = {
        name: repeated(value, 2000) if isinstance(value, str) else [value] * 2000
        for name, value in row.items()
    }
    pq.write_table(
        pa.table(columns | {"config": repeated("a" * 2_000_000, 2000)}), store.runs, compression="zstd"
    )
    assert "far more memory" in looked_at(store, capsys)


class _Large:
    def __reduce__(self) -> tuple[object, ...]:
        return bytearray, (6_000_000_000,)


@pytest.mark.parametrize("kind", ["archive", "pickle", "code"])
def test_archives_that_grow_are_damaged(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_in(tmp_path / "evil")
    path = store.pack(min(store.packs.iterdir()).name).weights
    if kind == "code":
        path = store.code("0" * 16)
        path.parent.mkdir()
        change_statuses(store, code="0" * 16)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("weights/data.pkl", pickle.dumps(_Large(), 2) if kind == "pickle" else b"N.")
        archive.writestr("weights/version", "3\n")
        if kind != "pickle":
            archive.writestr("weights/data/0", bytes(70_000_000))
    if kind == "code":
        looked_at(store, capsys, [("status",)])
        return
    with bounded(100), pytest.raises(DamagedFileError):
        checkpoint.load(path)


def npy(shape: tuple[int, ...], content: bytes = b"", kind: str = "|u1") -> bytes:
    """What `numpy.save` writes of an array, or says so."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": kind, "fortran_order": False, "shape": shape})
    return out.getvalue() + content


IMAGES, LABELS = npy((9, 32, 32), os.urandom(9 * 1024)), npy((9,), bytes([0, 1] * 4 + [0]))
ARRAYS = {
    "images": {"train_images": npy((3_000_000, 32, 32))},
    "labels": {"train_labels": npy((3_000_000_000,))},
    "number": {"train_images": npy((10**30, 32, 32))},
    "negative": {"train_images": npy((-1, 32, 32))},
    "objects": {"train_labels": npy((9,), pickle.dumps([1] * 9), "|O")},
    "head": {"train_images": b"\x93NUMPY\x02\x00" + (300_000_000).to_bytes(4, "little") + b" " * 300_000_000},
}


@pytest.mark.parametrize("name", ARRAYS)
def test_archives_of_arrays_that_grow_are_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = {"train_images": IMAGES, "train_labels": LABELS, "test_images": IMAGES, "test_labels": LABELS}
    with zipfile.ZipFile(tmp_path / "evil.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for key, content in (arrays | ARRAYS[name]).items():
            archive.writestr(f"{key}.npy", content)
    refused(tmp_path, capsys)


def refused(root: Path, capsys: pytest.CaptureFixture[str]) -> str:
    with bounded(200):
        assert main(["data", "show", "evil", "--data-root", str(root), "--out", str(root / "x.png")]) == 2
    said = capsys.readouterr().err
    assert said.count("error: ") == said.count("\n") == 1
    return said


@pytest.mark.parametrize("kind", ["pixels", *NO_FILES])
def test_pictures_that_grow_are_refused(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = io.BytesIO()
    if kind == "pixels":
        Image.new("L", (13_000, 13_000)).save(large, "PNG")
    for part in ("train", "test"):
        for name in ("a", "b"):
            path = tmp_path / "evil" / part / name / "x.png"
            path.parent.mkdir(parents=True)
            path.write_bytes(large.getvalue()) if kind == "pixels" else NO_FILES[kind](path)
    refused(tmp_path, capsys)


@pytest.mark.parametrize(
    "metadata", [DEEP, '{"info": {"features": {"label": {"_type": "ClassLabel", "names": 5}}}}']
)
def test_what_a_table_of_pictures_says_of_itself_is_checked(
    metadata: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pa.table({"image": [{"bytes": b"no picture", "path": ""}] * 2, "label": [0, 1]})
    for part in ("train", "test"):
        path = tmp_path / "evil" / f"{part}-0.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table.replace_schema_metadata({"huggingface": metadata}), path)
    assert "is damaged or not an image" in refused(tmp_path, capsys)


def test_one_large_picture_that_every_row_means_is_in_memory_a_few_times(tmp_path: Path) -> None:
    drawn = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(drawn, "PNG")
    cell = {"bytes": drawn.getvalue() + bytes(8_000_000), "path": ""}
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for part in ("train", "test"):
        path = tmp_path / "evil" / f"{part}-0.parquet"
        path.parent.mkdir(exist_ok=True)
        schema = pa.schema([("image", kind), ("label", pa.int64())])
        with pq.ParquetWriter(path, schema, compression="zstd", dictionary_pagesize_limit=2**30) as file:
            for _ in range(8):  # into one group of rows
                file.write_batch(pa.record_batch([pa.array([cell] * 16, kind), [0, 1] * 8], schema=schema))
        assert path.stat().st_size < 10_000
    words = ["data", "show", "evil", "--data-root", str(tmp_path), "--out", str(tmp_path / "x.png")]
    with bounded(500):
        assert main(words) == 0


def test_a_compressed_file_of_digits_that_grows_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = gzip.compress(bytes(10_000_000)) * 70
    for part in ("train", "t10k"):
        for name in ("images-idx3", "labels-idx1"):
            path = tmp_path / "evil" / f"{part}-{name}-ubyte.gz"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
    refused(tmp_path, capsys)


def test_a_network_with_more_numbers_than_are_stored_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_in(tmp_path / "evil")
    for folder in store.packs.iterdir():
        path = store.pack(folder.name).weights
        runs = torch.load(path, weights_only=True)["runs"]
        torch.save({"runs": runs, "model": {"fc1.weight": torch.zeros(1).expand(len(runs), 1 << 31)}}, path)
    with bounded(400):
        assert main(["figures", str(store.folder), "weight_distributions"]) == 1
    assert "it holds no networks" in capsys.readouterr().err
