"""The trained network of one run, from the weights that its pack kept, and the data as it saw them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from regularize.config import RunConfig
from regularize.errors import UserError
from regularize.store import DamagedFileError, Store, read_table

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from regularize.batches import Batches
    from regularize.data import Facts, Form
    from regularize.models.network import Network

AT_ONCE = 256  # inputs that go through a network together


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A run and its network: R = 1, in evaluation mode, on the CPU, in the precision it was trained in."""

    config: RunConfig
    network: Network
    data_root: Path | None = None

    @property
    def batches(self) -> Batches:
        """The run's data set, normalised as in training.

        Raises:
            UserError: the data are missing or damaged.
        """
        data, dtype = self.config.data, next(self.network.parameters()).dtype
        return batches(data.name, data.form, dtype, self.data_root)

    def logits(self, x: Tensor) -> Tensor:
        """Inputs [B, …] to logits [B, K]."""
        found: Tensor = self.network(x.unsqueeze(0))[0]
        return found


def load(store: Store, run_id: str, data_root: Path | None = None) -> Trained:
    """The network of a finished run.

    Raises:
        UserError: unknown or unfinished run, missing or damaged weights, a module of one's own that
            cannot be imported or has changed, a data set whose shape is not known.
    """
    weights = _weights(store, run_id)
    state = _slice(weights, run_id)
    config = RunConfig.read(_row(store, "runs", run_id, "config"))
    trained = untrained(config, data_root)
    try:
        trained.network.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"{weights} does not fit model {config.model} as it is now: {_first_line(error)}; "
            "the model has changed since it was trained"
        ) from error
    return trained


def untrained(config: RunConfig, data_root: Path | None = None) -> Trained:
    """The network of a run as it started, before training and what techniques do to fresh weights."""
    import torch

    from regularize import models

    facts = described(config.data.name, config.data.form, data_root)
    network = models.build(config.model, [config.seed], shape=facts.shape, classes=facts.classes)
    network = network.to(torch.float64 if config.training.precision == "float64" else torch.float32)
    return Trained(config=config, network=network.eval().requires_grad_(False), data_root=data_root)


@lru_cache(maxsize=4)
def described(name: str, form: Form, data_root: Path | None = None) -> Facts:
    """A data set in numbers, looked at once.

    Raises:
        UserError: the data are missing or damaged.
    """
    from regularize.data import describe

    return describe(name, data_root, form)


@lru_cache(maxsize=4)
def batches(name: str, form: Form, dtype: torch.dtype, data_root: Path | None = None) -> Batches:
    """A data set with the normalisation of training."""
    import torch

    from regularize.batches import Batches
    from regularize.data import load as load_data

    return Batches(load_data(name, data_root, form), dtype, torch.device("cpu"))


def _weights(store: Store, run_id: str) -> Path:
    """The file that has a run's weights."""
    return store.pack(_row(store, "results", run_id, "pack_id")).weights


def _row(store: Store, table: str, run_id: str, column: str) -> str:
    """A run's value of a text column."""
    path = store.table(table)
    if not path.exists():
        raise UserError(f"{path} is not there: collect the sweep's tables first")
    rows = read_table(path, [column], pc.field("run_id") == run_id)
    if not len(rows):
        raise UserError(f"run {run_id!r} is not in {path}: no such run, or not finished")
    found: str = rows[column][0].as_py()
    return found


def _slice(path: Path, run_id: str) -> dict[str, Tensor]:
    """The state of one network, [1, …], out of a pack's [R, …]."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise UserError(
            f"the weights of run {run_id} are gone: {path} is not there; `regularize submit` trains it again"
        ) from None
    runs, model = _pack(path, status.st_mtime_ns, status.st_size)
    if run_id not in runs:
        raise UserError(f"{path} holds no run {run_id}, only {', '.join(runs)}")
    position = runs.index(run_id)
    return {name: tensor[[position]] for name, tensor in model.items()}


@lru_cache(maxsize=4)
def _pack(path: Path, _changed: int, _size: int) -> tuple[list[str], dict[str, Tensor]]:
    """A pack's run ids and stacked state; read again when the file changes."""
    import torch

    from regularize import checkpoint

    try:
        saved = checkpoint.load(path)
        runs, model = [str(run_id) for run_id in saved["runs"]], dict(saved["model"])
        for name, tensor in model.items():
            if len(tensor) != len(runs) or not isinstance(tensor, torch.Tensor) or tensor.is_sparse:
                raise ValueError(name)
            if tensor.nbytes > tensor.untyped_storage().nbytes():  # far more numbers than are stored
                raise ValueError(name)
        return runs, model
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        damaged = DamagedFileError(path, "it holds no networks")
        damaged.set_aside()
        raise damaged from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def _first_line(error: Exception) -> str:
    return " ".join(str(error).splitlines()[:2]).strip() or type(error).__name__
