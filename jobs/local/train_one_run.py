"""`regularize train`: one run of a sweep in this process, for a first look."""

from __future__ import annotations

import signal
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from jobs.store.pack_status import read_pack
from jobs.sweep.run_grid import PlannedRun, report_runs, tune_runs
from jobs.sweep.sweep_file import Sweep
from jobs.worker.stopping import Stop
from regularize.config import RunConfig
from regularize.errors import UserError, one_of
from regularize.store import PackPaths, read_table

LOOK_SECONDS = 1.0


def choose(sweep: Sweep, args: Namespace) -> PlannedRun:
    """The first run of the sweep (of its tune runs, if it has some) with the values asked for.

    Raises:
        UserError: there is none.
    """
    runs = tune_runs(sweep) if sweep.two_phase else report_runs(sweep)
    runs = _matching(runs, "dataset", args.dataset, lambda run: run.config.data.name)
    runs = _matching(runs, "regularizer", args.regularizer, lambda run: run.config.regularizer)
    runs = _matching(runs, "strength", _canonical(args.strength), lambda run: run.strength)
    return _matching(runs, "seed", args.seed, lambda run: run.config.seed)[0]


def train_here(run: PlannedRun, out: Path | None, data_root: Path | None) -> int:
    """Train one run, saying how it goes; 130 if it was interrupted, its checkpoint being in `out`.

    Of a tune run only what strengths are chosen by is shown: nobody sees test scores before the choice.

    Raises:
        UserError: `out` holds another run.
    """
    with nullcontext(str(out)) if out else tempfile.TemporaryDirectory() as folder:
        paths = PackPaths(Path(folder))
        _check_folder(paths, run.config)
        print(" ".join(filter(None, _words(run))), flush=True)
        return _train(run, paths, data_root)


def _train(run: PlannedRun, paths: PackPaths, data_root: Path | None) -> int:
    from regularize.train_pack import train_pack

    stop, epochs = Stop(None, signal.SIGINT, signal.SIGTERM), _Epochs(paths)

    def after_step() -> bool:
        epochs.look()
        return stop()

    status = train_pack([run.config], paths, data_root=data_root, stop=after_step)
    if status.state != "done":
        print(f"interrupted in epoch {status.epoch} of {status.epochs}")
        return 130
    _print_metrics(paths, "validation" if run.phase == "tune" else "test")
    return 0


class _Epochs:
    """Says which epoch a pack is in, now and then, from what it says of itself."""

    def __init__(self, paths: PackPaths) -> None:
        self._paths, self._epoch, self._next = paths, 0, time.monotonic() + LOOK_SECONDS

    def look(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LOOK_SECONDS
        with suppress(ValueError):
            status = read_pack(self._paths)
            if status and status.epoch > self._epoch:
                self._epoch = status.epoch
                print(
                    f"epoch {status.epoch} of {status.epochs}, step {status.step} of {status.steps}",
                    flush=True,
                )


def _print_metrics(paths: PackPaths, score: str) -> None:
    """A line for every measured epoch, and the accuracy on the part `score`; of the test part only for it."""
    epochs: dict[float, dict[str, Any]] = {}
    for row in _rows(paths.metrics):
        if score == "test" or row["split"] != "test":
            epochs.setdefault(row["epoch"], {})[row["split"]] = row
    for epoch, splits in epochs.items():
        losses = "  ".join(f"{split} loss {row['loss']:.4f}" for split, row in splits.items())
        print(f"epoch {epoch:6.2f}  {losses}  validation accuracy {splits['validation']['accuracy']:.2%}")
    result = _rows(paths.results)[0]
    ended = f"diverged in step {result['diverged_step']}" if result["state"] == "diverged" else "done"
    print(
        f"{ended}: {score} accuracy {result[f'{score}_accuracy']:.2%}, {result['seconds']:.1f} s of training"
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_table(path).to_pylist()
    return rows


def _check_folder(paths: PackPaths, config: RunConfig) -> None:
    try:
        status = read_pack(paths)
    except ValueError as error:
        raise UserError(f"{error}; choose another --out") from None
    if status and status.runs != (config.run_id,):
        raise UserError(f"{paths.folder} holds another run; choose another --out")


def _matching(
    runs: list[PlannedRun], name: str, value: object, of: Callable[[PlannedRun], str | int]
) -> list[PlannedRun]:
    if value is None:
        return runs
    found = [run for run in runs if of(run) == value]
    if not found:
        choices = one_of(value, {str(of(run)) for run in runs})
        raise UserError(f"no such run has {name} {value}; {choices}")
    return found


def _canonical(strength: str | None) -> str | None:
    """A number as `RunConfig.strength` writes it; other text as it is."""
    if strength is not None:
        with suppress(ValueError):
            return f"{float(strength):.12g}"
    return strength


def _words(run: PlannedRun) -> tuple[str, ...]:
    config = run.config
    return config.data.name, run.model, config.regularizer, run.strength, f"seed {config.seed}"
