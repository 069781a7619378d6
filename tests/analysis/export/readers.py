"""Reads what the trackers' own writers wrote; run as a program, so that their imports stay out of the tests.

`python -m tests.analysis.export.readers FORMAT FOLDER` prints JSON: of each run, by its `run_id` or name,
the values by name and step.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Found = dict[str, dict[str, list[tuple[int, float]]]]


def tensorboard(folder: Path) -> Found:
    """With TensorBoard's reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: Found = {}
    for path in folder.rglob("events.out.tfevents.*"):
        events = EventAccumulator(str(path)).Reload()
        scalars = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
        found[path.parent.relative_to(folder).as_posix()] = scalars
    return found


def mlflow(folder: Path) -> Found:
    """With MLflow's client."""
    import os

    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=folder.as_uri())
    (experiment,) = client.search_experiments()
    found: Found = {}
    for run in client.search_runs([experiment.experiment_id]):
        names = run.data.metrics
        found[run.data.tags["run_id"]] = {
            name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
            for name in names
        }
    return found


def wandb(folder: Path) -> Found:
    """With the messages' definitions of W&B, from the log that `wandb sync` reads."""
    from wandb.proto.wandb_internal_pb2 import Record

    found: Found = {}
    for path in folder.glob("wandb/offline-run-*/run-*.wandb"):
        values: dict[str, list[tuple[int, float]]] = {}
        for data in _log_records(path.read_bytes()):
            record = Record.FromString(data)
            for item in record.history.item:
                key = item.key or "/".join(item.nested_key)
                values.setdefault(key, []).append((record.history.step.num, json.loads(item.value_json)))
            for item in record.summary.update:
                key = item.key or "/".join(item.nested_key)
                if key.startswith("final/"):  # the rest repeats the history
                    values[key] = [(0, json.loads(item.value_json))]
        found[path.stem.removeprefix("run-")] = values
    return found


def _log_records(data: bytes) -> Iterator[bytes]:
    """The format of LevelDB's log, after a header of 7 bytes."""
    position, parts = 7, b""
    while position + 7 <= len(data):
        if (left := 32768 - position % 32768) < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


if __name__ == "__main__":
    readers: dict[str, Any] = {"tensorboard": tensorboard, "mlflow": mlflow, "wandb": wandb}
    print(json.dumps(readers[sys.argv[1]](Path(sys.argv[2]))))
