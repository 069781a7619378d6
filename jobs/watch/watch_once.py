"""The overview as text, for `watch --once` and for whatever is no terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from jobs.support.plain_text import plain
from jobs.watch.header_words import active, counts, done, pace, phases, waiting
from jobs.watch.picture import Picture, Tally
from jobs.watch.state_looks import Look, leading, looks
from jobs.watch.widgets.heatmap import said

WIDEST, NARROWEST, GAP = 18, 7, 2  # of a cell, and between cells
PAPER = 10_000  # columns of what is no terminal
MOST_LISTED = 12


def print_once(console: Console, picture: Picture, now: datetime, *, dark: bool) -> None:
    """With colours on a terminal only, and never wrapped: what reads it may count columns."""
    palette = looks(dark) if console.is_terminal else None
    if not console.is_terminal:
        console.width = PAPER
    console.print(overview(picture, now, palette, console.width), soft_wrap=not console.is_terminal)


def overview(picture: Picture, now: datetime, palette: Mapping[str, Look] | None, width: int) -> Group:
    title = f"{picture.sweep} on {picture.place}: {done(picture)}, {int(100 * picture.share)}% of all steps"
    if words := phases(picture):
        title += f" ({words})"
    parts: list[RenderableType] = [Text(title, style="bold")]
    states = counts(picture.total, palette)
    if states.cell_len > width:
        states = counts(picture.total, palette, short=True)
    parts += [states] if picture.runs else [Text("no runs are planned")]
    parts += [Text(words)] if (words := pace(picture, now)) else []
    parts += [Text(), _grid(picture, palette, width)] if picture.runs else []
    lists = [
        (
            "needs you",
            [f"{group.runs:,} × {group.message}" for group in picture.failures] + [*picture.warnings],
        ),
        ("waiting", [waiting(queue) for queue in picture.queue if queue.state != "RUNNING"]),
        ("training", [active(pack) for pack in picture.active]),
    ]
    for heading, lines in lists:
        parts += [Text(), Text(heading, style="bold")] if lines else []
        parts += [Text(plain(line)) for line in lines[:MOST_LISTED]]
        parts += [Text(f"and {len(lines) - MOST_LISTED:,} more")] if len(lines) > MOST_LISTED else []
    return Group(*parts)


def _grid(picture: Picture, palette: Mapping[str, Look] | None, width: int) -> Table:
    label = max(len(name) for name in ("regularizer", *picture.regularizers))
    names = max(WIDEST, *map(len, picture.datasets)) if width == PAPER else WIDEST
    cell = max(NARROWEST, min(names, (width - label) // len(picture.datasets) - GAP))
    table = Table(box=None, pad_edge=False)
    table.add_column("regularizer", min_width=label)
    for dataset in picture.datasets:
        table.add_column(Text(dataset), width=cell, no_wrap=True)
    for regularizer in picture.regularizers:
        tallies = (picture.cells.get((regularizer, dataset)) for dataset in picture.datasets)
        cells = (_cell(tally, palette, cell) if tally else Text("·") for tally in tallies)
        table.add_row(Text(regularizer), *cells)
    return table


def _cell(tally: Tally, palette: Mapping[str, Look] | None, width: int) -> Text:
    style = Style(color=palette[leading(tally)].ink) if palette else ""
    return Text(said(tally, width), style=style)
