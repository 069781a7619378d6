"""Distributions of weights, from networks trained for real."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.figures.draw_figures import draw_all
from analysis.figures.parts.bands import of_contender
from analysis.networks.layer_weights import distributions, layers
from analysis.statistics.contenders import comparisons
from analysis.tables.store_tables import Tables
from regularize.data.data_config import DataConfig
from regularize.store import Store
from regularize.training_config import Training
from tests.analysis.trained import PLAIN, runs_of, store_of


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three contenders; a third of the weights of the first layer of one pack's first run are zero."""
    store = store_of(tmp_path_factory.mktemp("trained") / "store", runs_of())
    results = Tables(store).results
    pack = store.pack(results.query("regularizer == 'l2'")["pack_id"].iloc[0]).weights
    saved = torch.load(pack, weights_only=True)
    saved["model"]["conv1.weight"][0].view(-1)[:50] = 0
    torch.save(saved, pack)
    return store


def test_bins_and_zeros_add_up_to_one(store: Store) -> None:
    (comparison,) = comparisons(Tables(store))
    data = distributions(comparison)
    widths = data["high"] - data["low"]
    whole = (data["density"] * widths).groupby([data["regularizer"], data["layer"]]).sum()
    rest = data.groupby(["regularizer", "layer"])[["zeros", "outside"]].first().sum(axis=1)
    assert (whole + rest).to_numpy() == pytest.approx(1)
    assert (data["outside"] < 0.002).all()


def test_share_of_exact_zeros(store: Store) -> None:
    (comparison,) = comparisons(Tables(store))
    data = distributions(comparison)
    zeros = data.groupby(["regularizer", "layer"])["zeros"].first()
    assert zeros["l2", "conv1"] == pytest.approx(50 / 150 / 2)  # in one run of two
    assert zeros.drop(("l2", "conv1")).eq(0).all()


def test_weights_are_those_of_the_run(store: Store) -> None:
    (comparison,) = comparisons(Tables(store))
    contender = comparison.contenders[0]
    first, second = layers(comparison, contender)
    row = comparison.done(contender).iloc[0]
    saved = torch.load(store.pack(row["pack_id"]).weights, weights_only=True)
    expected = saved["model"]["fc1.weight"][saved["runs"].index(row["run_id"])]
    assert np.sort(first["fc1"]) == pytest.approx(np.sort(expected.flatten().double().numpy()))
    assert not np.array_equal(first["fc1"], second["fc1"])


def test_the_figure_says_how_many_are_zero(store: Store) -> None:
    drawn = draw_all(store, ["weight_distributions"])
    assert drawn.missing == {}
    (path,) = drawn.paths
    first = {path.with_suffix(end): path.with_suffix(end).read_bytes() for end in (".pdf", ".png")}
    said = json.loads(path.with_suffix(".json").read_text())
    assert "L2 (λ = 0.01) 0 % to 17 % of a layer; none elsewhere" in said["summary"]
    data = pd.read_csv(path.with_suffix(".csv"), keep_default_na=False)
    (comparison,) = comparisons(Tables(store))
    assert len(of_contender(data, comparison.contenders[0])) == 5 * 60
    draw_all(store, ["weight_distributions"])
    assert first == {file: file.read_bytes() for file in first}


def test_weights_of_data_of_ones_own_need_its_data_root(tmp_path: Path) -> None:
    source = np.random.default_rng(0)
    images, labels = source.integers(0, 256, (20, 6, 6), dtype=np.uint8), np.arange(20) % 2
    np.savez(
        tmp_path / "own.npz", train_images=images, train_labels=labels, test_images=images, test_labels=labels
    )
    config = replace(
        PLAIN, data=DataConfig(name="own"), model="mlp", training=Training(steps=1, batch_size=9)
    )
    store = store_of(tmp_path / "store", [config], tmp_path)
    assert draw_all(store, ["weight_distributions"], data_root=tmp_path).missing == {}
