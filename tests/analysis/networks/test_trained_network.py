"""Networks from a pack's weights are those that were evaluated; what cannot be loaded is named."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.networks.trained_network import Trained, load
from analysis.tables.store_tables import Tables
from regularize import fused
from regularize.data import MissingDataError
from regularize.distributed import Ranks
from regularize.errors import UserError
from regularize.evaluation.accuracy import logits
from regularize.evaluation.examined import Examined
from regularize.store import Store
from tests.analysis.trained import PLAIN, runs_of, store_of

FOREIGN = replace(PLAIN, model="small_resnet:batch_norm")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A pack of two for each of three contenders, and a module of someone else's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[3] / "examples")
        yield store_of(tmp_path_factory.mktemp("networks") / "store", [*runs_of(), FOREIGN])


@pytest.fixture
def copy(store, tmp_path):
    return Store(shutil.copytree(store.folder, tmp_path / "copy"))


def predicted(trained: Trained) -> np.ndarray:
    """The test part's logits as evaluation computes them, [N, K]."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ranks = Ranks.here()
    examined = Examined(model=trained.network, seeds=[0], batches=trained.batches, classes=10, ranks=ranks)
    found = logits(examined, "test", torch.arange(len(trained.batches.labels["test"])).unsqueeze(0))[0]
    torch.set_num_threads(threads)
    return found.numpy()


def stored(store: Store, run_id: str) -> np.ndarray:
    rows = Tables(store).read("predictions", run_id=run_id)
    return np.stack(rows["logits"].to_list())


@pytest.mark.parametrize("config", [*runs_of(), FOREIGN], ids=lambda c: f"{c.model} {c.regularizer} {c.seed}")
def test_its_predictions_are_those_that_were_stored(store, config):
    trained = load(store, config.run_id)
    assert trained.config == config
    assert not trained.network.training
    found, expected = predicted(trained), stored(store, config.run_id)
    if config is FOREIGN:
        np.testing.assert_array_equal(found, expected)
    else:  # computed beside pack mates, so rounded otherwise
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_run_that_trained_alone_predicts_the_same_bits(tmp_path):
    store = store_of(tmp_path / "alone", [PLAIN])
    trained = load(store, PLAIN.run_id)
    if kernels := fused.chosen().kernels:  # figures look into layers, and so take torch's
        assert trained.network.fuse(kernels)
    np.testing.assert_array_equal(predicted(trained), stored(store, PLAIN.run_id))


def test_pack_mates_are_told_apart(store):
    one, two = (load(store, config.run_id) for config in runs_of()[:2])
    assert not torch.equal(one.network.weights()["fc3.weight"], two.network.weights()["fc3.weight"])


def weights(store: Store) -> Path:
    (pack,) = (p for p in store.packs.glob("*/weights.pt") if PLAIN.run_id in torch.load(p)["runs"])
    return pack


def test_weights_that_are_gone_are_named(copy):
    weights(copy).unlink()
    with pytest.raises(UserError, match=rf"weights of run {PLAIN.run_id} are gone: .*weights\.pt is not"):
        load(copy, PLAIN.run_id)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "other"])
def test_damaged_weights_are_named_with_the_reason(copy, damage):
    path = weights(copy)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "other":
        torch.save({"something": torch.zeros(2)}, path)
    else:
        path.write_bytes({"flipped": data, "cut": data[: len(data) // 2], "empty": b""}[damage])
    with pytest.raises(
        UserError, match=r"weights\.pt is damaged \(.+\); it is set aside, and `regularize submit`"
    ):
        load(copy, PLAIN.run_id)


def test_weights_written_anew_are_read_anew(copy):
    before = load(copy, PLAIN.run_id).network.weights()["fc3.weight"].clone()
    path = weights(copy)
    saved = torch.load(path)
    saved["model"]["fc3.weight"] += 1
    torch.save(saved, path)
    torch.testing.assert_close(load(copy, PLAIN.run_id).network.weights()["fc3.weight"], before + 1)


def test_a_model_that_changed_since_is_not_drawn(copy):
    path = weights(copy)
    saved = torch.load(path)
    del saved["model"]["fc2.weight"]
    torch.save(saved, path)
    with pytest.raises(UserError, match=r"does not fit model lenet5 as it is now: .*fc2\.weight"):
        load(copy, PLAIN.run_id)


def test_unknown_and_unfinished_runs(copy):
    with pytest.raises(UserError, match=r"run 'abc' is not in .*results.parquet"):
        load(copy, "abc")
    copy.table("results").unlink()
    with pytest.raises(UserError, match="collect the sweep's tables first"):
        load(copy, PLAIN.run_id)


def test_missing_data_are_named(store, tmp_path, monkeypatch):
    trained = load(store, PLAIN.run_id, tmp_path)
    mnist = replace(trained, config=replace(PLAIN, data=replace(PLAIN.data, name="mnist")))
    with pytest.raises(MissingDataError, match="mnist is not in"):
        _ = mnist.batches
