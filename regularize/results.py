"""The tables and weights of a pack that has been trained and measured."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import torch

from regularize import checkpoint
from regularize.evaluation import final
from regularize.evaluation.extent import Extent
from regularize.evaluation.settings import Evaluation
from regularize.store import (
    CORRUPTIONS,
    METRICS,
    PREDICTIONS,
    RESULTS,
    ROBUSTNESS,
    SPECTRA,
    PackPaths,
    write_table,
)
from regularize.trainer import Trainer

Row = dict[str, Any]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Measured(NamedTuple):
    """What was measured of final weights, and how."""

    evaluation: Evaluation
    extent: Extent
    outputs: final.Outputs
    found: final.Final


def write_all(
    trainer: Trainer, metrics: Sequence[Row], measured: Measured, seconds: Mapping[str, float]
) -> None:
    """All but the snapshots; `results` comes last. `seconds`: of training, its work, and evaluation."""
    ids, paths = [run.run_id for run in trainer.runs], trainer.paths
    write_table(paths.metrics, metrics, METRICS)
    write_measured(paths, ids, measured)
    weights = {name: tensor[: len(ids)] for name, tensor in trainer.model.state_dict().items()}
    checkpoint.save(paths.weights, {"runs": ids, "model": weights})
    write_table(paths.results, _results(trainer, measured, seconds), RESULTS)


def write_measured(paths: PackPaths, ids: Sequence[str], measured: Measured) -> None:
    """The tables beside `results` of what was measured of the final weights."""
    if measured.evaluation.predictions:
        predictions = final.predictions_table(ids, measured.found, *measured.outputs["test"])
        write_table(paths.predictions, predictions, PREDICTIONS)
    if measured.found.spectra:
        write_table(paths.spectra, final.spectra_rows(ids, measured.found), SPECTRA)
    if measured.found.attacks:
        write_table(paths.robustness, final.robustness_rows(ids, measured.found), ROBUSTNESS)
    if measured.found.corrupted:
        write_table(paths.corruptions, final.corruption_rows(ids, measured.found), CORRUPTIONS)


def measured_columns(runs: int, measured: Measured) -> list[Row]:
    """The columns of `results` that say what was measured and how, a row for each of the `runs`."""
    shared: Row = {
        "train_examples": measured.outputs["train"][1].shape[1] if "train" in measured.outputs else None,
        "jacobian_examples": measured.extent.jacobian_examples or None,
        "evaluation": measured.evaluation.text,
    }
    return [scores | shared for scores in final.score_rows(runs, measured.found)]


def _results(trainer: Trainer, measured: Measured, seconds: Mapping[str, float]) -> list[Row]:
    shared: Row = {
        "parameters": sum(p[0].numel() for p in trainer.parameters),
        "seconds": seconds["training"] / len(trainer.runs),
        "core_seconds": None if math.isnan(seconds["work"]) else seconds["work"] / len(trainer.runs),
        "evaluation_seconds": seconds["evaluation"] / len(trainer.runs),
        "pack_id": trainer.paths.folder.name,
        "pack_runs": len(trainer.runs),
        "world_size": trainer.ranks.world,
        "threads": torch.get_num_threads(),
        "ranks": "+".join(trainer.crews),
        "processor": "+".join(trainer.processors),
        "device": "+".join(trainer.devices),
        "code": "+".join(trainer.codes),
        "data": trainer.data,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "classes": trainer.classes,
        "training_size": trainer.train_rows.shape[1],
        "validation_size": trainer.validation_rows.shape[1],
        "test_size": len(trainer.batches.labels["test"]),
        "precision": trainer.training.precision,
        "kernels": "+".join(trainer.kernels),
        "host": platform.node(),
        "finished_at": now(),
    }
    states: list[Row] = [
        {
            "run_id": run.run_id,
            "state": "diverged" if step else "done",
            "diverged_step": step or None,
            "stopped_step": stopped or None,
            "epochs": last / trainer.timeline.per_epoch,
            "steps": last,
            "evaluated": trainer.evaluated.name,
            "penalty_gradient": ratio,
            "did_nothing": ", ".join(idle) or None,
        }
        for run, step, stopped, last, ratio, idle in zip(
            trainer.runs,
            trainer.ended.diverged.tolist(),
            trainer.ended.stopped.tolist(),
            trainer.last_steps,
            trainer.effects.least(),
            trainer.effects.idle(),
            strict=False,
        )
    ]
    scores = measured_columns(len(states), measured)
    return [state | score | shared for state, score in zip(states, scores, strict=True)]
