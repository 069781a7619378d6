"""MLflow: `MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri FOLDER`. One experiment a sweep."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # the one store that needs no data base
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from analysis.export.finished_runs import FinishedRun, finished_runs
from analysis.notation.published_text import hides_places
from analysis.tables.store_tables import Tables

_AT_ONCE = 1000  # metrics, the most that a client may log in one call


def write(tables: Tables, folder: Path) -> None:
    """Curves as metrics with their epoch as step; final numbers as metrics named `final/…`."""
    client = MlflowClient(tracking_uri=folder.as_uri())
    experiment = client.create_experiment(tables.store.folder.absolute().name)
    for run in finished_runs(tables):
        _write_run(client, experiment, run)
    if hides_places():
        for path in folder.rglob("meta.yaml"):  # artifacts, of which there are none, have their place in it
            path.write_text(path.read_text(encoding="utf-8").replace(folder.as_uri(), "."), encoding="utf-8")


def _write_run(client: MlflowClient, experiment: str, run: FinishedRun) -> None:
    moment = round(1000 * run.finished)
    made = client.create_run(experiment, start_time=moment, run_name=run.name)
    metrics = [
        Metric(name, value, moment, epoch) for epoch, values in run.curves for name, value in values.items()
    ]
    last = run.curves[-1][0] if run.curves else 0
    metrics += [Metric(f"final/{name}", value, moment, last) for name, value in run.results.items()]
    for start in range(0, len(metrics), _AT_ONCE):
        client.log_batch(made.info.run_id, metrics[start : start + _AT_ONCE])
    parameters = [Param(name, str(value)) for name, value in run.parameters.items()]
    tags = [RunTag("run_id", run.run_id), RunTag("state", run.state)]
    client.log_batch(made.info.run_id, params=parameters, tags=tags)
    status = "FAILED" if run.state == "diverged" else "FINISHED"
    client.set_terminated(made.info.run_id, status, end_time=moment)
