"""Intervals of shares, and text that no font can write."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.figures.parts.bands import share_ends
from analysis.figures.parts.save import Drawing, save
from analysis.figures.parts.style import families


@pytest.mark.parametrize(("mean", "half"), [(99.5, 3.0), (0.4, 2.0), (50.0, 5.0), (97.0, 20.0)])
def test_intervals_of_shares_stay_within_0_and_100(mean: float, half: float) -> None:
    low, high = (end.iloc[0] for end in share_ends(pd.Series([mean]), pd.Series([half])))
    assert 0 <= low < mean < high <= 100
    if mean == 50:
        assert (low, high) == pytest.approx((45, 55), abs=0.02)


def test_certain_shares_and_single_seeds() -> None:
    low, high = share_ends(pd.Series([100.0, 80.0]), pd.Series([0.0, math.nan]))
    assert (low.iloc[0], high.iloc[0]) == pytest.approx((100, 100))
    assert np.isnan(low.iloc[1])
    assert np.isnan(high.iloc[1])


def test_a_glyph_that_no_font_has_is_said(tmp_path: Path) -> None:
    figure = Figure()
    figure.text(0.5, 0.5, "猫 \U000f1234")
    settings = {"name": "cat", "data": pd.DataFrame({"a": [1]}), "caption": "A cat.", "alt": "", "band": ""}
    path = save(Drawing(figure=figure, summary="", n={}, inputs="", **settings), tmp_path)
    caption = json.loads(path.with_suffix(".json").read_text())["caption"]
    assert "\U000f1234" in caption, "of a private area, so that no font has it"
    assert ("猫" in caption) == (families() == ("DejaVu Sans",))
