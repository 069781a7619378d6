"""A figure and what belongs to it, as four files beside each other.

`<name>.pdf`, `<name>.png` (300 dpi, laid out as the PDF is), `<name>.csv` (the plotted numbers),
`<name>.json` (what it is made of, and words for it); where it is asked for, `<name>.svg`. Drawn
again from the same tables they are the same byte for byte. For a page the PNG alone is drawn, and small: the
rest would be most of the work.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG

from analysis.figures.parts.even_pages import Page
from analysis.figures.parts.small_png import PIXELS_PER_INCH, write_small
from analysis.figures.parts.style import paper
from analysis.tables.store_tables import write_csv
from regularize import __version__
from regularize.store import write_json, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 300
_GLYPH = re.compile(r"Glyph (\d+) .*missing from font", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure, its numbers and its words.

    `summary` is one plain sentence for a terminal, `alt` the text for those who cannot see the
    figure, `band` what a shaded band is, `n` the number of seeds by method, `inputs` the digest of
    the rows it was drawn from (`analysis.tables.store_tables.digest`), `page` which of several it is.
    """

    name: str
    figure: Figure
    data: pd.DataFrame
    caption: str
    alt: str
    summary: str
    band: str
    n: Mapping[str, int]
    inputs: str
    page: Sequence[Page] = ()


def save(drawing: Drawing, folder: Path, *, svg: bool = False, page: bool = False) -> Path:
    """Write the files; the path of the PDF, or of the PNG where a `page` is all that is drawn for."""
    import matplotlib

    pdf = folder / f"{drawing.name}.pdf"
    small = page and not pdf.exists()
    with paper(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if small:
            write_whole(pdf.with_suffix(".png"), partial(_small, drawing.figure))
        else:
            write_whole(pdf, partial(_pdf, drawing.figure))
            write_whole(pdf.with_suffix(".png"), partial(_png, drawing.figure))
        if svg:
            write_whole(pdf.with_suffix(".svg"), partial(_svg, drawing.figure))
    missing = _missing_glyphs(caught)
    write_csv(folder / f"{drawing.name}.csv", drawing.data)
    caption = [drawing.caption.rstrip(), *(each.words for each in drawing.page), missing]
    description = {
        "caption": " ".join(filter(None, caption)),
        "alt": drawing.alt,
        "summary": f"{drawing.summary} {missing}".rstrip(),
        "band": drawing.band,
        "n": dict(drawing.n),
        "inputs": drawing.inputs,
        "versions": {"regularize": __version__, "matplotlib": matplotlib.__version__},
    }
    write_json(folder / f"{drawing.name}.json", description)
    return pdf.with_suffix(".png") if small else pdf


def _missing_glyphs(caught: Sequence[warnings.WarningMessage]) -> str:
    """What no installed font can write, in a sentence; other warnings are passed on."""
    glyphs: dict[str, None] = {}
    for each in caught:
        if found := _GLYPH.match(str(each.message)):
            glyphs[chr(int(found.group(1)))] = None
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return f"(No font installed here has {' '.join(glyphs)}, shown as boxes.)" if glyphs else ""


# Not `Figure.savefig`, which for each file computes the layout again, and draws the figure once for nothing.


def _pdf(figure: Figure, path: Path) -> None:
    figure.dpi = DPI  # of what is rasterised
    FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None})  # type: ignore[no-untyped-call]


def _small(figure: Figure, path: Path) -> None:
    figure.dpi = PIXELS_PER_INCH
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    write_small(np.asarray(canvas.buffer_rgba()), path)  # type: ignore[no-untyped-call]


def _svg(figure: Figure, path: Path) -> None:
    FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})  # type: ignore[no-untyped-call]


def _png(figure: Figure, path: Path) -> None:
    """With the layout of the PDF, which is drawn first."""
    figure.set_layout_engine("none")
    figure.dpi = DPI
    FigureCanvasAgg(figure).print_png(  # type: ignore[no-untyped-call]
        path,
        metadata={"Software": None},
        pil_kwargs={"compress_level": 3},  # twice as fast as the default, for a tenth more bytes
    )
