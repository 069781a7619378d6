"""Conclusions as sentences, each with its uncertainty; none where none is warranted. Pure.

Whether there is a difference is a matter of the tests, how large it is one of the region of practical
equivalence. A sentence says which of the two it speaks of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.notation.intervals import Interval
from analysis.notation.methods import method
from analysis.notation.number_text import count, p_value, plus_minus
from analysis.statistics.contenders import Contender
from analysis.statistics.scores import Score
from analysis.text.caption_phrases import name, not_alike

Row = Mapping[str, Any]
_MUCH = 0.1  # of the baseline's errors


@dataclass(frozen=True, kw_only=True)
class Conclusions:
    """What is said of one problem: how it stands in one sentence, then one for each finding."""

    headline: str
    findings: list[str] = field(default_factory=list)


def conclusions(rows: Sequence[Row], score: Score, unfinished: Sequence[str] = ()) -> Conclusions:
    """Of the rows that `analysis.statistics.comparison_table` has of one problem, and what is open there."""
    rivals = [row for row in rows if row["regularizer"] != row["baseline"]]
    tested = sorted((row for row in rivals if pd.isna(row["refused"])), key=lambda r: -abs(r["difference"]))
    shown = [row for row in tested if row["confirmed"] is True]
    doubtful = [row for row in tested if row["confirmed"] is False]
    rest = [row for row in tested if not row["significant"]]
    better, worse = ([row for row in shown if _gain(row, score) * side > 0] for side in (1, -1))
    same = [row for row in rest if row["verdict"] == "equivalent"]
    findings = [_difference(row, score) for row in [*better, *worse]]
    findings += [_doubtful(row, score) for row in doubtful]
    findings += [_equivalent(row, score) for row in same]
    findings += _generous(rows, score)
    findings += [*_undecided([row for row in rest if row not in same], score)]
    findings += [*_refused(rivals), *_diverged(rows, score)]
    if rows and pd.notna(rows[0]["added"]):
        findings.append(f"{rows[0]['added']}.")
    if unmeasured := sum(row["n_unmeasured"] for row in rows):
        findings.append(f"{not_alike(unmeasured)}.")
    findings += [f"{each}." for each in unfinished]
    return Conclusions(headline=_headline(rivals, better, worse, doubtful, same, score), findings=findings)


def overall(rows: Sequence[Row]) -> str:
    """One sentence on all problems: on how many of them an entry is better or worse, as the verdicts say."""
    problems = {(row["dataset"], row["per_class"], row["model"]) for row in rows}
    rivals = [row for row in rows if row["regularizer"] != row["baseline"]]
    parts = []
    for verdict in ("better", "worse", "equivalent"):
        counts = Counter(row["regularizer"] for row in rivals if row["verdict"] == verdict)
        if counts:
            names = [method(e).label + f" ({n})" * (len(problems) > 1) for e, n in counts.most_common()]
            parts.append(f"{verdict}: {', '.join(names)}")
    rest = sum(pd.isna(row["verdict"]) or row["verdict"] == "undecided" for row in rivals)
    parts += [f"{count(rest, 'comparison')} of {len(rivals)} left open"] if rest else []
    said = "; ".join(parts) or "there is nothing to compare"
    several = " (on how many)" if len(problems) > 1 else ""
    return f"On {count(len(problems), 'problem')}, against the baseline{several}: {said}."


def _gain(row: Row, score: Score) -> float:
    return float(score.sign * row["difference"])


def _headline(
    rivals: Sequence[Row],
    better: Sequence[Row],
    worse: Sequence[Row],
    doubtful: Sequence[Row],
    same: Sequence[Row],
    score: Score,
) -> str:
    tested = [row for row in rivals if pd.isna(row["refused"])]
    if not tested:
        return f"Nothing is concluded on {score.what}."
    said = f"Of {count(len(tested), 'technique')} compared with {against(tested[0])} in {score.what}"
    doubt = f" (of {_number(doubtful)} the t-test says so, which the sign-flip check does not confirm)"
    matter = f"; {_number(same)} {'makes' if len(same) == 1 else 'make'} no difference that matters"
    shown = [*better, *worse]
    if not shown:
        return (
            f"{said}, none is shown to differ from it by more than chance"
            f"{doubt * bool(doubtful)}{matter * bool(same)}."
        )
    parts = [f"{len(group)} {'is' if len(group) == 1 else 'are'} {word}"
             for group, word in ((better, "better"), (worse, "worse")) if group]  # fmt: skip
    rest = len(tested) - len(shown)
    left = f"; of the other {rest if rest > 1 else 'one'}, this is not shown{doubt * bool(doubtful)}"
    return (
        f"{said}, {' and '.join(parts)} by more than chance{_sizes(shown, score)}{left * bool(rest)}"
        f"{matter * bool(same)}."
    )


def _sizes(shown: Sequence[Row], score: Score) -> str:
    """How many of those shown to differ are shown to differ by more than matters."""
    if pd.isna(shown[0]["rope"]):
        return ""
    beyond = [row for row in shown if row["verdict"] in ("better", "worse")]
    inside = [row for row in shown if row["verdict"] == "equivalent"]
    parts = [f"{_number(beyond) if beyond else 'none'} of them by more than {_region(shown[0], score)}"]
    parts += [f"{_number(inside)} by less"] * bool(inside)
    return f", {' and '.join(parts)}"


def _difference(row: Row, score: Score) -> str:
    better = "better" if _gain(row, score) > 0 else "worse"
    return (
        f"{_name(row)} {_moves(row, score)}, which is {better} ({_seeds(row)}, p {_p(row['p_holm'])} after "
        f"Holm){_size(row, score)}."
    )


def _size(row: Row, score: Score) -> str:
    if pd.isna(row["rope"]):
        return ""
    region = _region(row, score)
    if row["verdict"] in ("better", "worse"):
        return f" and more than {region}"
    if row["verdict"] == "equivalent":
        return f", but less than {region}, which counts as no difference that matters"
    return f"; whether by more than {region} is open"


def _doubtful(row: Row, score: Score) -> str:
    return (
        f"{_name(row)} {_moves(row, score)} by the t-test (p {_p(row['p_holm'])} after Holm, {_seeds(row)}), "
        "which the sign-flip check does not confirm: nothing is concluded from it."
    )


def _moves(row: Row, score: Score) -> str:
    size = plus_minus(Interval(0, abs(row["difference"]), row["difference_family_half"]))
    return f"{'raises' if row['difference'] > 0 else 'lowers'} {score.what} by {size}{_unit(score)}"


def _equivalent(row: Row, score: Score) -> str:
    if not row["difference"] and not row["difference_family_half"]:  # no test has anything to go by
        return f"{_name(row)} scores exactly as {against(row)} on each of {_seeds(row)}."
    return (
        f"{_name(row)} makes no difference that matters: {_signed(row)}{_unit(score)} lies within "
        f"{_region(row, score)} ({_seeds(row)}, p {_p(row['p_equivalent_holm'])} after Holm)."
    )


def _generous(rows: Sequence[Row], score: Score) -> Iterator[str]:
    """That what counts as no difference that matters is much of the baseline's error."""
    said = [row for row in rows if row["verdict"] == "equivalent"]
    share = error_share(rows, score)
    if said and share and share > _MUCH:
        yield (
            f"{_region(said[0], score)} is {share:.0%} of the errors of {against(said[0])}: whether that "
            "matters is for you to say (`--region`)."
        )


