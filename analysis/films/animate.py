"""`regularize animate`: films of decision regions and of the stretching of the plane over training.

Drawn from the weights that a sweep kept (`evaluation: {snapshots: …}`), so nothing is trained again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.figures.parts import style
from analysis.films.film_file import write_film
from analysis.films.plane_frames import HALF_WIDTH, Panel, Points, Regions, Stretching, draw
from analysis.networks.plane_fields import fields, grid
from analysis.notation import methods
from analysis.tables.store_tables import Problem
from regularize.config import RunConfig
from regularize.errors import UserError, unknown
from regularize.store import DamagedFileError, PackPaths, PackStatus, Store, read_table

DATASET = "clusters"
FILMS: dict[str, type[Regions] | type[Stretching]] = {"regions": Regions, "stretching": Stretching}
GRID = 81
MOST_PANELS = 24


@dataclass(frozen=True, kw_only=True)
class Filmed:
    """A run that kept snapshots: `steps` [S], and `model` with tensors [S, 1, …]."""

    config: RunConfig
    steps: Sequence[int]
    per_epoch: int
    model: Mapping[str, Any]
    diverged: bool


def animate(
    store: Store, regularizers: Sequence[str] = (), out: Path | None = None, data_root: Path | None = None
) -> list[Path]:
    """Two films for each model, one panel for each regularizer and strength, of the first report seed.

    They and their last frames are written to `out`, by default the store's figures. `regularizers`
    picks some by name.

    Raises:
        UserError: nothing to film: no runs on the clusters, no snapshots, an unknown regularizer.
    """
    rows = _rows(store, regularizers)
    runs = {row["run_id"]: RunConfig.read(row["config"]) for row in rows}
    problems = _problems(rows)
    kept = dict(_snapshots(store, runs))
    if lost := {config.regularizer: None for run_id, config in runs.items() if run_id not in kept}:
        raise UserError(
            f"no weights were kept for {', '.join(lost)}. Where training is not finished, finish it; where "
            "the sweep lacks `evaluation: {snapshots: 41}`, add that and train it under another name"
        )
    points = _points(data_root)
    films: list[Path] = []
    for problem, run_ids in problems.items():
        films += _films([kept[run_id] for run_id in run_ids], points, out or store.figures, problem.slug)
    return films


def _films(filmed: Sequence[Filmed], points: Points, folder: Path, slug: str) -> Iterator[Path]:
    first = filmed[0]
    epochs = [step / first.per_epoch for step in first.steps]
    moments = [f"epoch {epoch:.1f} of {epochs[-1]:.0f}" for epoch in epochs]
    panels = [Panel(title=_title(run), fields=list(_fields(run))) for run in filmed]
    with style.paper():
        for name, kind in FILMS.items():
            yield write_film(draw(kind, panels, points, moments), folder, f"{name}-{slug}")


def _fields(run: Filmed) -> Iterator[Any]:
    places = grid(HALF_WIDTH, GRID)
    for number in range(len(run.steps)):
        yield fields(run.config, {name: tensor[number] for name, tensor in run.model.items()}, places)


def _title(run: Filmed) -> str:
    """The technique, or what the sweep calls it or a combination, above its strength."""
    config, name = run.config, run.config.regularizer
    label = methods.METHODS[name].label if name in methods.METHODS else name.replace("_", " ")
    technique = config.terms[0].technique if len(config.terms) == 1 else name
    strength = methods.strength_label(technique, config.strength)
    return "\n".join([label, *filter(None, [strength, "diverged" * run.diverged])])


def _rows(store: Store, regularizers: Sequence[str]) -> list[dict[str, Any]]:
    """The runs to film as the table of runs has them, in the order of the sweep."""
    if not store.runs.exists():
        raise UserError(f"{store.folder} holds no {store.runs.name}: nothing has been trained there")
    rows = [row for row in read_table(store.runs).to_pylist() if row["planned"] and row["dataset"] == DATASET]
    if not rows:
        raise UserError(f"no run of this sweep is on the data set {DATASET}, the only one that can be filmed")
    known = {row["regularizer"] for row in rows}
    for name in regularizers:
        if name not in known:
            raise UserError(unknown("regularizer", name, known))
    wanted = set(regularizers) or known
    rows = [row for row in rows if row["phase"] == "report" and row["regularizer"] in wanted]
    if not rows:
        raise UserError("strengths are not chosen yet: finish the sweep first")
    seed = min(row["seed"] for row in rows)
    return [row for row in rows if row["seed"] == seed]


def _problems(rows: Iterable[Mapping[str, Any]]) -> dict[Problem, list[str]]:
    """The run ids of each film: those of one problem."""
    problems: dict[Problem, list[str]] = {}
    for row in rows:
        problem = Problem(row["dataset"], row["per_class"], row["model"])
        problems.setdefault(problem, []).append(row["run_id"])
    for problem, run_ids in problems.items():
        if len(run_ids) > MOST_PANELS:
            raise UserError(
                f"{problem.slug} has {len(run_ids)} regularizers and strengths, but at most {MOST_PANELS} "
                "fit into a film: choose some with --regularizer"
            )
    return problems


def _snapshots(store: Store, runs: Mapping[str, RunConfig]) -> Iterator[tuple[str, Filmed]]:
    from regularize import checkpoint

    packs = [PackPaths(folder) for folder in sorted(store.packs.glob("*"))]
    for paths in packs:
        if not paths.snapshots.exists():
            continue
        saved = checkpoint.load(paths.snapshots)
        try:
            diverged = PackStatus.read(paths.status).diverged
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DamagedFileError(paths.status, str(error)) from None
        for position, run_id in enumerate(saved["runs"]):
            if run_id in runs:
                filmed = Filmed(
                    config=runs[run_id],
                    steps=saved["steps"],
                    per_epoch=saved["per_epoch"],
                    model={name: tensor[:, [position]] for name, tensor in saved["model"].items()},
                    diverged=run_id in diverged,
                )
                yield run_id, filmed


def _points(data_root: Path | None) -> Points:
    from regularize.data import load

    data = load(DATASET, data_root)
    return Points(places=data.train_images.double().numpy(), labels=data.train_labels.numpy())
