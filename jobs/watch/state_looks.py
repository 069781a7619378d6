"""States as they look: a letter, and colours on dark and on light ground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.watch.picture import Tally


@dataclass(frozen=True)
class Look:
    """`ink` is for text; `full` and `rest` are the grounds of a cell's part that is done, and the other."""

    ink: str
    full: str
    rest: str


LETTERS = {
    "failed": "F",
    "lost": "L",
    "unknown": "?",
    "running": "R",
    "interrupted": "I",
    "queued": "Q",
    "planned": "P",
    "diverged": "X",
    "done": "D",
}
GLYPHS = {
    "failed": "!",
    "lost": "!",
    "unknown": "?",
    "running": "╍",
    "interrupted": "‖",
    "queued": "┈",
    "planned": "┄",
    "diverged": "×",
    "done": "━",
}
"""In bars, so that they say the same without colours."""
STATES = tuple(LETTERS)
"""From what most wants a person's eye to what least does: a cell looks like the first one it has."""

DARK = {
    "failed": Look("#ff7b72", "#a12a2a", "#4a1d20"),
    "lost": Look("#ffa657", "#9a4a12", "#432510"),
    "unknown": Look("#d8c26a", "#6f611d", "#37311a"),
    "running": Look("#6cb6ff", "#1f5fae", "#17304f"),
    "interrupted": Look("#e3b341", "#7a5a0c", "#3d3010"),
    "queued": Look("#a5b4c8", "#47566b", "#262f3b"),
    "planned": Look("#7d8590", "#3a4048", "#1f242a"),
    "diverged": Look("#d2a8ff", "#68419c", "#342650"),
    "done": Look("#56d364", "#1c6b35", "#173d25"),
}
LIGHT = {
    "failed": Look("#b3141c", "#ff9c94", "#ffdcd8"),
    "lost": Look("#a04100", "#ffb77c", "#ffe6d1"),
    "unknown": Look("#6b5b00", "#e6d36f", "#f7f0cd"),
    "running": Look("#0757ba", "#8fc4ff", "#d8ebff"),
    "interrupted": Look("#7d5100", "#f0c657", "#fdf0cc"),
    "queued": Look("#44525f", "#b7c2ce", "#e3e8ed"),
    "planned": Look("#626b75", "#cfd4d9", "#eef0f2"),
    "diverged": Look("#6d33b5", "#cfa8f7", "#efe2fd"),
    "done": Look("#11672c", "#84d698", "#d6f3dd"),
}


def looks(dark: bool) -> Mapping[str, Look]:
    return DARK if dark else LIGHT


def leading(tally: Tally) -> str:
    """The state that a cell of these runs shows; a few that diverged do not hide the many that are done."""
    for state in STATES:
        if tally.counts[state] and (state != "diverged" or 2 * tally.counts[state] > tally.counts.total()):
            return state
    return "planned"


def trouble(tally: Tally) -> int:
    """Runs that a person has to see to."""
    return sum(tally.counts[state] for state in ("failed", "lost", "unknown"))
