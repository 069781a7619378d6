"""Two stores compared: the same packs, the same numbers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch

from jobs.store.pack_status import read_packs
from regularize.store import Store

CIRCUMSTANCES = [
    "seconds",
    "core_seconds",
    "evaluation_seconds",
    "host",
    "finished_at",
    "world_size",
    "ranks",
]
TABLES = ("results", "metrics", "predictions", "spectra")


def table(store: Store, name: str) -> pd.DataFrame:
    """All packs' tables of a kind, without what depends on where and when they were trained.

    Runs on tune seeds have neither predictions nor spectra.
    """
    paths = (store.packs / pack_id / f"{name}.parquet" for pack_id in sorted(read_packs(store).statuses))
    found = pd.concat([pd.read_parquet(path) for path in paths if path.exists()])
    return found.drop(columns=CIRCUMSTANCES, errors="ignore").reset_index(drop=True)


def assert_same(store: Store, other: Store) -> None:
    """Every pack done, every table and every weight equal to the last bit."""
    packs = read_packs(store).statuses
    assert {status.state for status in packs.values()} == {"done"}
    assert set(packs) == set(read_packs(other).statuses)
    for name in TABLES:
        pd.testing.assert_frame_equal(table(store, name), table(other, name), check_exact=True)
    for pack_id in packs:
        weights, others = (_weights(each, pack_id) for each in (store, other))
        assert [name for name in others if not torch.equal(weights[name], others[name])] == []


def largest_difference(store: Store, other: Store, name: str) -> float:
    """The largest |a − b| / max(1, |b|) over all numbers of a table."""
    columns = table(store, name).select_dtypes("number"), table(other, name).select_dtypes("number")
    found, expected = (frame.to_numpy(float) for frame in columns)
    assert (np.isnan(found) == np.isnan(expected)).all()
    return float(np.nanmax(np.abs(found - expected) / np.maximum(1, np.abs(expected))))


def largest_difference_of_weights(store: Store, other: Store) -> float:
    """The largest |a − b| / max(1, |b|) over all weights of all packs."""
    packs = read_packs(other).statuses
    assert packs
    assert set(packs) == set(read_packs(store).statuses)
    differences = []
    for pack_id in packs:
        weights, others = (_weights(each, pack_id) for each in (store, other))
        assert set(weights) == set(others)
        for name, expected in others.items():
            differences.append(((weights[name] - expected).abs() / expected.abs().clamp(min=1)).max().item())
    assert not any(map(math.isnan, differences))
    return max(differences)


def _weights(store: Store, pack_id: str) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(store.pack(pack_id).weights, weights_only=True)["model"]
    return found
