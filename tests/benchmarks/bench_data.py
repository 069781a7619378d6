"""Preparing large data sets of one's own: `python -m tests.benchmarks.bench_data [--images N]`.

A folder of 100,000 colour PNG of 32 × 32 pixels in ten classes, the same images as train-*.parquet of
10,000 rows each, and an `.npz` of 500 MB (162,760 such images, not compressed). Each measure is taken in
a process of its own, with files from the page cache; prints seconds of processor time and peak memory,
and exits with 1 if a later look takes more than its limit.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing as mp
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from regularize.data import look, prepared
from tests.benchmarks.processes import peak_megabytes

SIDE, CLASSES, BYTES = 32, 10, 500_000_000
SHARD = 10_000
LIMIT = 0.2  # seconds of a later look
KIND = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def pictures(count: int, seed: int) -> np.ndarray:
    """Blotches rather than noise, so that files have the size of real ones."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return coarse.repeat(SIDE // 8, axis=1).repeat(SIDE // 8, axis=2)


def png(picture: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG", compress_level=1)
    return content.getvalue()


def build(root: Path, count: int) -> None:
    """The sets `folder`, `parquet` and `arrays`; a tenth of each for the test."""
    (root / "parquet").mkdir()
    for part, images in (("train", count * 9 // 10), ("test", count // 10)):
        for label in range(CLASSES):
            (root / "folder" / part / f"class{label}").mkdir(parents=True)
        for start in range(0, images, SHARD):
            files = [png(picture) for picture in pictures(min(SHARD, images - start), start)]
            for number, content in enumerate(files, start):
                (root / "folder" / part / f"class{number % CLASSES}" / f"{number:06}.png").write_bytes(
                    content
                )
            cells = pa.array([{"bytes": content, "path": ""} for content in files], KIND)
            labels = pa.array(np.arange(len(files)) % CLASSES)
            name = f"{part}-{start // SHARD:05}.parquet"
            pq.write_table(pa.table({"image": cells, "label": labels}), root / "parquet" / name)
    many = BYTES // (SIDE * SIDE * 3)
    split = many * 9 // 10
    images, labels = pictures(many, 1), np.arange(many) % CLASSES
    np.savez(
        root / "arrays.npz",
        train_images=images[:split],
        train_labels=labels[:split],
        test_images=images[split:],
        test_labels=labels[split:],
    )


def measure(act: Callable[[], object]) -> tuple[float, float, float]:
    """Seconds of processor time, seconds, and megabytes at the peak, of `act` in a process of its own."""
    theirs, ours = mp.get_context("fork").Pipe(duplex=False)
    process = mp.get_context("fork").Process(target=_timed, args=(act, ours))
    process.start()
    found: tuple[float, float, float] = theirs.recv()
    process.join()
    return found


def _timed(act: Callable[[], object], answer: Connection) -> None:
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    answer.send((time.process_time() - cpu, time.perf_counter() - wall, peak_megabytes()))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000, help="of the folder and the Parquet files")
    args = parser.parse_args(arguments)
    late = 0
    with TemporaryDirectory() as place:
        root = Path(place)
        measure(lambda: build(root, args.images))  # apart, so that this process stays small
        print(f"{'':10} {'':24} {'CPU s':>8} {'s':>8} {'MB':>8}")
        for name in ("folder", "parquet", "arrays"):
            viewed = root / name / "train" / "class0" / ".DS_Store"
            acts: dict[str, Callable[[], object]] = {
                "look before": lambda name=name: look(name, root),
                "preparation": lambda name=name: prepared(name, root),
                "first look of a process": lambda name=name: prepared(name, root),
                "a later look": lambda name=name: prepared(name, root, checked=False),
            }
            if name == "folder":
                acts["look after a viewer"] = lambda viewed=viewed: (viewed.touch(), prepared("folder", root))
            for what, act in acts.items():
                cpu, wall, memory = measure(act)
                print(f"{name:10} {what:24} {cpu:8.2f} {wall:8.2f} {memory:8.0f}", flush=True)
                late += what == "a later look" and cpu > LIMIT
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
