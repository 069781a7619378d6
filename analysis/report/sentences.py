"""Conclusions as sentences, each with its uncertainty; none where none is warranted. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.notation.intervals import Interval
from analysis.notation.number_text import count, p_value, plus_minus
from analysis.statistics.contenders import BASELINE, Contender
from analysis.statistics.scores import Score
from analysis.text.captions import name, not_alike

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Conclusions:
    """What is said of one problem: how it stands in one sentence, then one for each finding."""

    headline: str
    findings: list[str] = field(default_factory=list)


def conclusions(rows: Sequence[Row], score: Score) -> Conclusions:
    """Of the rows that `analysis.statistics.comparison_table` has of one problem."""
    rivals = [row for row in rows if row["regularizer"] != BASELINE]
    by_verdict = {
        verdict: _having(rivals, verdict) for verdict in ("better", "worse", "equivalent", "undecided")
    }
    findings = [_difference(row, score) for verdict in ("better", "worse") for row in by_verdict[verdict]]
    findings += [_equivalent(row, score) for row in by_verdict["equivalent"]]
    findings += [*_undecided(by_verdict["undecided"], score), *_refused(rivals), *_diverged(rows)]
    if rows and pd.notna(rows[0]["added"]):
        findings.append(f"{rows[0]['added']}.")
    if unmeasured := sum(row["n_unmeasured"] for row in rows):
        findings.append(f"{not_alike(unmeasured)}.")
    return Conclusions(headline=_headline(rivals, by_verdict, score), findings=findings)


def _having(rows: Sequence[Row], verdict: str) -> Sequence[Row]:
    found = [row for row in rows if row["verdict"] == verdict and pd.isna(row["refused"])]
    return sorted(found, key=lambda row: -abs(row["difference"]))


def _headline(rivals: Sequence[Row], by_verdict: Mapping[str, Sequence[Row]], score: Score) -> str:
    tested = [row for row in rivals if pd.isna(row["refused"])]
    if not tested:
        return f"Nothing is concluded on {score.what}."
    better, worse = by_verdict["better"], by_verdict["worse"]
    said = f"Of {count(len(tested), 'technique')} compared with no regularizer in {score.what}"
    if not better and not worse:
        return f"{said}, none is shown to differ from it by more than chance."
    parts = [f"{len(group)} {'is' if len(group) == 1 else 'are'} {word}"
             for group, word in ((better, "better"), (worse, "worse")) if group]  # fmt: skip
    rest = len(tested) - len(better) - len(worse)
    doubtful = sum(not row["confirmed"] for row in [*better, *worse])
    doubt = f" (the sign-flip check does not confirm {doubtful} of them)" * bool(doubtful)
    left = f"; of the other {rest if rest > 1 else 'one'}, this is not shown"
    return f"{said}, {' and '.join(parts)} by more than chance{doubt}{left * bool(rest)}."


def _difference(row: Row, score: Score) -> str:
    up = row["difference"] > 0
    size = plus_minus(Interval(0, abs(row["difference"]), row["difference_half"]))
    doubt = "" if row["confirmed"] else "; the sign-flip check does not confirm it"
    seeds = f"{row['n_pairs']} paired seeds, p {_p(row['p_holm'])} after Holm"
    better = "better" if row["verdict"] == "better" else "worse"
    return (
        f"{_name(row)} {'raises' if up else 'lowers'} {score.what} by {size}{_unit(score)}, "
        f"which is {better} ({seeds}{doubt})."
    )


def _equivalent(row: Row, score: Score) -> str:
    size = plus_minus(Interval(0, row["difference"], row["difference_half"]), signed=True)
    return (
        f"{_name(row)} makes no difference that matters: {size}{_unit(score)} lies within "
        f"±{row['rope']:g}{_unit(score)} ({row['n_pairs']} paired seeds)."
    )


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


def _diverged(rows: Sequence[Row]) -> Iterator[str]:
    bad = [row for row in rows if row["n_diverged"]]
    found = [f"{row['n_diverged']} of {row['n'] + row['n_diverged']} of {_name(row)}" for row in bad]
    if found:
        yield f"Runs that diverged, which the numbers leave out: {_listed(found)}."


def _name(row: Row) -> str:
    return name(Contender(row["regularizer"], row["strength"]))


def _signed(row: Row) -> str:
    return plus_minus(Interval(0, row["difference"], row["difference_half"]), signed=True)


def _unit(score: Score) -> str:
    return f" {score.difference_unit}" if score.difference_unit else ""


def _p(p: float) -> str:
    shown = p_value(p)
    return shown.replace("<", "< ") if shown.startswith("<") else f"= {shown}"


def _listed(words: list[str]) -> str:
    return ", ".join(words[:-1]) + " and " * (len(words) > 1) + words[-1]
