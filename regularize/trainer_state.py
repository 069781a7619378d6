"""What a checkpoint has of a pack in training, and how a pack goes on from it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from regularize import models
from regularize.errors import UserError
from regularize.pack_network import with_twins
from regularize.trainer import Trainer

_HISTORY = ("codes", "kernels", "crews", "processors", "devices")
"""Attributes of a trainer that list what brought it where it is, over all attempts."""


def state_of(trainer: Trainer) -> dict[str, Any]:
    """All that changes from step to step; all ranks ask together."""
    return {
        "step": trainer.step,
        "data": trainer.data,
        **{name: list(getattr(trainer, name)) for name in _HISTORY},
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "diverged_step": trainer.ended.diverged,
        "stopped_step": trainer.ended.stopped,
        "kept": trainer.evaluated.kept,
        "memories": [term.given.memory for term in trainer.terms],
        "penalty_ratios": trainer.effects.largest,
        "objective_sums": trainer.ranks.gather(trainer.objective_sum),
    }


def restore(trainer: Trainer, state: dict[str, Any]) -> None:
    """The inverse of `state_of`, wherever its tensors are.

    Raises:
        UserError: it was begun on other data.
    """
    # But for the optimizer's: it puts on the device what it has there, and counts its steps on the host.
    state = {key: value if key == "optimizer" else trainer.ranks.moved(value) for key, value in state.items()}
    _check_data(trainer, state.get("data", ""))
    for name in _HISTORY:  # checkpoints of earlier versions have some of them
        setattr(trainer, name, tuple(dict.fromkeys([*state.get(name, ()), *getattr(trainer, name)])))
    if _has_a_twin(trainer):
        state = with_twins(state, len(trainer.seeds))
    trainer.step = state["step"]
    trainer.model.load_state_dict(state["model"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.ended.load(state["diverged_step"], state.get("stopped_step"))
    trainer.evaluated.kept = state.get("kept", {})
    for term, memory in zip(trainer.terms, state.get("memories", ()), strict=False):
        term.given.memory.update(memory)
    trainer.effects.largest = state.get("penalty_ratios", trainer.effects.largest)  # not in old ones
    sums = state["objective_sums"]
    same = len(sums) == trainer.ranks.world
    trainer.objective_sum = sums[trainer.ranks.rank].clone() if same else sums.mean(0)
    trainer.graphs = trainer.no_graphs_yet()


def load_trained(trainer: Trainer, weights: dict[str, Tensor], data: str) -> None:
    """Take the networks that a training on `data` has left, to measure them.

    Raises:
        UserError: it was on other data.
    """
    _check_data(trainer, data)
    trainer.model.load_state_dict(
        with_twins(weights, len(trainer.seeds)) if _has_a_twin(trainer) else weights
    )
    trainer.step = trainer.timeline.steps
    trainer.evaluated.trained_already = True


def _has_a_twin(trainer: Trainer) -> bool:
    """Whether its one network may have an idle one beside it, which is written nowhere."""
    return len(trainer.runs) == 1 and models.packable(trainer.runs[0].model)


def _check_data(trainer: Trainer, before: str) -> None:
    if before and before != trainer.data:
        raise UserError(
            f"{trainer.runs[0].data.name} is not what this pack was begun on: its content is {trainer.data}, "
            f"was {before}; put the data back, or `regularize submit --data retrain`"
        )
