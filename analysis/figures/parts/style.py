"""How every figure looks: sizes, fonts, lines. Techniques have their looks in `analysis.notation.methods`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from analysis.notation import methods
from analysis.notation.methods import METHODS
from regularize.errors import UserError, require, unknown

ONE_COLUMN, TWO_COLUMNS = 3.25, 6.75  # widths in inches
WIDTHS = {
    "one-column": ONE_COLUMN,
    "two-columns": TWO_COLUMNS,
    "neurips": 5.5,
    "iclr": 5.5,
    "icml": 6.75,
    "cvpr": 6.875,
    "acl": 6.3,
    "jmlr": 6.0,
    "ieee": 7.16,
}
"""Widths of the text of a page, in inches, by what asks for them."""
TITLE: dict[str, Any] = {"y": 1.0, "linespacing": 1.15}
"""Of a panel without ticks above it: to find that out costs as much as to draw it."""
WIDE = 5.0  # inches that a figure needs whose text would meet in one column
_WIDTH: ContextVar[float] = ContextVar("width", default=TWO_COLUMNS)
GREY, INK = METHODS["none"].colour, methods.INK
BEHIND = 0.45  # opacity of the baseline's filled areas, on which a contender's line must stand out
RC: dict[str, Any] = {
    "pdf.fonttype": 42,  # TrueType; venues reject the default, Type 3
    "ps.fonttype": 42,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "ytick.minor.size": 1.5,
    "ytick.minor.width": 0.4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "regularize",  # names within a file follow from its content
}


def read_width(text: str) -> float:
    """A name of `WIDTHS`, or inches.

    Raises:
        UserError: neither, or not between 3 and 12 inches.
    """
    if text in WIDTHS:
        return WIDTHS[text]
    try:
        inches = float(text)
    except ValueError:
        raise UserError(unknown("width", text, WIDTHS) + "; or inches from 3 to 12") from None
    require(3 <= inches <= 12, "--width", inches, "from 3 to 12 inches")
    return inches


def text_width(least: float = 0.0) -> float:
    """Of a page, in inches.

    Raises:
        UserError: it is less than the figure needs.
    """
    width = _WIDTH.get()
    if width < least:
        raise UserError(f"it needs {least:g} inches, so that its text is 7 pt and does not meet; see --width")
    return width


def fits(inches: float) -> bool:
    """Whether a figure may be so wide."""
    return _WIDTH.get() >= inches


def column_width() -> float:
    """Of one column, in inches."""
    return min(ONE_COLUMN, _WIDTH.get())


def columns_that_fit(inches: float) -> int:
    """Of at least so many inches each, over the width of the text; two at least."""
    return max(2, int(_WIDTH.get() / inches))


def plain(text: str) -> str:
    """Text for matplotlib, in which a dollar sign is a dollar sign."""
    return text.replace("$", r"\$")


_WORDS = re.compile(r"(?:[^\s_-]|\u00a0)*[_-]+|(?:[^\s_-]|\u00a0)+|[^\S\u00a0]+")


def broken(text: str, width: int) -> list[str]:
    """Lines of at most so many characters: broken at spaces, `_` and `-`, and only where nothing else helps
    at a space that binds, or within a word.

    >>> broken("spectral_norm_of_everything", 14), broken("decorrelation", 8)
    (['spectral_norm_', 'of_everything'], ['decorrel', 'ation'])
    >>> broken("rate\\u00a0=\\u00a00.123456", 12)
    ['rate\\xa0=', '0.123456']
    """
    lines = [""]
    for word in _WORDS.findall(text):
        if len(lines[-1]) + len(word.rstrip(" ")) > width and lines[-1]:
            lines.append("")
        while len(word.rstrip(" ")) > width:
            end = word.rfind("\u00a0", 0, width + 1)
            end = end if end > 0 else width
            lines[-1], word = word[:end], word[end:].lstrip("\u00a0")
            lines.append("")
        lines[-1] += word if lines[-1] or not word.isspace() else ""
    return [line.strip(" ") for line in lines if line.strip(" ")]


# Where DejaVu lacks a glyph: fonts of other scripts, those that are installed.
_OTHER_SCRIPTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans JP",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "IPAGothic",
    "IPAexGothic",
    "Hiragino Sans",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Arial Unicode MS",
    "Unifont",
)


@cache
def families() -> tuple[str, ...]:
    """DejaVu, then what is installed for the glyphs that it lacks."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in _OTHER_SCRIPTS if name in installed))


@contextmanager
def paper(width: float | None = None) -> Iterator[None]:
    """This style, whatever the user's matplotlibrc says; everything is as before afterwards.

    `width` is that of the page's text in inches, by default `TWO_COLUMNS`.
    """
    from matplotlib import style

    token = _WIDTH.set(width or TWO_COLUMNS)
    try:
        with style.context(["default", RC | {"font.family": list(families())}]):
            yield
    finally:
        _WIDTH.reset(token)
