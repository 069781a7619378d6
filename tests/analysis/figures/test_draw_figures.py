"""Figures drawn by several processes."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import parent_process
from pathlib import Path

import pytest

from analysis.figures import draw_figures
from analysis.figures.draw_figures import Part, Request, Task, draw_all
from analysis.tables.collect import collect
from regularize.errors import UserError
from regularize.store import Store
from tests.analysis.trained import PLAIN, store_of

MakeStore = Callable[..., Store]


def test_many_problems_are_drawn_by_several_processes_to_the_same_bytes(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = ("cifar10", "digits", "mnist", "svhn")
    store = make_store(
        datasets=datasets, strengths={"none": [""], "l2": ["0.1"]}, tune=(), report=(1, 2), epochs=2
    )
    collect(store)
    names = ["loss_gap", "forest", "strength_sensitivity", "spectra"]
    found = []
    for workers in (1, 2):
        monkeypatch.setattr(draw_figures, "cores", lambda workers=workers: workers)
        drawn = draw_all(store, names)
        found.append((drawn, {path.name: path.read_bytes() for path in store.figures.iterdir()}))
        for path in store.figures.iterdir():
            path.unlink()
    assert found[0] == found[1]
    slugs = [f"{name}-lenet5" for name in datasets]
    drawn, files = found[0]
    assert [path.stem for path in drawn.paths] == [
        *(f"loss_gap-{slug}" for slug in slugs),
        *(f"forest{score}-{page}" for score in ("", "-test_loss", "-test_ece") for page in (1, 2)),
        *(f"spectra-{slug}" for slug in slugs),
    ]
    assert list(drawn.missing) == [f"strength_sensitivity-{slug}" for slug in slugs]
    assert len(files) == 4 * len(drawn.paths)


def test_networks_of_two_problems_are_drawn_side_by_side_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path / "store", [PLAIN, replace(PLAIN, model="mlp")])
    found = []
    for workers in (1, 2):
        monkeypatch.setattr(draw_figures, "cores", lambda workers=workers: workers)
        paths = draw_all(store, ["saliency", "activations_pca"]).paths
        found.append([path.with_suffix(end).read_bytes() for path in paths for end in (".pdf", ".png")])
        shutil.rmtree(store.figures)
    assert len(found[0]) == 2 * 2 * 3
    assert found[0] == found[1]


class Killed(Request):
    """Its processes end as those do that the system kills for want of memory."""

    def part(self, task: Task) -> Part:
        assert parent_process(), "this would kill the test"
        os.kill(os.getpid(), signal.SIGKILL)
        return super().part(task)


def test_a_process_that_is_killed_is_said_in_plain_words(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(
        datasets=("cifar10", "digits", "mnist", "svhn"),
        strengths={"none": [""]},
        tune=(),
        report=(1,),
        epochs=1,
    )
    collect(store)
    monkeypatch.setattr(draw_figures, "cores", lambda: 2)
    killed = Killed(store=store, names=("loss_gap",), run_id=None, data_root=None, layer="penultimate")
    with pytest.raises(UserError, match=r"one of 2 processes that drew figures was killed.* memory"):
        killed.draw()
