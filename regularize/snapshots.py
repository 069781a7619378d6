"""Weights at evenly spaced steps of a training, kept so that it can be filmed afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from regularize import checkpoint


class Snapshots:
    """`count` states of a network, the first before the first step and the last after the last one.

    Fewer where there are fewer steps; none for a count of 0.
    """

    def __init__(self, count: int, steps: int) -> None:
        self.due = {round(steps * number / (count - 1)) for number in range(count)}
        self.taken: dict[int, dict[str, Any]] = {}

    def take(self, step: int, model: nn.Module) -> None:
        """Keep the state after `step`, if it is due and not there from an earlier attempt."""
        if step in self.due and step not in self.taken:
            state = model.state_dict()
            self.taken[step] = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def write(self, path: Path, run_ids: Sequence[str], per_epoch: int) -> None:
        """One file, if there is anything to keep: `runs`, `steps` [S], and `model` with tensors [S, R, …]."""
        if not self.taken:
            return
        states = [self.taken[step] for step in sorted(self.taken)]
        runs = len(run_ids)  # without a lone run's idle twin
        stacked = {name: torch.stack([state[name][:runs] for state in states]) for name in states[0]}
        kept = {"runs": list(run_ids), "steps": sorted(self.taken), "per_epoch": per_epoch, "model": stacked}
        checkpoint.save(path, kept)
