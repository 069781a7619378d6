"""The colours of classes, in every figure that shows some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.figures.parts.style import ONE_COLUMN, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 10  # classes that can be told apart by colour


def colours(classes: Sequence[int]) -> dict[int, str]:
    """A colour for each class by its number; beyond ten they repeat."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    wheel = colormaps["tab10"]
    return {label: to_hex(wheel(label % MOST)) for label in classes}


def tinted(classes: NDArray[np.int64], confidence: NDArray[np.float64], total: int) -> NDArray[np.float64]:
    """Classes and their probabilities [G, G] to colours [G, G, 4], more opaque the more confident.

    `total` is the number of classes: where the likeliest is as likely as all, nothing is seen.
    """
    from matplotlib.colors import to_rgb

    wheel = colours(range(total))
    table = np.array([to_rgb(wheel[label]) for label in range(total)])
    certain = ((confidence - 1 / total) / (1 - 1 / total)).clip(0, 1)
    return np.concatenate([table[classes], 0.15 + 0.6 * certain[..., None]], axis=-1)


def name(label: int, names: Sequence[str]) -> str:
    """What to call a class; `names` are those of the data set, empty where it has none."""
    return names[label] if names else f"class {label}"


def text(label: int, names: Sequence[str]) -> str:
    """The same for matplotlib, to which a dollar sign would be mathematics."""
    return plain(name(label, names))


def legend(figure: Figure, classes: Sequence[int], names: Sequence[str], marker: str) -> None:
    """Classes and their colours, above the figure."""
    from matplotlib.lines import Line2D

    look: dict[str, Any] = {"marker": marker, "linestyle": "", "markersize": 5}
    wheel = colours(classes)
    handles = [Line2D([], [], color=wheel[label], label=text(label, names), **look) for label in classes]
    ncols = len(handles) if figure.get_figwidth() > ONE_COLUMN else 4
    figure.legend(
        handles=handles,
        fontsize=7,
        loc="outside upper center",
        ncols=ncols,
        handletextpad=0.1,
        columnspacing=0.8,
    )
