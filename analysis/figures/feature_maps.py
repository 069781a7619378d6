"""What each convolution makes of one image, channel by channel, the same image for every technique."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.figures.parts import class_colours, style
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.shown_networks import Shown, images_shown, label, map_rows
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.figures.parts.tiles import bare, grey, name_row, scale, show
from analysis.networks.example_choice import Examples, one_a_class
from analysis.networks.layer_activations import convolutions, feature_maps
from analysis.statistics.contenders import Contender
from analysis.text.caption_phrases import name
from regularize.config import RunConfig
from regularize.errors import UserError
from regularize.named_objects import is_named

_CHANNELS = 16  # of a layer that are shown
_NARROW = 6  # channels that fit into one column
_LABEL = 1.0  # inches for the names
_LARGEST = 0.5  # inches, a side of a map

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Maps = dict[Contender, NDArray[np.float64]]


def draw(subject: Subject) -> Iterator[Drawing]:
    """One drawing for each convolution."""
    shown = images_shown(subject)
    layers = convolutions(shown.reference.network)
    if not layers:
        raise CannotDrawError(f"model {shown.reference.config.model} has no convolutions")
    example = one_a_class(shown.batches, 1)
    maps: dict[str, Maps] = {}
    refused: list[str] = []
    for layer in layers:
        try:
            maps[layer] = {
                contender: feature_maps(trained, example.x, layer)[0].double().numpy()
                for contender, trained in shown.networks.items()
            }
        except UserError as reason:  # of a module of one's own
            refused.append(str(reason))
    if not maps:
        raise CannotDrawError("; ".join(refused))
    notes = f" Not shown: {'; '.join(refused)}." if refused else ""
    for layer, found in maps.items():
        yield from _pages(subject, shown, example, layer, found, notes)


def _pages(
    subject: Subject, shown: Shown, example: Examples, layer: str, maps: Maps, notes: str
) -> Iterator[Drawing]:
    channels = len(next(iter(maps.values())))
    count = min(channels, _CHANNELS)
    cut = {contender: found[:count] for contender, found in maps.items()}
    largest = float(np.quantile(np.abs(np.concatenate(list(cut.values()))), 0.995)) or 1.0
    spread = "; ".join(f"{name(c)} {found.std():.2f}" for c, found in cut.items())
    some = f"the first {count} of {channels}" if count < channels else f"all {channels}"
    for page, contenders in shown.pages():
        yield Drawing(
            name=f"{subject.name('feature_maps')}-{layer}{page.suffix}",
            page=[page],
            figure=_figure(shown, example, contenders, cut, largest),
            data=_data(cut),
            caption=(
                f"{shown.subject}: what layer {layer} puts out for test image {example.rows[0]} (drawn by "
                f"a hash), normalised as in training, before pooling and activation; {some} channels. "
                f"{shown.notes} {_starts(shown)} One colour scale for all, cut at the 99.5th percentile."
                f"{notes}"
            ),
            alt=(
                f"Small maps, a row for each technique. Standard deviations of their values: {spread}, n "
                "= 1 network each."
            ),
            summary=f"{shown.subject}, {layer}: spread of the feature maps: {spread}, n = 1 network each",
            band="none: one network a technique",
            n=shown.n,
            inputs=shown.inputs,
        )


def _starts(shown: Shown) -> str:
    return start({contender: trained.config for contender, trained in shown.networks.items()})


def start(configs: Mapping[Contender, RunConfig]) -> str:
    """Whether a column shows the same filter, from what the weights of these networks of one seed started."""
    if len(configs) < 2:
        return ""
    apart: dict[str, list[str]] = {}
    for contender, config in configs.items():
        apart.setdefault(_own_start(config), []).append(name(contender))
    usual = apart.pop("", None) or (apart.popitem()[1] if len(apart) == 1 and _ORTHOGONAL in apart else None)
    if not usual:
        return "The networks did not start from the same weights: a column need not show the same filter."
    but = "".join(f", but for {', '.join(names)}, {how}" for how, names in apart.items())
    return f"The networks started from the same weights{but}: a column shows what became of the same filter."


_ORTHOGONAL = "where the same start was made orthogonal"


def _own_start(config: RunConfig) -> str:
    """How the start differs from the weights that the model draws; `` where it does not."""
    if config.training.start is not None:
        return _ORTHOGONAL if config.training.start == "orthogonal" else ""
    techniques = [term.technique for term in config.terms]
    if any(map(is_named, techniques)):  # not asked: nothing of somebody else's is imported
        return "whose technique may have changed them"
    return _ORTHOGONAL if "hard_svb" in techniques else ""


def _figure(
    shown: Shown, example: Examples, contenders: list[Contender], maps: Maps, largest: float
) -> Figure:
    """The maps of a network are one picture with gaps: axes of their own would take minutes to lay out."""
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    channels, _, wide = next(iter(maps.values())).shape
    width = style.column_width() if channels <= _NARROW else style.text_width(style.WIDE)
    side = min((width - _LABEL) / channels, _LARGEST)
    engine = ConstrainedLayoutEngine(h_pad=0.015, hspace=0)
    figure = Figure(figsize=(width, (len(contenders) + 1) * (side + 0.03) + 0.8), layout=engine)
    head, *rows = figure.subplots(len(contenders) + 1, 1)
    (image,) = grey(example.pixels(shown.batches))
    bare(head)
    show(head, montage([image, *[np.full_like(image, np.nan)] * (channels - 1)]), cmap="gray", vmin=0, vmax=1)
    name_row(head, f"Image, {class_colours.text(int(example.labels[0]), shown.batches.class_names)}")
    for axes, contender in zip(rows, contenders, strict=True):
        bare(axes)
        show(axes, montage(maps[contender]), cmap="RdBu_r", vmin=-largest, vmax=largest)
        name_row(axes, label(contender))
    middles = [(wide - 1) / 2 + (wide + gap(wide)) * channel for channel in range(channels)]
    rows[0].set_xticks(middles, labels=[str(channel) for channel in range(1, channels + 1)])
    rows[0].tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0, pad=1)
    scale(figure, Normalize(-largest, largest), "RdBu_r", "output of the filter", "both")
    return figure


def montage(maps: Sequence[NDArray[np.float64]] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Maps [H, W] beside each other with gaps between them."""
    height, width = maps[0].shape
    between = np.full((height, gap(width)), np.nan)
    return np.concatenate([part for one in maps for part in (one, between)][:-1], axis=1)


def gap(width: int) -> int:
    """Pixels between maps of so many."""
    return max(1, round(0.1 * width))


def _data(maps: Maps) -> pd.DataFrame:
    return pd.concat(
        map_rows(contender, values, channel=channel)
        for contender, found in maps.items()
        for channel, values in enumerate(found, 1)
    )
