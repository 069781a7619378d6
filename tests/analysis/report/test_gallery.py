from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from analysis.figures.parts.small_png import PIXELS_PER_INCH
from analysis.figures.parts.style import TWO_COLUMNS
from analysis.report.gallery import gallery
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from regularize.store import Store


def test_a_page_with_small_pictures_and_words(make_store: Callable[..., Store], tmp_path: Path) -> None:
    store = make_store(strengths={"none": [""], "l_2*": ["0.1", "0.2"]}, epochs=2)
    collect(store)
    select(store)
    page, missing = gallery(store, tmp_path / "docs")
    text = page.read_text()
    pictures = re.findall(r"^!\[(.+)\]\((gallery/[\w.-]+\.png)\)$", text, re.MULTILINE)
    assert {path for _, path in pictures} == {f"gallery/{p.name}" for p in page.parent.glob("gallery/*")}
    assert all(f"`{name}` is missing: " in text for name in missing)
    assert "gallery/forest.png" in text
    assert "l\\_2\\*" in text
    assert "`regularize submit` trains it again" in text  # as code
    assert "\\`" not in text
    for _, path in pictures:
        file, whole = page.parent / path, store.figures / Path(path).name
        with Image.open(file) as image:
            assert image.width <= TWO_COLUMNS * PIXELS_PER_INCH
            small = np.asarray(image.convert("RGB"), dtype=int)
        with Image.open(whole) as image:
            size = small.shape[1], small.shape[0]
            large = np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), dtype=int)
        apart = np.abs(small - large)
        assert apart.max() < 32  # colours are what tells techniques apart
        assert apart.mean() < 0.5  # and areas keep their tint
        assert file.stat().st_size < whole.stat().st_size / 2
