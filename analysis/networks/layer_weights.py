"""Weights of trained networks, layer by layer, as what can be drawn of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.networks.trained_network import load
from analysis.statistics.contenders import Comparison, Contender

Array = NDArray[np.float64]
BINS = 60
MOST_RUNS = 10  # of a contender: more add weeks to no eye's certainty


def layers(
    comparison: Comparison, contender: Contender, data_root: Path | None = None
) -> Iterator[dict[str, Array]]:
    """The weights of every layer, flat, of each of the contender's runs (ten at most, by seed).

    Raises:
        UserError: the weights are missing or damaged.
    """
    for run_id in comparison.done(contender)["run_id"].head(MOST_RUNS):
        found = load(comparison.tables.store, run_id, data_root).network.weights()
        yield {
            layer.removesuffix(".weight"): weight.detach().double().flatten().numpy()
            for layer, weight in found.items()
        }


def distributions(comparison: Comparison, data_root: Path | None = None) -> pd.DataFrame:
    """Histograms of the weights that are not 0, as means over runs.

    Columns: regularizer, strength, layer, low and high (the bin's), density (of all weights, so that a
    layer's bins and its zeros add up to 1), zeros (the share of exact zeros), n (runs), outside (the
    share beyond the bins). All contenders have a layer's bins, which hold 99.9% of each one's weights.
    """
    weights = {each: list(layers(comparison, each, data_root)) for each in comparison.contenders}
    rows = []
    for layer in next(runs for runs in weights.values() if runs)[0]:
        values = {contender: [run[layer] for run in runs] for contender, runs in weights.items() if runs}
        reach = max(
            float(np.quantile(np.abs(np.concatenate(each)), 0.999, method="higher"))
            for each in values.values()
        )
        edges = np.linspace(-reach, reach, BINS + 1)
        rows += [_histogram(contender, layer, each, edges) for contender, each in values.items()]
    return pd.concat(rows, ignore_index=True)


def _histogram(contender: Contender, layer: str, runs: list[Array], edges: Array) -> pd.DataFrame:
    counts = [np.histogram(run[run != 0], edges)[0] / len(run) for run in runs]
    zeros = float(np.mean([np.mean(run == 0) for run in runs]))
    share = np.mean(counts, axis=0)
    return pd.DataFrame(
        {
            **vars(contender),
            "layer": layer,
            "low": edges[:-1],
            "high": edges[1:],
            "density": share / np.diff(edges),
            "zeros": zeros,
            "outside": max(0.0, 1 - zeros - share.sum()),
            "n": len(runs),
        }
    )
