"""A figure that a function of one's own draws: `package.module:function`, given to `figures` and `report`.

The function is called with the sweep's tables (`analysis.tables.store_tables.Tables`: `tables.runs`,
`tables.results` and the like are data frames) and returns a matplotlib `Figure`, or one and a data frame of
the plotted numbers. Its docstring's first paragraph becomes the caption. Inside, `analysis.notation.methods`
knows the names and looks of the sweep's entries.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.parts.save import Drawing
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.tables.store_tables import digest
from regularize.errors import RAISED
from regularize.named_objects import resolve
from regularize.raised import defined, told

PREFIX = "own-"


def stem(name: str) -> str:
    """Of the figure's files."""
    return PREFIX + name.replace(":", ".")


def draw(name: str, subject: Subject) -> Iterator[Drawing]:
    """
    Raises:
        UserError: it cannot be imported, or drawn, or is no figure.
    """
    function, tables = resolve("figure", name), subject.comparisons[0].tables
    try:
        returned = function(tables)
    except RAISED as error:  # whatever someone else's code raises
        raise CannotDrawError(told(error, function)) from error
    figure, data = returned if isinstance(returned, tuple) else (returned, pd.DataFrame())
    if not isinstance(figure, Figure) or not isinstance(data, pd.DataFrame):
        raise CannotDrawError(
            f"it returned {type(returned).__name__}, but must return a matplotlib Figure "
            f"({defined(function)})"
        )
    words = " ".join((inspect.getdoc(function) or name).partition("\n\n")[0].split())
    yield Drawing(
        name=stem(name),
        figure=figure,
        data=data,
        caption=words,
        alt=words,
        summary=words,
        band="",
        n={},
        inputs=digest(tables.results),
    )
