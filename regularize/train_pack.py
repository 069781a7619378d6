"""Training a pack: the loop over steps, with all that it leaves on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from regularize.alike import begun_alike
from regularize.config import RunConfig
from regularize.distributed import Ranks
from regularize.evaluation.examined import StoppedError, never
from regularize.memory import keep_large_blocks, set_imports_aside
from regularize.recorder import Recorder
from regularize.store import PackPaths, PackStatus
from regularize.trainer import Trainer


def train_pack(
    runs: Sequence[RunConfig],
    paths: PackPaths,
    *,
    data_root: Path | None = None,
    stop: Callable[[], bool] = never,
    checkpoint_seconds: float = 300.0,
    heartbeat_seconds: float = 2.0,
    job: str = "",
) -> PackStatus:
    """Train `runs` side by side, from their checkpoint if there is one, and write their tables.

    `stop` is asked after every step, and between examples that are measured; once it is true a
    checkpoint is written and the returned status is `interrupted`, else it is `done`. In a process
    group all ranks call this together, and rank 0 writes. `job` is what the status says of who trains.

    Raises:
        RanksError: the ranks do not have the same data, code, versions or settings.
    """
    assert len({run.shared_key for run in runs}) == 1, "the runs of a pack share all but strengths and seed"
    keep_large_blocks()
    set_imports_aside()
    ranks = Ranks.here()
    trainer = begun_alike(ranks, runs, lambda: Trainer(runs, paths, ranks, data_root))
    recorder = Recorder(
        trainer,
        stop=stop,
        checkpoint_seconds=checkpoint_seconds,
        heartbeat_seconds=heartbeat_seconds,
        job=job,
    )
    trainer.start()
    try:
        recorder.resume()
        while not trainer.finished:
            trainer.advance()
            recorder.after_step()
        return recorder.finish()
    except StoppedError:
        return recorder.interrupt()
