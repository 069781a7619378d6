"""What the figures of activations in two or three dimensions share: a panel of points for each network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.figures.parts import class_colours, style
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.shown_networks import Shown, label, shown
from analysis.figures.parts.subject import Subject
from analysis.networks.embedding import NEIGHBOURS, Array, purity
from analysis.networks.example_choice import Examples, sample
from analysis.networks.layer_activations import PENULTIMATE, activations
from analysis.statistics.contenders import Contender
from analysis.text.caption_phrases import name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Limits = Sequence[tuple[float, float]]
EXAMPLES, LEAST = 300, 200
_COLUMN = 1.3  # inches of a panel, at least


@dataclass(frozen=True, kw_only=True)
class Activations:
    """The activations [N, units] of one layer of every network, for the same test examples."""

    shown: Shown
    examples: Examples
    layer: str
    points: Mapping[Contender, Array]

    @classmethod
    def of(cls, subject: Subject, most: int | None = None) -> Activations:
        """Of 300 examples, or fewer, so that there are at most `most` points of all networks together.

        But of 200 at least, so that an example has neighbours of its class.

        Raises:
            UserError: networks, data or the layer are missing.
        """
        found = shown(subject)
        count = min(EXAMPLES, max(LEAST, most // len(found.networks))) if most else EXAMPLES
        examples = sample(found.batches, count)
        points = {
            contender: activations(trained, examples.x, subject.layer).double().numpy()
            for contender, trained in found.networks.items()
        }
        return cls(shown=found, examples=examples, layer=subject.layer, points=points)

    @property
    def labels(self) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self.examples.labels.numpy()
        return found

    @property
    def what(self) -> str:
        """E.g. `activations of layer conv1 (1176 units)`."""
        units = next(iter(self.points.values())).shape[1]
        which = "the last hidden layer" if self.layer == PENULTIMATE else f"layer {self.layer}"
        return f"activations of {which} ({units} units)"


def drawings(
    subject: Subject,
    figure: str,
    found: Activations,
    places: Mapping[Contender, Array],
    how: str,
    extra: Mapping[Contender, str],
    same_axes: bool,
) -> Iterator[Drawing]:
    """The pages that show `places` [N, d]; `extra` is said above each panel, over the purity."""
    dimensions = next(iter(places.values())).shape[1]
    purities = {contender: purity(points, found.labels) for contender, points in found.points.items()}
    listed = "; ".join(f"{name(c)} {value:.2f}" for c, value in purities.items())
    layer = "" if subject.layer == PENULTIMATE else f"-{subject.layer}"
    for page, contenders in found.shown.pages():
        titles = {c: f"{label(c)}\n{extra[c]}purity {purities[c]:.2f}" for c in contenders}
        yield Drawing(
            name=f"{subject.name(figure)}{layer}-{dimensions}d{page.suffix}",
            page=[page],
            figure=_figure(found, places, titles, same_axes=same_axes),
            data=_data(found, places, purities),
            caption=(
                f"{found.shown.subject}: {found.what} for {len(found.labels)} test examples drawn by a "
                f"hash, {how} Purity: the mean share of an example's {NEIGHBOURS} nearest neighbours, by "
                f"all units, that have its class. {found.shown.notes}"
            ),
            alt=(
                f"Scatter plots, one for each technique, a colour for each class. Purity: {listed}, n = 1 "
                "network each."
            ),
            summary=f"{found.shown.subject}, {found.what}, kNN purity: {listed}, n = 1 network each",
            band="none: one network a technique",
            n=found.shown.n,
            inputs=found.shown.inputs,
        )


def _figure(
    found: Activations, places: Mapping[Contender, Array], titles: Mapping[Contender, str], *, same_axes: bool
) -> Figure:
    from matplotlib.figure import Figure

    solid = next(iter(places.values())).shape[1] == 3
    rows = math.ceil(len(titles) / min(style.columns_that_fit(_COLUMN), len(titles)))
    columns = math.ceil(len(titles) / rows)  # no more than that, so that panels are large
    width = style.text_width() if columns > 2 else style.column_width()
    figure = Figure(figsize=(width, rows * (width / columns + 0.5) + 0.3), layout="constrained")
    options: dict[str, Any] = {"projection": "3d"} if solid else {}
    grid = list(figure.subplots(rows, columns, squeeze=False, subplot_kw=options).flat)
    for unused in grid[len(titles) :]:
        unused.remove()
    limits = _limits(places) if same_axes else None
    for axes, (contender, title) in zip(grid, titles.items(), strict=False):
        _scatter(axes, places[contender], found.labels, limits)
        axes.set_title(title, fontsize=7, pad=3, linespacing=1.15)
    class_colours.legend(figure, sorted(set(found.labels.tolist())), found.shown.batches.class_names, "o")
    return figure


def _scatter(axes: Any, places: Array, labels: NDArray[np.int64], limits: Limits | None) -> None:
    wheel = class_colours.colours(sorted(set(labels.tolist())))
    solid = places.shape[1] == 3
    look = {"depthshade": False} if solid else {}
    colours = [wheel[k] for k in labels.tolist()]
    axes.scatter(*places.T, s=3, c=colours, linewidths=0, rasterized=True, **look)
    axes.grid(False)
    names = "xyz" if solid else "xy"
    shown = limits or _limits({None: places})
    axes.set(
        **{f"{n}ticks": [] for n in names}, **{f"{n}lim": ends for n, ends in zip(names, shown, strict=False)}
    )
    if solid:
        axes.set_box_aspect((1, 1, 1), zoom=1.1)
    else:
        axes.set_aspect("equal")


def _limits(places: Mapping[Any, Array]) -> Limits:
    """Each axis around the middle of its points, and all of one length, so that distances can be compared."""
    every = np.concatenate(list(places.values()))
    low, high = every.min(0), every.max(0)
    half = 0.54 * float((high - low).max()) or 1.0
    return [(float(middle) - half, float(middle) + half) for middle in (low + high) / 2]


def _data(
    found: Activations, places: Mapping[Contender, Array], purities: Mapping[Contender, float]
) -> pd.DataFrame:
    names = ["x", "y", "z"][: next(iter(places.values())).shape[1]]
    return pd.concat(
        pd.DataFrame(where.astype(np.float32), columns=names).assign(
            regularizer=contender.regularizer,
            strength=contender.strength,
            example=found.examples.rows,
            label=found.labels,
            purity=purities[contender],
        )
        for contender, where in places.items()
    )
