"""Runs by state, side by side in a line."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from rich.text import Text

from jobs.watch.picture import Tally
from jobs.watch.state_looks import GLYPHS, STATES, Look


def stacked(tally: Tally, width: int, palette: Mapping[str, Look]) -> Text:
    """A line `width` long, from done to failed; any state that a run is in takes a character at least."""
    counts = [(state, tally.counts[state]) for state in reversed(STATES) if tally.counts[state]]
    text, room, left = Text(), width, tally.counts.total()
    for number, (state, count) in enumerate(counts):
        after = len(counts) - number - 1
        length = room if not after else max(1, min(room - after, round(room * count / left)))
        text.append(GLYPHS[state] * length, style=Style(color=palette[state].ink))
        room, left = room - length, left - count
    return text if counts else text.append("┄" * width, style="dim")
