"""A page of small images: a row for each network, its name to the left, in two blocks side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.figures.parts import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

_ONE_BLOCK = 4  # rows that stay in one block
_TWO_BLOCKS = 6  # images in a row that leave room for a second block
_LABEL = 0.95  # inches for the names to the left of a block
_LARGEST = 0.85  # inches, a side of an image
_SMALL = 7  # points


class Tiles:
    """Axes for `labels` × `columns` images, and on top of each block a row for the images they are of.

    `rows[r][c]` are the axes of row r; `heads[b][c]` those on top of block b.
    """

    def __init__(self, labels: Sequence[str], columns: int, *, below: float = 0.0) -> None:
        """`below` are inches of room for a line of text under each image."""
        from matplotlib.figure import Figure

        blocks = 2 if len(labels) > _ONE_BLOCK and columns <= _TWO_BLOCKS else 1
        deep = math.ceil(len(labels) / blocks)
        width = style.text_width(style.WIDE)
        side = min((width / blocks - _LABEL) / columns, _LARGEST)
        height = (deep + 1) * (side + below) + 0.5
        self.figure: Figure = Figure(figsize=(width, height), layout="compressed")
        grid = self.figure.subplots(deep + 1, blocks * columns, squeeze=False)
        self.rows: list[list[Axes]] = []
        self.heads: list[list[Axes]] = []
        for axes in grid.flat:
            bare(axes)
        for block in range(blocks):
            part = grid[:, block * columns : (block + 1) * columns]
            self.heads.append(list(part[0]))
            name_row(part[0, 0], "Image")
            self.rows += [list(row) for row in part[1:]]
        for row in self.rows[len(labels) :]:
            for axes in row:
                axes.remove()
        del self.rows[len(labels) :]
        for row, text in zip(self.rows, labels, strict=True):
            name_row(row[0], text)


def bare(axes: Axes) -> None:
    """Neither ticks nor grid nor frame."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def grey(images: NDArray[Any]) -> NDArray[np.float64]:
    """Pictures […, C, H, W] of pixels in [0, 1] in shades of grey: […, H, W]."""
    mean: NDArray[np.float64] = images.astype(np.float64).mean(-3)
    return mean


def show(axes: Axes, image: NDArray[Any], **options: Any) -> Any:
    """An image as it is, pixel by pixel."""
    return axes.imshow(image, interpolation="nearest", **options)


def picture(axes: Axes, image: NDArray[Any]) -> None:
    """A picture [C, H, W] of pixels in [0, 1], in its colours."""
    if image.shape[0] == 3:
        show(axes, image.transpose(1, 2, 0).clip(0, 1))
    else:
        show(axes, grey(image), cmap="gray", vmin=0, vmax=1)


def scale(figure: Figure, norm: Normalize, colours: str, text: str, extend: str) -> None:
    """The colour scale that all images share, below them."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.ticker import MaxNLocator

    bar = figure.colorbar(
        ScalarMappable(norm, colours),
        ax=figure.axes,
        location="bottom",
        shrink=0.5,
        aspect=45,
        pad=0.02,
        extend=extend,
        ticks=MaxNLocator(5 if figure.get_figwidth() > style.ONE_COLUMN else 3),
    )
    bar.set_label(text, labelpad=2)
    bar.outline.set_visible(False)


def under(axes: Axes, text: str) -> None:
    """A line of small text under an image."""
    axes.set_xlabel(text, fontsize=_SMALL, labelpad=1.5)


def name_row(axes: Axes, text: str) -> None:
    """To the left of a row's first image."""
    axes.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=_SMALL, labelpad=3, linespacing=1.15)
