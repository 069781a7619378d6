"""What the figures of saliency and occlusion share: maps laid over images, a row for each network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.figures.parts import class_colours
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.shown_networks import Shown, label, map_rows
from analysis.figures.parts.subject import Subject
from analysis.figures.parts.tiles import Tiles, grey, picture, scale, show
from analysis.networks.example_choice import Examples
from analysis.statistics.contenders import Contender

if TYPE_CHECKING:
    from matplotlib.colors import Normalize

Array = NDArray[np.float64]
IMAGES = 4
RANDOM = Contender("random weights", "")
WRONG = "#D55E00"


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Maps [N, H, W] of the same images by contender (`RANDOM`: of a network before training)."""

    name: str
    colours: str
    norm: Normalize
    scale: str
    shown: Shown
    examples: Examples
    maps: Mapping[Contender, Array]
    caption: str
    alt: str
    summary: str
    right: Mapping[Contender, Sequence[bool]] = field(default_factory=dict)
    """By contender, of each image, whether its class was predicted; empty where that is not shown."""

    def draw(self, subject: Subject) -> Iterator[Drawing]:
        """One page for every fifteen contenders, all with the same colours for the same numbers."""
        for page, contenders in self.shown.pages():
            rows = [*contenders, *([RANDOM] if RANDOM in self.maps else [])]
            yield Drawing(
                name=f"{subject.name(self.name)}{page.suffix}",
                page=[page],
                figure=self._figure(rows).figure,
                data=self._data(),
                caption=self.caption,
                alt=self.alt,
                summary=self.summary,
                band="none: one network a technique",
                n=self.shown.n,
                inputs=self.shown.inputs,
            )

    def _figure(self, rows: list[Contender]) -> Tiles:
        images = self.examples.pixels(self.shown.batches)
        names = ["Random weights\n(own scale)" if row == RANDOM else label(row) for row in rows]
        tiles = Tiles(names, len(images))
        for heads in tiles.heads:
            for axes, image, true in zip(heads, images, self.examples.labels.tolist(), strict=True):
                picture(axes, image)
                axes.set_title(class_colours.text(true, self.shown.batches.class_names), pad=2, fontsize=7)
        for row, line in zip(rows, tiles.rows, strict=True):
            for axes, wrong in zip(line, [not right for right in self.right.get(row, ())], strict=False):
                if wrong:
                    axes.text(0.04, 0.96, "✗", transform=axes.transAxes, va="top", fontsize=9, color=WRONG)
            for axes, image, values in zip(line, images, self.maps[row], strict=True):
                place = np.asarray(self._norm(row)(values)).clip(0, 1)
                low, high = (-1.5, 1.3) if self._signed else (0, 1.7)
                show(axes, grey(image), cmap="gray", vmin=low, vmax=high)
                show(axes, place, cmap=self.colours, vmin=0, vmax=1, alpha=self._opacity(place))
        signed = self._signed
        scale(tiles.figure, self.norm, self.colours, self.scale, "neither" if signed else "max")
        return tiles

    def _norm(self, row: Contender) -> Normalize:
        """That of all, but for random weights, whose map would else not be seen."""
        if row != RANDOM:
            return self.norm
        own = copy(self.norm)
        own.vmax = float(self.maps[row].max())
        return own

    @property
    def _signed(self) -> bool:
        return bool(self.norm.vmin)

    def _opacity(self, place: Array) -> Array:
        """The image shines through where there is little to see."""
        strength = abs(2 * place - 1) if self._signed else place
        return 0.9 * strength**0.5

    def _data(self) -> pd.DataFrame:
        return pd.concat(
            map_rows(contender, values, example=row)
            for contender, maps in self.maps.items()
            for row, values in zip(self.examples.rows, maps, strict=True)
        )
