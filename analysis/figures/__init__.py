"""The table of figures, and how to draw them from a store's collected tables.

Adding one: a file in this folder with `draw(tables) -> list[Drawing]`, and a row here.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from regularize.errors import UserError, one_of
from regularize.store import Store, read_json

if TYPE_CHECKING:
    from analysis.figures.save import Drawing
    from analysis.tables import Tables

FIGURES: dict[str, str] = {
    "loss_curves": "training and test loss by epoch, every technique against the baseline",
    "loss_gap": "test loss minus training loss by epoch",
    "accuracy_curves": "test accuracy by epoch",
}


def draw(name: str, tables: Tables) -> list[Drawing]:
    """The drawings of one figure, usually one a problem.

    Raises:
        UserError: unknown name, or nothing to draw yet.
    """
    from analysis.figures.style import paper

    if name not in FIGURES:
        raise UserError(f"unknown figure {name!r}; {one_of(name, FIGURES)}")
    module = import_module(f"analysis.figures.{name}")
    with paper():
        drawings: list[Drawing] = module.draw(tables)
    return drawings


def draw_all(store: Store, names: Sequence[str] | None = None) -> list[Path]:
    """Draw figures (all by default) into `store.figures`; the paths of the PDFs."""
    from analysis.figures.save import save
    from analysis.tables import Tables

    tables = Tables(store)
    drawings = (drawing for name in names or FIGURES for drawing in draw(name, tables))
    return [save(drawing, store.figures) for drawing in drawings]


def summary(path: Path) -> str:
    """The plain sentence that belongs to a figure's file."""
    return str(read_json(path.with_suffix(".json"))["summary"])
