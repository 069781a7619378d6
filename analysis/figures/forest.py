"""Forest plot: every technique's difference to the baseline on every problem, with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from analysis.figures.parts.even_pages import Page
from analysis.figures.parts.forest_panels import panels, rows_that_fit
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.notation.intervals import Interval
from analysis.statistics.comparison_table import compare
from analysis.statistics.contenders import Comparison, Contender, of_problem
from analysis.statistics.scores import Score, score
from analysis.tables.store_tables import digest
from analysis.text.caption_phrases import name, span, where

_PROBLEMS_A_PAGE = 3


def draw(subject: Subject) -> Iterator[Drawing]:
    """A column a problem, the same rows in each; of the subject's score."""
    tables = subject.comparisons[0].tables
    shown = score(subject.score, tables.region)
    rows = compare(tables, subject.score)
    if rows["survivors_mean"].isna().all():
        raise CannotDrawError(f"no run has a {shown.what}: it was not measured")
    rows = rows[rows["regularizer"] != tables.baseline]
    if (entries := subject.comparisons[0].shown) is not None:
        rows = rows[rows["regularizer"].isin(entries)]
    if rows["difference"].isna().all():
        reasons = rows["refused"].dropna()
        why = str(reasons.iloc[0]) if len(reasons) else "there is no regularizer to compare with"
        raise CannotDrawError(f"nothing can be compared with {tables.baseline!r}: {why}")
    found = [each for each in subject.comparisons if of_problem(rows, each.problem).any()]
    every = [
        (mine, part)
        for start in range(0, len(found), _PROBLEMS_A_PAGE)
        if (mine := found[start : start + _PROBLEMS_A_PAGE])
        for part in _parts(pd.concat([rows[of_problem(rows, each.problem)] for each in mine]))
    ]
    for number, (mine, part) in enumerate(every, 1):
        yield _drawing(subject.name("forest"), Page(number, len(every)), mine, part, shown)


