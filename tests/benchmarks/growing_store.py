"""Sweeps of 100 to 100,000 runs of the digits, and the files that their packs leave, without training.

Runs, packs and jobs are those of `regularize submit`; a pack's tables are those of `finished_store`, its
status says which code and data it was trained by.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from unittest import mock

import numpy as np

from jobs.store.journal import read_journal
from jobs.store.runs_table import read_runs
from regularize.code_identity import code_of
from regularize.config import pack_id
from regularize.data import content
from regularize.data.data_config import DataConfig
from regularize.store import Store
from tests.benchmarks import finished_store
from tests.jobs.stores import status

# runs on tune seeds → problems, tune seeds; 100 settings of ten techniques each
SIZES = {100: (1, 1), 1000: (1, 10), 10_000: (5, 20), 100_000: (20, 50)}
NAME = "growth"
EXAMPLES = 360  # of the digits' test part
_GOOD = {"l2": "0.0001", "dropout": "0.325"}  # strengths that are better than others
SWEEP = """\
name: {name}
dataset: {{digits: {{per_class: {few}}}}}
model: lenet5
training: {{epochs: 20, batch_size: 32}}
regularizers:
  none:
  l1: {{strength: {{logspace: [1e-6, 1e-2, 11]}}}}
  l2: {{strength: {{logspace: [1e-6, 1e-2, 11]}}}}
  soft_svb: {{strength: {{logspace: [1e-4, 1, 11]}}}}
  jacobian: {{strength: {{logspace: [1e-4, 1, 11]}}}}
  dropout: {{p: {{linspace: [0.05, 0.6, 11]}}}}
  confidence_penalty: {{beta: {{logspace: [0.01, 1, 11]}}}}
  label_smoothing: {{epsilon: {{linspace: [0.05, 0.5, 11]}}}}
  input_noise: {{sigma: {{linspace: [0.05, 0.6, 11]}}}}
  weight_noise: {{sigma: {{linspace: [0.005, 0.06, 11]}}}}
seeds: {{tune: {tune}, report: 15}}
"""


def sweep(runs: int) -> str:
    problems, tune = SIZES[runs]
    return SWEEP.format(name=NAME, few=list(range(5, 5 + problems)), tune=tune)


def handed_packs(store: Store) -> list[tuple[str, ...]]:
    """The packs of the store's jobs, by their runs, each once."""
    arrays = read_journal(store.journal).arrays
    packs = (pack for array in arrays for element in array.elements for slice_ in element for pack in slice_)
    return list(dict.fromkeys(packs))


def finish(store: Store, packs: Iterable[Sequence[str]], there: Collection[str], data_root: Path) -> None:
    """Write what these packs would leave that are not `there`, by id, without waiting for the disk."""
    table = read_runs(store).to_pylist()
    rows = {row["run_id"]: row | {"good": row["strength"] == _GOOD.get(row["regularizer"])} for row in table}
    code = code_of("lenet5").name
    data = content("digits", data_root, DataConfig(name="digits").form)
    generator = np.random.default_rng(0)
    with mock.patch("os.fsync"):
        for runs in (pack for pack in packs if pack_id(pack) not in there):
            paths = finished_store.write(store, [rows[run_id] for run_id in runs], generator, EXAMPLES)
            paths.weights.write_bytes(bytes(1000))
            told = status(
                runs,
                "done",
                files=dict(paths.kept()),
                scores=dict.fromkeys(runs, (0.9, 0.9)),
                code=code,
                data=data,
                evaluation=rows[runs[0]]["evaluation"],
            )
            told.write(paths.status)
