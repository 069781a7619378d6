"""A store with all that a report speaks of, and its page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from analysis.figures.draw_figures import draw_all
from analysis.report import write_report
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from regularize.store import PackStatus, Store, write_json, write_text

HOSTILE = "<script>document.title='x'</script>\" onload='x"


def build(make_store: Callable[..., Store]) -> tuple[Store, Path]:
    """Two data sets, a diverged run, a failed pack, a hostile name, and some figures."""
    strengths = {
        "none": [""],
        "dropout": ["0.1", "0.5"],
        "l2": ["0.01"],
        HOSTILE: ["l2.strength=0.1 dropout.p=0.5"],
    }
    store = make_store(
        datasets=("mnist", "cifar10"),
        strengths=strengths,
        report=range(1000, 1012),
        diverged=[("mnist", "dropout", "0.5", 1003)],
    )
    write_text(store.sweep, f"name: sweep\nregularizers: {{{HOSTILE!r}: }}\n")
    write_json(store.provenance, {"submissions": [SUBMISSION]})
    collect(store)
    select(store)
    fail_a_pack(store)
    collect(store)
    drawn = draw_all(store, ["accuracy_curves", "loss_gap", "forest"], scores=["test_accuracy"])
    drawn.missing["feature_maps-mnist"] = f"the weights are gone {HOSTILE}; `submit` trains it again"
    return store, write_report(store, drawn)


SUBMISSION = {
    "time": "2026-01-02T03:04:05+00:00",
    "command": ["/somewhere/bin/regularize", "submit", "/home/me/sweep.yaml", "--set", "training.epochs=5"],
    "set": ["training.epochs=5"],
    "package": "0.1.0",
    "git_commit": "0123abcd",
    "uncommitted": "",
    "python": "3.11.7",
    "platform": "Linux",
    "host": "node1",
    "cores": 4,
    "libraries": {"torch": "2.14.1"},
    "slurm_jobs": ["17", "18"],
}


def fail_a_pack(store: Store) -> None:
    """Take the results of a tune pack away and say that it failed."""
    for folder in sorted(store.packs.iterdir()):
        paths = store.pack(folder.name)
        status = PackStatus.read(paths.status)

        if len(status.runs) == 3:
            paths.results.unlink()
            replace(status, state="failed", diverged=()).write(paths.status)
            write_text(paths.error, f"Traceback:\n  somewhere\nValueError: no {HOSTILE}\n")
            return
    raise AssertionError("no pack to fail")
