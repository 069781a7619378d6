"""The overview as text: all of it, however wide what it is printed on."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from jobs.watch.watch_once import print_once
from tests.jobs.watch.synthetic import DATASETS, NOW, STRENGTHS, picture


def printed(width: int, *, terminal: bool) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system=None, highlight=False)
    print_once(console, picture(10_000), NOW, dark=True)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 200])
def test_on_a_terminal_every_row_keeps_its_name_and_every_cell_its_number(width: int) -> None:
    lines = printed(width, terminal=True)
    assert max(map(len, lines)) <= width
    for name in STRENGTHS:
        (row,) = [line for line in lines if line.startswith(f"{name} ")]
        assert len(re.findall(r"[A-Z] [\d,]+[/%]", row)) == 1 + len(DATASETS)
        assert "…" not in row


def test_in_a_pipe_nothing_is_cut() -> None:
    lines = printed(80, terminal=False)
    (heading,) = [line for line in lines if line.startswith("regularizer ")]
    assert heading.split() == ["regularizer", "all", *DATASETS]
    (row,) = [line for line in lines if line.startswith("all ")]
    assert "F 4,856/10,000" in row
    assert not any("…" in line for line in lines)
