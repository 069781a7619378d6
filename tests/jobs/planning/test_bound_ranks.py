"""The number of ranks as a part of runs: told by plan, kept by the store, only where it matters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jobs.cluster.cluster_config import Cluster
from jobs.planning.bound_ranks import with_ranks
from jobs.store import submitted_settings
from jobs.store.submitted_settings import Saved
from jobs.sweep.run_grid import every_run
from jobs.sweep.sweep_file import load_sweep
from regularize.data import look
from regularize.data.prepare import AS_IT_IS
from regularize.store import Store

MODULES = Path(__file__).parents[2] / "regularize" / "own_modules"
SWEEP = """\
name: ranks
dataset: clusters
model: [toy_mlp, "rank_modules:batch_norm", "rank_modules:centred"]
training: {steps: 3, batch_size: 8}
regularizers: {none: }
seeds: 1
"""
TWO = Cluster(kind="slurm", mode="ddp", nodes=2)


def test_runs_of_what_ranks_train_otherwise_are_of_so_many_ranks(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(MODULES)
    path = tmp_path / "ranks.yaml"
    path.write_text(SWEEP, encoding="utf-8")
    sweep, facts = load_sweep(path), {"clusters": look("clusters", tmp_path, AS_IT_IS)[0]}
    for cluster in (Cluster(kind="slurm", nodes=2), Cluster(kind="local", tasks=2), replace(TWO, nodes=1)):
        assert with_ranks(sweep, cluster, facts) == (sweep, [])
    found, (said,) = with_ranks(sweep, TWO, facts)
    assert said.startswith(
        "2 ranks may not train model rank_modules:centred as one does: an example's logits"
    )
    assert {run.model: run.ranks for run in every_run(found)} == {
        "toy_mlp": 1,
        "rank_modules:batch_norm": 1,
        "rank_modules:centred": 2,
    }
    before, after = ({run.model: run.run_id for run in every_run(each)} for each in (sweep, found))
    assert [model for model in before if before[model] != after[model]] == ["rank_modules:centred"]

    store = Store(tmp_path / "store")
    submitted_settings.save(store, found, Saved(cluster=TWO, data_root=None))
    assert submitted_settings.load_saved_sweep(store).ranks == {"rank_modules:centred": 2}

    path.write_text(
        SWEEP.replace("toy_mlp, ", "").replace("batch_norm", "centred").replace(':centred"]', ':lacking"]'),
        encoding="utf-8",
    )
    lacking, (_, said) = with_ranks(load_sweep(path), TWO, facts)
    assert "nobody knows, as it cannot be tried here (model rank_modules:lacking cannot be imported" in said
    assert lacking.ranks["rank_modules:lacking"] == 2
