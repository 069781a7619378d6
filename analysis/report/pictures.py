"""Figures for the page: their PNG at a page's width, inside it, with the words that belong to them.

A link would lead nowhere once the page is moved or sent: the plotted numbers are in the page, too, where they
are not many, and what else there is of a figure is named.

Of a few problems the figures of a kind stand below each other, so that problems can be compared. Of many,
each problem has a section that is opened by who wants to see it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from analysis.figures.catalogue import FIGURES, OWN, Drawn
from analysis.figures.parts.own import PREFIX
from analysis.figures.parts.small_png import shrink
from analysis.notation.published_text import published
from analysis.tables.store_tables import Problem
from analysis.text.caption_phrases import where
from regularize.cores import cores
from regularize.opened import read_whole
from regularize.store import read_json

_MOST_NUMBERS = 100_000  # bytes of a figure's CSV that are put into the page
_FEW = 3  # problems whose figures of a kind stand below each other


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure of the page. `width` is that of the printed figure, in inches.

    `numbers` are the plotted ones as a data URI, `` where there are too many; `file` is the place in the
    store of the PDF, or where there is none of the picture.
    """

    name: str
    source: str  # a data URI
    width: float
    alt: str
    caption: str
    numbers: str
    file: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pictures by what they show; `folded` until the reader opens it. No `title`: all there are."""

    title: str
    folded: bool
    kinds: list[tuple[str, list[Picture]]]

    def __len__(self) -> int:
        return sum(len(pictures) for _, pictures in self.kinds)


def groups(drawn: Drawn, problems: Sequence[Problem]) -> list[Group]:
    """The pictures of all figures, in the order of `FIGURES`."""
    with ThreadPoolExecutor(cores()) as pool:
        found = dict(zip(drawn.paths, pool.map(picture, drawn.paths), strict=True))
    if len(problems) <= _FEW:
        return [Group(title="", folded=False, kinds=_by_kind(found))]
    parts: dict[Problem | None, dict[Path, Picture]] = {None: {}} | {problem: {} for problem in problems}
    for path, shown in found.items():
        parts[_problem(path.stem, problems)][path] = shown
    titles = {None: "All problems together"} | {problem: where(problem) for problem in problems}
    return [
        Group(title=titles[problem], folded=problem is not None, kinds=_by_kind(mine))
        for problem, mine in parts.items()
        if mine
    ]


def first(found: Sequence[Group], kind: str) -> Picture | None:
    """The first picture of a kind, if there is one."""
    pictures = (picture for group in found for _, mine in group.kinds for picture in mine)
    return next((picture for picture in pictures if _kind(picture.name) == kind), None)


def _by_kind(found: Mapping[Path, Picture]) -> list[tuple[str, list[Picture]]]:
    kinds: Mapping[str, list[Picture]] = {kind.shows: [] for kind in (*FIGURES.values(), OWN)}
    for path, shown in found.items():
        kinds[FIGURES.get(_kind(path.stem), OWN).shows].append(shown)
    return [(shows, pictures) for shows, pictures in kinds.items() if pictures]


def _kind(stem: str) -> str:
    """The row of FIGURES that a file belongs to; of one's own its stem."""
    if stem.startswith(PREFIX):
        return stem
    return max((name for name in FIGURES if stem == name or stem.startswith(f"{name}-")), key=len)


def _problem(stem: str, problems: Sequence[Problem]) -> Problem | None:
    """The problem that a file is of; None where it shows all."""
    rest = f"{stem.removeprefix(_kind(stem))}-"
    mine = [problem for problem in problems if rest.startswith(f"-{problem.slug}-")]
    return max(mine, key=lambda problem: len(problem.slug), default=None)


def missing(drawn: Drawn) -> list[tuple[str, str]]:
    """What was not drawn, in words, and why; figures of one kind with one reason are counted."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, reason in sorted(drawn.missing.items()):
        names.setdefault((_kind(name), published(reason)), []).append(name)
    return [
        (f"{kind} of {len(mine)} problems" if len(mine) > 1 else mine[0], reason)
        for (kind, reason), mine in names.items()
    ]


def picture(path: Path) -> Picture:
    """The figure whose PDF or PNG this is, with what stands beside it."""
    words, small = read_json(path.with_suffix(".json")), shrink(path.with_suffix(".png"))
    numbers = read_whole(path.with_suffix(".csv"))
    return Picture(
        name=path.stem,
        source=_data("image/png", small.content),
        width=small.width,
        alt=words["alt"],
        caption=words["caption"],
        numbers=_data("text/csv", numbers) if len(numbers) <= _MOST_NUMBERS else "",
        file=f"{path.parent.name}/{path.name}",
    )


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
