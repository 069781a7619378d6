"""Weights & Biases, offline: `wandb sync FOLDER/wandb/offline-run-*` sends the runs where you want them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

os.environ["WANDB_ERROR_REPORTING"] = "false"
os.environ["WANDB_MODE"] = "offline"

import wandb

from analysis.export.finished_runs import finished_runs
from analysis.notation.published_text import hides_places
from analysis.tables.store_tables import Tables


def write(tables: Tables, folder: Path) -> None:
    """Curves by epoch as history, final numbers in the summary. Runs keep their ids."""
    settings = wandb.Settings(
        silent=True, console="off", x_disable_stats=True, x_disable_meta=True, disable_git=True,
        disable_code=True, x_save_requirements=False,
    )  # fmt: skip
    if hides_places():
        settings.host, settings.username, settings.email = "host", "user", None
    for run in finished_runs(tables):
        started = wandb.init(
            mode="offline",
            dir=str(folder),
            project=tables.store.folder.absolute().name,
            group=str(run.parameters["dataset"]),
            id=run.run_id,
            name=run.name,
            config=dict(run.parameters),
            settings=settings,
        )
        for epoch, values in run.curves:
            started.log(values, step=epoch)
        started.summary.update({f"final/{name}": value for name, value in run.results.items()})
        started.summary["state"] = run.state
        started.finish(exit_code=1 if run.state == "diverged" else 0)
    if hides_places():  # `wandb sync` reads none of these logs, which name folders
        for logs in (folder / "wandb").glob("*/logs"):
            shutil.rmtree(logs)
        for link in (folder / "wandb").iterdir():
            if link.is_symlink():
                link.unlink()
