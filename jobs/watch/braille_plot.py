"""Curves in braille: two by four dots a character."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from rich.text import Text

Curve = Sequence[tuple[float, float]]

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_AXIS = 6  # characters for the numbers of the vertical axis
_NAMES = 6  # and for the names at the ends of the curves


def plot(
    curves: Mapping[str, Curve], styles: Mapping[str, str], *, title: str, width: int, height: int
) -> Text:
    """Curves, each named at its end, the last one on top; `height` is lines with the title and the axis."""
    curves = {name: curve for name, curve in curves.items() if curve}
    columns, lines = max(4, width - _AXIS - _NAMES - 2), max(2, height - 2)
    text = Text(f"{title}\n", style="bold", no_wrap=True)
    if not curves:
        return text.append("nothing measured yet", style="dim")
    points = [point for curve in curves.values() for point in curve]
    (left, right), (low, high) = _range([x for x, _ in points]), _range([y for _, y in points])
    cells: dict[tuple[int, int], tuple[int, str]] = {}
    for name, curve in curves.items():
        spots = [
            ((x - left) / (right - left) * (2 * columns - 1), (high - y) / (high - low) * (4 * lines - 1))
            for x, y in curve
        ]
        for column, row in _dots(spots):
            cell = (row // 4, column // 2)
            bits = cells.get(cell, (0, ""))[0] | _DOTS[column % 2][row % 4]
            cells[cell] = (bits, styles.get(name, ""))
    names = _ends(curves, low, high, lines)
    for line in range(lines):
        label = f"{high:.3g}" if line == 0 else f"{low:.3g}" if line == lines - 1 else ""
        text.append(f"{label:>{_AXIS}} ", style="dim").append("│", style="dim")
        for column in range(columns):
            bits, style = cells.get((line, column), (0, ""))
            text.append(chr(0x2800 + bits) if bits else " ", style=style)
        name = names.get(line, "")
        text.append(f" {name[:_NAMES]}\n", style=styles.get(name, ""))
    ends = f"{right:g}"
    return text.append(
        f"{'':>{_AXIS}} └ {left:g}{ends:>{columns - 2 - len(f'{left:g}')}} epochs", style="dim"
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _dots(spots: Sequence[tuple[float, float]]) -> set[tuple[int, int]]:
    """The dots of the lines from spot to spot."""
    found = {(round(x), round(y)) for x, y in spots}
    for (x0, y0), (x1, y1) in pairwise(spots):
        steps = max(1, round(max(abs(x1 - x0), abs(y1 - y0))))
        found |= {
            (round(x0 + (x1 - x0) * step / steps), round(y0 + (y1 - y0) * step / steps))
            for step in range(steps)
        }
    return found


def _ends(curves: Mapping[str, Curve], low: float, high: float, lines: int) -> dict[int, str]:
    """The line at which each curve is named: where it ends, or the nearest one that is free."""
    found: dict[int, str] = {}
    for name, curve in sorted(curves.items(), key=lambda pair: -pair[1][-1][1]):
        wanted = min(lines - 1, int((high - curve[-1][1]) / (high - low) * lines))
        free = [line for line in range(lines) if line not in found]
        if free:
            found[min(free, key=lambda line: (abs(line - wanted), line))] = name
    return found
