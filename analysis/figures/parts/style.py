"""How every figure looks: sizes, fonts, lines. Techniques have their looks in `analysis.notation.methods`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from analysis.notation.methods import METHODS

ONE_COLUMN, TWO_COLUMNS = 3.25, 6.75  # widths in inches
GREY, INK = METHODS["none"].colour, "#262626"
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
}


def plain(text: str) -> str:
    """Text for matplotlib, in which a dollar sign is a dollar sign."""
    return text.replace("$", r"\$")


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
def paper() -> Iterator[None]:
    """This style, whatever the user's matplotlibrc says; everything is as before afterwards."""
    from matplotlib import style

    with style.context(["default", RC | {"font.family": list(families())}]):
        yield
