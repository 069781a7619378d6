"""`regularize data`: which data sets there are, and downloading them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from regularize.data.official import OFFICIAL
from regularize.data.registry import data_root, locate, names
from regularize.errors import UserError, one_of

INCLUDED = ("clusters", "digits")


def fetch_all(wanted: Sequence[str], root: Path | None) -> None:
    """Download and prepare official data sets, saying what came of each.

    Raises:
        UserError: an unknown name (before anything is downloaded), or no connection.
    """
    from regularize.data.fetch import fetch

    for name in wanted:
        if name not in OFFICIAL:
            raise UserError(f"only official data sets can be fetched, not {name!r}; {one_of(name, OFFICIAL)}")
    for name in wanted:
        ready = fetch(name, root)
        print(f"{name}: {ready.facts.train:,} + {ready.facts.test:,} images, in {ready.folder}")


def listing(root: Path | None) -> Table:
    """Every data set that a sweep may name, and whether its files are there."""
    folder = data_root(root)
    table = Table("data set", "train", "test", "classes", "pixels", "files", box=None, pad_edge=False)
    for name in names(folder):
        facts = OFFICIAL[name].facts if name in OFFICIAL else None
        numbers = (
            (
                f"{facts.train:,}",
                f"{facts.test:,}",
                f"{facts.classes}",
                f"{facts.side}×{facts.side}×{facts.channels}",
            )
            if facts
            else ("", "", "", "")
        )
        table.add_row(name, *numbers, Text(_state(name, folder)))
    return table


def present(folder: Path) -> list[str]:
    """The data sets of a data root whose files are there, without those that come with the toolkit."""
    others = (name for name in names(folder) if name not in INCLUDED)
    return [name for name in others if not _state(name, folder).startswith("missing")]


def _state(name: str, folder: Path) -> str:
    try:
        locate(name, folder)
    except UserError:
        prepared = (folder / "prepared" / name / "meta.json").exists()
        return "prepared" if prepared else f"missing; regularize data fetch {name}"
    return "there"
