"""How sure right and wrong predictions are: the distribution of the largest probability."""

from __future__ import annotations

from analysis.figures.parts.distribution_figure import DistributionFigure

draw = DistributionFigure(
    name="confidence_distributions",
    what="confidence (the largest predicted probability)",
    column="confidence",
    x_label="Confidence",
).draw
