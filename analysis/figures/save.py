"""A figure and what belongs to it, as four files beside each other.

`<name>.pdf`, `<name>.png` (300 dpi), `<name>.csv` (the plotted numbers), `<name>.json` (what it is
made of, and words for it). Drawn again from the same tables they are the same byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from analysis.figures.style import paper
from regularize import __version__
from regularize.store import write_json, write_text, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure, its numbers and its words.

    `summary` is one plain sentence for a terminal, `alt` the text for those who cannot see the
    figure, `band` what a shaded band is, `n` the number of seeds by method, `inputs` the digest of
    the rows it was drawn from (`analysis.tables.digest`).
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


def save(drawing: Drawing, folder: Path) -> Path:
    """Write the four files; the path of the PDF."""
    import matplotlib

    def image(kind: str, metadata: Mapping[str, None]) -> Path:
        path = folder / f"{drawing.name}.{kind}"
        write_whole(path, lambda file: drawing.figure.savefig(file, format=kind, dpi=300, metadata=metadata))
        return path

    with paper():
        pdf = image("pdf", {"CreationDate": None})
        image("png", {"Software": None})
    write_text(folder / f"{drawing.name}.csv", drawing.data.to_csv(index=False, lineterminator="\n"))
    description = {
        "caption": drawing.caption,
        "alt": drawing.alt,
        "summary": drawing.summary,
        "band": drawing.band,
        "n": dict(drawing.n),
        "inputs": drawing.inputs,
        "versions": {"regularize": __version__, "matplotlib": matplotlib.__version__},
    }
    write_json(folder / f"{drawing.name}.json", description)
    return pdf
