"""All that is measured once training has ended, and the rows of tables that it fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from regularize.evaluation.accuracy import loss_and_accuracy
from regularize.evaluation.calibration import calibration, scaled, temperature
from regularize.evaluation.corruptions import OnCorrupted, on_corrupted
from regularize.evaluation.examined import Examined
from regularize.evaluation.extent import Extent
from regularize.evaluation.jacobian_norm import frobenius_norms
from regularize.evaluation.operators import operator_values
from regularize.evaluation.robustness import Attacked, under_attack
from regularize.evaluation.settings import Evaluation
from regularize.evaluation.singular_values import singular_values, summary

Row = dict[str, Any]
Outputs = Mapping[str, tuple[Tensor, Tensor]]
"""Logits [R, N, K] and labels [R, N] by split."""


@dataclass(frozen=True, kw_only=True)
class Final:
    """What a pack's networks are worth: `scores` [R] by column of the results, spectra [R, n] by layer.

    `operators` are the spectra of the layers as operators, empty where they were not asked for;
    `jacobian_norms` [R, N] those of the test examples, NaN where they were not.
    """

    scores: Mapping[str, Tensor]
    spectra: Mapping[str, Tensor] = field(default_factory=dict)
    operators: Mapping[str, Tensor] = field(default_factory=dict)
    attacks: Sequence[Attacked] = ()
    jacobian_norms: Tensor | None = None
    corrupted: Sequence[OnCorrupted] = ()


def measure(examined: Examined, evaluation: Evaluation, extent: Extent, outputs: Outputs) -> Final:
    """Measure everything, or what a choice needs; all ranks call this together.

    Points have no range of pixels to be attacked in and no corrupted copies: neither is measured of them.
    """
    if evaluation.for_choice:
        return Final(scores=_losses_and_accuracies(outputs))
    weights = examined.model.weights()
    spectra = singular_values(weights)
    scores = summary(weights, spectra) | _losses_and_accuracies(outputs)
    operators = operator_values(examined, spectra) if evaluation.operator_norms else {}
    if operators:
        scores["operator_norm_product"] = torch.stack([v[:, 0] for v in operators.values()]).prod(0)
    scores["temperature"] = temperature(*outputs["validation"])
    calibrated = calibration(*outputs["test"]) | scaled(*outputs["test"], scores["temperature"])
    scores |= {f"test_{name}": score for name, score in calibrated.items()}
    norms: Tensor | None = None
    if extent.jacobian_examples:
        sample = examined.sample(extent.jacobian_examples)
        found = frobenius_norms(examined, sample).double()
        scores["jacobian_norm"] = found.mean(1)
        examples = len(examined.batches.labels["test"])
        norms = found.new_full((len(found), examples), torch.nan).scatter(1, sample.to(found.device), found)
    attacks: list[Attacked] = []
    if evaluation.robustness and examined.batches.bounds:
        sample = examined.sample(extent.attacked_examples)
        attacks = under_attack(examined, evaluation.robustness, sample)
    corrupted: list[OnCorrupted] = []
    if evaluation.corruptions and examined.batches.bounds:
        corrupted = on_corrupted(examined, evaluation.corruptions)
    return Final(
        scores=scores,
        spectra=spectra,
        operators=operators,
        attacks=attacks,
        jacobian_norms=norms,
        corrupted=corrupted,
    )


def _losses_and_accuracies(outputs: Outputs) -> dict[str, Tensor]:
    return {
        f"{split}_{name}": score
        for split, each in outputs.items()
        for name, score in zip(("loss", "accuracy"), loss_and_accuracy(*each), strict=True)
    }


def score_rows(runs: int, found: Final) -> list[Row]:
    """The measured columns of `results`, a row for each of the `runs`."""
    values = {name: score[:runs].tolist() for name, score in found.scores.items()}
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def spectra_rows(ids: Sequence[str], found: Final) -> list[Row]:
    """The rows of `spectra`."""
    return [
        {"run_id": run_id, "layer": layer, "index": index, "value": value, "operator_value": operator}
        for run, run_id in enumerate(ids)
        for layer, values in found.spectra.items()
        for index, (value, operator) in enumerate(
            zip(values[run].tolist(), _operators(found, layer, run, values.shape[1]), strict=True)
        )
    ]


def _operators(found: Final, layer: str, run: int, count: int) -> list[float | None]:
    return found.operators[layer][run].tolist() if found.operators else [None] * count


def robustness_rows(ids: Sequence[str], found: Final) -> list[Row]:
    """The rows of `robustness`."""
    return [
        {
            "run_id": run_id,
            "attack": attacked.attack,
            "size": attacked.size,
            "accuracy": attacked.accuracy[run].item(),
            "examples": len(attacked.correct[run]),
            "steps": attacked.walk[0] if attacked.walk else None,
            "step_size": attacked.walk[1] if attacked.walk else None,
            "saturated": None if attacked.saturated is None else int(attacked.saturated[run].item()),
            "correct": "".join("01"[right] for right in attacked.correct[run].tolist()),
        }
        for run, run_id in enumerate(ids)
        for attacked in found.attacks
    ]


def corruption_rows(ids: Sequence[str], found: Final) -> list[Row]:
    """The rows of `corruptions`."""
    return [
        {
            "run_id": run_id,
            "corruption": each.corruption,
            "severity": each.severity,
            "accuracy": each.accuracy[run].item(),
            "examples": each.correct.shape[1],
            "content": each.content,
            "correct": "".join("01"[right] for right in each.correct[run].tolist()),
        }
        for run, run_id in enumerate(ids)
        for each in found.corrupted
    ]


def predictions_table(ids: Sequence[str], found: Final, outputs: Tensor, labels: Tensor) -> pa.Table:
    """The rows of `predictions` from logits [R, N, K] and labels [R, N]."""
    outputs, labels, norms = outputs[: len(ids)], labels[: len(ids)], found.jacobian_norms
    runs, count, classes = outputs.shape
    offsets = torch.arange(0, runs * count * classes + 1, classes, dtype=torch.int32)
    flat = outputs.float().cpu().contiguous().view(-1).numpy()
    return pa.table(
        {
            "run_id": pa.array(ids).take(pa.array(torch.arange(runs).repeat_interleave(count).numpy())),
            "example": torch.arange(count).repeat(runs).numpy(),
            "label": labels.cpu().reshape(-1).numpy(),
            "logits": pa.ListArray.from_arrays(pa.array(offsets.numpy()), pa.array(flat)),
            "jacobian_norm": pa.nulls(runs * count, pa.float64())
            if norms is None
            else pa.array(norms[: len(ids)].cpu().reshape(-1).numpy(), from_pandas=True),  # NaN is null
        }
    )
