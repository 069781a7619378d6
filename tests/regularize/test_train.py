"""What training leaves behind: tables, divergence, optimizers, precision, divided epochs."""

from __future__ import annotations

import dataclasses

import pyarrow.parquet as pq
import pytest
import torch

from regularize.config import Evaluation, Term
from regularize.distributed import Ranks
from regularize.errors import UserError
from regularize.precision import set_products
from regularize.schedule import learning_rate
from regularize.store import METRICS, PackPaths, PackStatus
from regularize.train_pack import train_pack
from regularize.trainer import Trainer
from regularize.training_config import Training
from tests.regularize.cases import run, trained

ADAMW = {"optimizer": "adamw", "weight_decay": 0.1}


def rows(paths, name):
    return pq.read_table(getattr(paths, name)).to_pylist()


def test_a_diverged_run_is_marked_frozen_and_unnoticed_by_its_mates(tmp_path):
    """L2 with a strength that makes every step overshoot more than the last."""
    usual = (Term.build("l2", {"strength": 1e-3}),)
    explosive = (Term.build("l2", {"strength": 1e5}),)
    mixed = [run(usual, 0, steps=40), run(explosive, 0, steps=40)]
    healthy = [run(usual, 0, steps=40), run(usual, 1, steps=40)]
    broken = trained(mixed, tmp_path / "mixed")
    sound = trained(healthy, tmp_path / "healthy")
    assert all(torch.equal(broken[name][0], sound[name][0]) for name in sound)

    paths = PackPaths(tmp_path / "mixed")
    fine, diverged = rows(paths, "results")
    assert (fine["state"], fine["diverged_step"]) == ("done", None)
    assert diverged["state"] == "diverged"
    assert 1 < diverged["diverged_step"] < 40
    assert PackStatus.read(paths.status).diverged == (mixed[1].run_id,)
    assert {row["run_id"] for row in rows(paths, "metrics")} == {mixed[0].run_id}
    short = [dataclasses.replace(c, training=dataclasses.replace(c.training, steps=39)) for c in mixed]
    one_step_less = trained(short, tmp_path / "short")
    assert all(torch.equal(broken[n][1], one_step_less[n][1]) for n in sound), "frozen where it diverged"


def test_tables_have_a_row_a_run_epoch_and_split(tmp_path):
    runs = [run((), seed, steps=80) for seed in (0, 1)]  # 34 steps an epoch: rows after 34, 68, 80
    runs = [dataclasses.replace(c, evaluation=Evaluation(every=1, train_examples=50)) for c in runs]
    paths = PackPaths(tmp_path)
    train_pack(runs, paths)
    table = pq.read_table(paths.metrics)
    assert table.schema.names == METRICS.names
    found = {(r["run_id"], r["epoch"], r["step"], r["split"]) for r in table.to_pylist()}
    points = [(1, 34), (2, 68), (80 / 34, 80)]
    splits = ("train", "validation", "test")
    assert found == {(c.run_id, *point, split) for c in runs for point in points for split in splits}
    assert table.num_rows == len(found)
    objectives = [r["objective"] for r in table.to_pylist() if r["split"] == "train"]
    assert all(0 < value < 5 for value in objectives)

    predictions = rows(paths, "predictions")
    assert len(predictions) == 2 * 360
    for config in runs:
        mine = [row for row in predictions if row["run_id"] == config.run_id]
        right = sum(max(range(10), key=row["logits"].__getitem__) == row["label"] for row in mine)
        (result,) = [row for row in rows(paths, "results") if row["run_id"] == config.run_id]
        assert right / 360 == pytest.approx(result["test_accuracy"], abs=1e-6)
        assert result["parameters"] == 61_706


def test_metadata_says_what_wrote_the_tables(tmp_path):
    paths = PackPaths(tmp_path)
    train_pack([run((), 0, steps=1)], paths)
    metadata = pq.read_schema(paths.results).metadata
    assert {b"schema_version", b"package_version", b"git_commit"} <= set(metadata)