def _parts(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """By entries, as many as a page has room for."""
    of_entry = rows.groupby("regularizer")["strength"].nunique().to_dict()
    pairs = zip(rows["regularizer"], rows["strength"], strict=True)
    room, pages = rows_that_fit([Contender(*pair) for pair in pairs]), list[list[str]]([[]])
    for entry in dict.fromkeys(rows["regularizer"]):
        if pages[-1] and sum(of_entry[each] for each in [*pages[-1], entry]) > room:
            pages.append([])
        pages[-1].append(entry)
    return [rows[rows["regularizer"].isin(page)] for page in pages]


def _drawing(file: str, page: Page, shown: Sequence[Comparison], rows: pd.DataFrame, score: Score) -> Drawing:
    every = pd.concat([rows[of_problem(rows, each.problem)] for each in shown], ignore_index=True)
    mine = every[every["difference"].notna()].reset_index(drop=True)
    pairs = span(mine["n_pairs"]) if len(mine) else "n = 0"
    return Drawing(
        name=file + page.suffix,
        page=[page],
        figure=panels(
            [(each.problem, every[of_problem(every, each.problem)]) for each in shown], score, _against(every)
        ),
        data=mine,
        caption=_caption(shown, every, score, pairs),
        alt=(
            f"Forest plot of {_what(score)}: a row for each regularizer, a column for each problem; {pairs} "
            f"pairs of runs. {_said(shown, mine, score)}."
        ),
        summary=f"{score.what} against {_against(every)}: {_furthest(shown, mine, score)}",
        band=(
            f"simultaneous 95% t-intervals (Bonferroni, over the comparisons of a problem) of the mean "
            f"{'log ratio' if score.is_ratio else 'difference'} over {_over(every)}"
        ),
        n={f"{problem}: {contender}": n for problem, contender, n, _ in _differences(shown, mine, score)},
        inputs=digest(mine),
    )


def _what(score: Score) -> str:
    return f"{'ratios' if score.is_ratio else 'differences'} in {score.what}"


def _caption(shown: Sequence[Comparison], rows: pd.DataFrame, score: Score, pairs: str) -> str:
    first = rows.iloc[0]
    kind = "Ratio of the" if score.is_ratio else "Difference in"
    side = "higher" if score.higher_is_better else "lower"
    said = [
        f"{kind} {score.what} to {'that of ' * score.is_ratio}{_against(rows)} ({side} is {score.better}), "
        f"paired by seed ({pairs} pairs of runs), with t-intervals over {_over(rows)}"
        f"{', taken of the logarithms,' * score.is_ratio} that with 95% cover for all comparisons of a "
        f"problem at once, on {', '.join(where(each.problem) for each in shown)}.",
        f"Filled and †: significant at 5% and confirmed ({first['test']}; {first['correction']}).",
    ]
    if len(doubtful := rows[rows["confirmed"] == False]):  # noqa: E712, missing where there is nothing to confirm
        said.append(f"Half filled: significant by the t-test alone ({_names(doubtful)}).")
    regions = rows["rope"].dropna().unique()
    if len(regions):
        sizes = " and ".join(f"±{each:.2g}" for each in sorted(regions))
        unit = {"pp": " percentage points"}.get(score.difference_unit, f" {score.difference_unit}")
        said.append(f"Shaded: the region of practical equivalence, {sizes}{unit.rstrip()}.")
    if (rows["n_diverged"] > 0).any():
        how = "count as a constant guess" if score.guess else "are left out"
        said.append(f"Diverged runs {how} ({int(rows['n_diverged'].sum())} in all).")
    for each in shown:
        refused = rows[of_problem(rows, each.problem) & rows["refused"].notna()]
        here = f"On {where(each.problem)}, nothing" if len(shown) > 1 else "Nothing"
        for reason, those in refused.groupby("refused", sort=False):
            said.append(f"{here} is concluded on {_names(those)}: {reason}.")
    said.append(f"Strengths: {first['rule']}.")
    return " ".join(said)


def _over(rows: pd.DataFrame) -> str:
    """What intervals cover, on each problem."""
    return " or ".join(dict.fromkeys(rows["over"]))


def _against(rows: pd.DataFrame) -> str:
    """What the others are compared with."""
    baselines = rows["baseline"].dropna()
    return name(Contender(str(baselines.iloc[0]), "")) if len(baselines) else "the baseline"


def _names(rows: pd.DataFrame) -> str:
    pairs = zip(rows["regularizer"], rows["strength"], strict=True)
    return ", ".join(name(Contender(*pair)) for pair in pairs)


def _differences(
    shown: Sequence[Comparison], rows: pd.DataFrame, score: Score
) -> Iterator[tuple[str, str, int, str]]:
    """Of every problem and contender: their names, the number of pairs, the difference for people."""
    for each in shown:
        for _, row in rows[of_problem(rows, each.problem)].iterrows():
            found = Interval(int(row["n_pairs"]), row["difference"], row["difference_family_half"])
            contender = Contender(row["regularizer"], row["strength"])
            words = f"{'×' * score.is_ratio}{score.difference(found)}{score.difference_suffix}"
            yield where(each.problem), name(contender), found.n, words


def _said(shown: Sequence[Comparison], rows: pd.DataFrame, score: Score) -> str:
    """Every difference, problem by problem."""
    said: dict[str, list[str]] = {}
    for problem, contender, _, words in _differences(shown, rows, score):
        said.setdefault(problem, []).append(f"{contender} {words}")
    return ". ".join(f"{problem}: {'; '.join(parts)}" for problem, parts in said.items())


def _furthest(shown: Sequence[Comparison], rows: pd.DataFrame, score: Score) -> str:
    """The best difference of every problem, and how many are significant."""
    said = []
    for each in shown:
        mine = rows[of_problem(rows, each.problem) & ~rows["unstable"].astype(bool)]
        if mine.empty:
            said.append(f"{where(each.problem)}: nothing to compare")
            continue
        best = mine.loc[[(score.sign * mine["difference"]).idxmax()]]
        significant = sum(value in (True,) for value in mine["confirmed"])
        ((_, contender, _, words),) = _differences([each], best, score)
        count = f"{significant} of {len(mine)} significant"
        end = "highest" if score.higher_is_better else "lowest"
        said.append(f"{where(each.problem)}: {contender} {words} is the {end}, {count}")
    return "; ".join(said)