def error_share(rows: Sequence[Row], score: Score) -> float | None:
    """The region of practical equivalence as a share of the baseline's errors; of accuracies alone."""
    baselines = [row for row in rows if row["regularizer"] == row["baseline"]]
    relative = score.region is not None and score.region.relative  # as somebody asked for
    if relative or not (baselines and score.higher_is_better and score.factor == 100 and score.guess):
        return None
    error, rope = 100 - baselines[0]["mean"], baselines[0]["rope"]
    return float(rope / error) if pd.notna(rope) and error > 0 else None


def _undecided(rows: Sequence[Row], score: Score) -> Iterator[str]:
    if rows:
        each = [f"{_name(row)} {_signed(row)}{_unit(score)}" for row in rows]
        yield (f"Undecided, as the data show neither a difference nor that there is none: {_listed(each)}.")


def _refused(rows: Sequence[Row]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if pd.notna(row["refused"]):
            reasons.setdefault(str(row["refused"]), []).append(_name(row))
    for reason, names in reasons.items():
        yield f"Nothing is concluded on {_listed(names)}: {reason}."


def _diverged(rows: Sequence[Row], score: Score) -> Iterator[str]:
    found = []
    for row in rows:
        if row["n_diverged"]:
            survivors = plus_minus(Interval(0, row["survivors_mean"], row["survivors_half"]))
            alone = f" (the others alone: {survivors}{score.unit})" * pd.notna(row["survivors_mean"])
            found.append(f"{row['n_diverged']} of {runs(row)} of {_name(row)}{alone}")
    if found:
        how = "count as a constant guess" if score.guess else "are left out"
        yield f"Runs that diverged, which {how}: {_listed(found)}."


def runs(row: Row) -> int:
    """All of a row's runs: diverged ones are among its n where they count as something."""
    return int(row["n"] if row["counted"] else row["n"] + row["n_diverged"])


def against(row: Row) -> str:
    """What the others are compared with."""
    return "no baseline" if pd.isna(row["baseline"]) else name(Contender(row["baseline"], ""))


def _name(row: Row) -> str:
    return name(Contender(row["regularizer"], row["strength"]))


def _seeds(row: Row) -> str:
    return f"{row['n_pairs']} paired seeds"


def _region(row: Row, score: Score) -> str:
    return f"±{row['rope']:.2g}{_unit(score)}"


def _signed(row: Row) -> str:
    return plus_minus(Interval(0, row["difference"], row["difference_family_half"]), signed=True)


def _unit(score: Score) -> str:
    return f" {score.difference_unit}" if score.difference_unit else ""


def _number(rows: Sequence[Row]) -> str:
    return "one" if len(rows) == 1 else str(len(rows))


def _p(p: float) -> str:
    shown = p_value(p)
    return shown.replace("<", "< ") if shown.startswith("<") else f"= {shown}"


def _listed(words: list[str]) -> str:
    return ", ".join(words[:-1]) + " and " * (len(words) > 1) + words[-1]
