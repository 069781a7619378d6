"""The table of figures.

Adding one: a file in this folder with `draw(subject: Subject) -> Iterable[Drawing]`, which raises
`CannotDrawError` with a reason where something is missing, and a row here. One's own is no more than a
function anywhere, named `package.module:function` where figures are asked for (see `parts/own.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from regularize.errors import UserError, unknown
from regularize.named_objects import is_named

if TYPE_CHECKING:
    from analysis.figures.parts.save import Drawing
    from analysis.figures.parts.subject import Scope, Subject


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A row of `FIGURES`.

    `scope`: one figure for each problem (and, with `one_run`, for a run alone), or one for the whole
    sweep. `needs`: the collected tables, also the packs' weights, or networks and the data they see.
    `by_score`: one for each score that is asked for.
    """

    shows: str
    scope: Scope = "problem"
    needs: Literal["tables", "weights", "networks"] = "tables"
    one_run: bool = True
    by_score: bool = False


FIGURES: dict[str, Kind] = {
    "loss_curves": Kind(shows="training and test loss by epoch, every technique against the baseline"),
    "loss_gap": Kind(shows="test loss minus training loss by epoch"),
    "accuracy_curves": Kind(shows="test accuracy by epoch"),
    "confidence_distributions": Kind(shows="how sure right and wrong predictions are"),
    "reliability": Kind(shows="accuracy by confidence, the bins' counts, the calibration error"),
    "entropy_distributions": Kind(shows="entropy of the predictions, of right and of wrong ones"),
    "robustness_curves": Kind(shows="accuracy under white noise, FGSM and PGD by their size"),
    "corruption_curves": Kind(shows="accuracy on corrupted images by severity"),
    "corruption_errors": Kind(
        shows="errors on corrupted images relative to the baseline's, and their mean", one_run=False
    ),
    "spectra": Kind(shows="singular values of every layer"),
    "strength_sensitivity": Kind(
        shows="accuracy by strength, with the chosen one and its plateau", one_run=False
    ),
    "best_of_k": Kind(shows="test accuracy to expect of the best of k strengths", one_run=False),
    "cost_accuracy": Kind(
        shows="the work of training relative to the baseline's against accuracy", scope="sweep", one_run=False
    ),
    "forest": Kind(
        shows="differences to the baseline with intervals, all problems",
        scope="sweep",
        one_run=False,
        by_score=True,
    ),
    "weight_distributions": Kind(
        shows="every layer's weights and their share of exact zeros", needs="weights"
    ),
    "feature_maps": Kind(shows="what each convolution makes of one image", needs="networks"),
    "activations_pca": Kind(shows="activations of a layer on principal axes", needs="networks"),
    "activations_tsne": Kind(shows="activations of a layer by t-SNE", needs="networks"),
    "saliency": Kind(shows="gradients of the true class's logit over images", needs="networks"),
    "occlusion": Kind(shows="the drop of confidence where images are hidden", needs="networks"),
    "decision_planes": Kind(shows="decision regions on random planes through images", needs="networks"),
    "decision_triangle": Kind(shows="decision regions on the plane through three images", needs="networks"),
}
OWN = Kind(shows="figures of one's own", scope="sweep", one_run=False)
SHOWN_SCORES = ("test_accuracy", "test_loss", "test_ece")  # where none is asked for


def kind_of(name: str) -> Kind:
    """
    Raises:
        UserError: there is no such figure.
    """
    if is_named(name):
        return OWN
    if name not in FIGURES:
        raise UserError(unknown("figure", name, FIGURES) + "; or your own, as module:function")
    return FIGURES[name]


@dataclass
class Drawn:
    """The PDFs that were written, or for a page PNGs, and by name of its files why a figure could not be."""

    paths: list[Path] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def draw(name: str, subject: Subject, width: float | None = None) -> Iterator[Drawing]:
    """The drawings of one figure, usually one; several where it takes several pages.

    `width` is that of the page's text, in inches.

    Raises:
        CannotDrawError: something is missing.
    """
    from analysis.figures.parts import own
    from analysis.figures.parts.style import paper

    with paper(width):
        if is_named(name):
            yield from own.draw(name, subject)
            return
        yield from import_module(f"analysis.figures.{name}").draw(subject)