@pytest.mark.parametrize("optimizer", [{"optimizer": "adam"}, ADAMW], ids=["adam", "adamw"])
def test_other_optimizers_train_and_resume_bitwise(optimizer, tmp_path):
    settings = {"lr": 1e-3, "schedule": "cosine"} | optimizer
    runs = [run((), seed, steps=20, **settings) for seed in (0, 1)]
    whole = trained(runs, tmp_path / "whole")
    calls = iter(range(100))
    train_pack(runs, PackPaths(tmp_path / "parts"), stop=lambda: next(calls) == 10)
    resumed = trained(runs, tmp_path / "parts")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_adamw_decays_weights_and_not_biases(tmp_path):
    settings = {"lr": 1e-3, "optimizer": "adamw"}
    plain = trained([run((), 0, steps=1, precision="float64", **settings)], tmp_path / "plain")
    settings["weight_decay"] = 0.1
    decayed = trained([run((), 0, steps=1, precision="float64", **settings)], tmp_path / "decayed")
    start = Trainer([run((), 0, steps=1, precision="float64")], PackPaths(tmp_path), Ranks.here(), None)
    before = dict(start.model.named_parameters())["fc1.weight"][:1].detach()  # without the idle twin
    torch.testing.assert_close(plain["fc1.weight"] - decayed["fc1.weight"], 1e-4 * before)
    assert torch.equal(plain["fc1.bias"], decayed["fc1.bias"])


def test_autocast_trains_in_half_precision_with_full_parameters(tmp_path):
    paths = PackPaths(tmp_path)
    with pytest.warns(UserWarning, match="on a CPU, bfloat16 takes several times as long"):
        train_pack([run((), 0, steps=60, precision="bfloat16")], paths)
    weights = torch.load(paths.weights, weights_only=True)["model"]
    assert weights["fc1.weight"].dtype == torch.float32
    (result,) = rows(paths, "results")
    assert result["test_accuracy"] > 0.3


def test_products_in_tf32_are_for_gpus_and_chosen_for_each_pack(tmp_path):
    with pytest.raises(UserError, match=r"precision is tf32, which only GPUs have.*take float32"):
        train_pack([run((), 0, steps=1, precision="tf32")], PackPaths(tmp_path))
    there = Ranks(rank=0, world=1, device=torch.device("meta"))
    for precision, taken in (("tf32", True), ("float32", False)):  # as cuDNN would not by itself
        trainer = Trainer([run((), 0, steps=1, precision=precision)], PackPaths(tmp_path), there, None)
        assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == (taken, taken)
        assert trainer.kernels == (f"torch: {precision} on meta, draws by philox",)


def test_attention_on_a_gpu_is_computed_by_products_alone():
    def fused():
        cuda = torch.backends.cuda
        return cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled(), cuda.cudnn_sdp_enabled()

    before = fused()
    try:
        set_products("float32", torch.device("cpu"))
        assert fused() == before
        set_products("float32", torch.device("cuda", 0))
        assert (fused(), torch.backends.cuda.math_sdp_enabled()) == ((False, False, False), True)
    finally:
        for enable, was in zip(("flash", "mem_efficient", "cudnn"), before, strict=True):
            getattr(torch.backends.cuda, f"enable_{enable}_sdp")(was)


def test_a_finished_pack_leaves_a_handful_of_files(tmp_path):
    train_pack([run((), 0, steps=2)], PackPaths(tmp_path), checkpoint_seconds=0)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"status.json", "metrics.parquet", "results.parquet", "spectra.parquet", "weights.pt"}


def test_the_curves_of_a_pack_in_training_can_be_read(tmp_path):
    paths = PackPaths(tmp_path)
    seen = {}

    def look():
        if paths.curves.exists():
            seen[len(rows(paths, "curves"))] = rows(paths, "curves")
        return False

    often = Evaluation(every=1, train_examples=50, predictions=False, jacobian_examples=0)
    runs = [dataclasses.replace(run((), seed, steps=105), evaluation=often) for seed in (0, 1)]
    train_pack(runs, paths, stop=look, heartbeat_seconds=0)
    assert len(seen) > 1
    whole = rows(paths, "metrics")
    assert all(whole[:count] == curves for count, curves in seen.items())
    assert not paths.curves.exists()


def test_rates_follow_their_schedule():
    step = Training(steps=30, lr=1.0, schedule="step")
    assert [learning_rate(step, s, 30) for s in (0, 9, 10, 19, 20)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    cosine = Training(steps=30, lr=1.0, schedule="cosine")
    assert [learning_rate(cosine, s, 30) for s in (0, 15)] == pytest.approx([1.0, 0.5])
