"""What stands on which page, and how files and captions say so."""

from __future__ import annotations

import pytest

from analysis.figures.parts.even_pages import Page, columns, even_pages


@pytest.mark.parametrize(("items", "most"), [(1, 6), (6, 6), (7, 6), (13, 6), (100, 16)])
def test_every_item_is_on_one_page_and_pages_are_evenly_full(items: int, most: int) -> None:
    pages = list(even_pages(range(items), most))
    assert [item for _, found in pages for item in found] == list(range(items))
    sizes = [len(found) for _, found in pages]
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1
    assert [page for page, _ in pages] == [Page(n, len(pages)) for n in range(1, len(pages) + 1)]


def test_an_only_page_says_nothing() -> None:
    assert (Page(1, 1).suffix, Page(1, 1).words) == ("", "")
    assert (Page(1, 1, "layers").suffix, Page(1, 1, "layers").words) == ("", "")


def test_columns_are_layers_each_once() -> None:
    layers = [f"layer{n}" for n in range(8)]
    (one, left), (two, right) = columns([*layers, *layers])
    assert left + right == layers
    assert (one.suffix, one.words) == ("-layers-1", "Page 1 of 2 by layers.")
    assert (two.suffix, two.words) == ("-layers-2", "Page 2 of 2 by layers.")
