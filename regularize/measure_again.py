"""Measuring trained networks again, from the weights that their training left, by other settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from regularize import checkpoint
from regularize.alike import begun_alike
from regularize.config import RunConfig
from regularize.curves import Curves
from regularize.distributed import Ranks
from regularize.evaluation import final
from regularize.evaluation.examined import StoppedError, never
from regularize.evaluation.settings import Evaluation
from regularize.memory import keep_large_blocks
from regularize.results import Measured, Row, measured_columns, now, write_measured
from regularize.stopwatch import Stopwatch
from regularize.store import RESULTS, DamagedFileError, PackPaths, PackStatus, read_table, write_table
from regularize.trainer import Trainer
from regularize.trainer_state import load_trained


def measure_pack(
    runs: Sequence[RunConfig],
    paths: PackPaths,
    *,
    data_root: Path | None = None,
    stop: Callable[[], bool] = never,
    job: str = "",
) -> PackStatus:
    """Measure a pack that is done by the evaluation of `runs`, and write its tables anew.

    Curves and snapshots stay as they are, and so does all that `results` says of the training. The pack
    is done all the time; once `stop` is true it is left as it was. In a process group all ranks call this
    together, and rank 0 writes.

    Raises:
        UserError: the data are not those of the training; or the weights cannot be read. They are set
            aside: the pack has to be trained again.
    """
    keep_large_blocks()
    ranks, before = Ranks.here(), PackStatus.read(paths.status)

    def begin() -> Trainer:
        made = Trainer(runs, paths, ranks, data_root)
        load_trained(made, _weights(paths, [run.run_id for run in runs], ranks.device), before.data)
        return made

    trainer = begun_alike(ranks, runs, begin)
    wanted, watch = runs[0].evaluation, Stopwatch()
    evaluation = _with_what_stays(wanted, before)
    curves = Curves(trainer, wanted, lambda: ranks.any(stop()))
    watch.start()
    try:
        outputs = curves.outputs()
        # `spectra` is written anew whatever is wanted, so it keeps all it has.
        asked = replace(wanted, operator_norms=evaluation.operator_norms)
        found = final.measure(curves.examined, asked, curves.extent, outputs)
    except StoppedError:
        return before
    after = replace(
        before,
        evaluation=evaluation.text,
        curves=before.curves or before.evaluation,
        code="+".join(dict.fromkeys([*filter(None, before.code.split("+")), *trainer.codes])),
        evaluation_seconds=before.evaluation_seconds + watch.read(),
        measuring_failed=False,
        updated_at=now(),
        job=job,
    )
    if ranks.first:
        after = _replace_tables(paths, before, after, Measured(evaluation, curves.extent, outputs, found))
    ranks.wait()
    return after


def _with_what_stays(wanted: Evaluation, before: PackStatus) -> Evaluation:
    """What the tables will have been measured by: on the way, and of what is not wanted now, as before."""
    if not before.evaluation:
        return wanted
    known = Evaluation.from_json(json.loads(before.evaluation))
    return replace(
        known,
        train_examples=wanted.train_examples,
        for_choice=wanted.for_choice and known.for_choice,
        predictions=wanted.predictions or known.predictions,
        jacobian_examples=known.jacobian_examples
        if wanted.jacobian_examples == 0
        else wanted.jacobian_examples,
        robustness=wanted.robustness or known.robustness,
        corruptions=wanted.corruptions or known.corruptions,
        operator_norms=wanted.operator_norms or known.operator_norms,
    )


def _replace_tables(
    paths: PackPaths, before: PackStatus, after: PackStatus, measured: Measured
) -> PackStatus:
    """Whatever ends this between the first and the last line, the pack is one that has to be measured."""
    staying = {path.name for path in (paths.metrics, paths.weights, paths.snapshots)}
    files = {name: size for name, size in before.files.items() if name in staying}
    if measured.found.jacobian_norms is None:
        kept = replace(measured.found, jacobian_norms=_jacobian_norms(paths, len(before.runs)))
        measured = measured._replace(found=kept)
    replace(before, evaluation="", files=files).write(paths.status)
    write_measured(paths, before.runs, measured)
    spent = (after.evaluation_seconds - before.evaluation_seconds) / len(before.runs)
    rows: dict[str, Row] = {row["run_id"]: row for row in read_table(paths.results).to_pylist()}
    for run_id, columns in zip(before.runs, measured_columns(len(before.runs), measured), strict=True):
        # What is not measured any more stays as it was.
        rows[run_id] |= {name: value for name, value in columns.items() if value is not None}
        rows[run_id] |= {"code": after.code, "evaluation_seconds": rows[run_id]["evaluation_seconds"] + spent}
    write_table(paths.results, [rows[run_id] for run_id in before.runs], RESULTS)
    after = replace(after, files=dict(paths.kept()))
    after.write(paths.status)
    return after


def _jacobian_norms(paths: PackPaths, runs: int) -> Tensor | None:
    """[R, N], as the predictions have them, which are written anew with them; None where they do not."""
    try:
        kept = read_table(paths.predictions, ["jacobian_norm"])
    except (FileNotFoundError, DamagedFileError):
        return None
    if not kept.column_names:  # written by an earlier version
        return None
    return torch.tensor(kept["jacobian_norm"].to_numpy()).view(runs, -1)


def _weights(paths: PackPaths, ids: Sequence[str], device: torch.device) -> dict[str, Tensor]:
    kept = checkpoint.load(paths.weights)
    assert list(kept["runs"]) == list(ids), "a pack's runs are in the order of their ids"
    return {name: tensor.to(device) for name, tensor in kept["model"].items()}
