"""TensorBoard: `tensorboard --logdir FOLDER`. One folder of event files a run."""

from __future__ import annotations

from pathlib import Path

from tensorboardX import SummaryWriter

from analysis.export.finished_runs import finished_runs
from analysis.notation.published_text import hides_places
from analysis.tables.store_tables import Tables


def write(tables: Tables, folder: Path) -> None:
    """Curves by epoch under their names; final numbers under `final/` at the last epoch."""
    for run in finished_runs(tables):
        with SummaryWriter(str(folder / run.name / run.run_id), write_to_disk=True) as writer:
            for epoch, values in run.curves:
                for name, value in values.items():
                    writer.add_scalar(name, value, epoch, walltime=run.finished)
            last = run.curves[-1][0] if run.curves else 0
            for name, value in run.results.items():
                writer.add_scalar(f"final/{name}", value, last, walltime=run.finished)
            settings = "\n".join(f"    {name}: {value}" for name, value in run.parameters.items())
            writer.add_text("run", f"{settings}\n    state: {run.state}", last, walltime=run.finished)
    if hides_places():
        for path in folder.rglob("events.out.tfevents.*"):  # … .<seconds>.<host>, of one run each
            path.rename(path.with_name(".".join(path.name.split(".")[:4])))
