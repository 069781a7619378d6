"""How spread out predicted probabilities are, of right and of wrong predictions."""

from __future__ import annotations

from analysis.figures.parts.distribution_figure import DistributionFigure

draw = DistributionFigure(
    name="entropy_distributions",
    what="entropy of the predicted probabilities",
    column="entropy",
    x_label="Entropy (nats)",
).draw
