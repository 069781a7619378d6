"""docs/study/README.md says what its tables say: every number of its prose is looked up, its table set anew.

A paragraph or item with numbers ends in a comment that names where each is from, in their order:
`<!-- comparison mnist jacobian difference; sweep seeds.report -->`. A `-` before it turns the sign, for
"loses". `max`, `min` and `sum` are over entries (`a|b`, `*` for all but the baseline, `**` for all); `count
TABLE DATASET COLUMN=VALUE` counts rows; `strength:lr` is a part of what was chosen, `none@lr=0.05` the row
of a strength.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from analysis.notation import number_text
from analysis.notation.methods import method
from jobs.sweep.yaml_text import parse_file

FOLDER = Path(__file__).parents[2] / "docs" / "study"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
COMMENT = r"<!--.*?-->"
NO_CLAIMS = r"```.*?```|`[^`]*`|!?\[[^\]]*\]\([^)]*\)|CIFAR-10|LeNet-5|L[12]\b|95% |0\.1\.0|^\|.*?$|^#.*?$"
"""Code, links, names, table rows, headings."""
NUMBER = rf"\d+/\d+|[−+]?\d[\d,]*\.?\d*|\b(?:{'|'.join(WORDS[3:])})\b"
Row = dict[str, str]
AGGREGATES: dict[str, Callable[[list[float]], float]] = {"max": max, "min": min, "sum": sum}


def paragraphs(page: str) -> Iterator[tuple[str, list[str]]]:
    """Each paragraph or item of the page, without what makes no claims, and its lookups."""
    kept = re.sub(f"({COMMENT})|{NO_CLAIMS}", r"\1", page, flags=re.DOTALL | re.MULTILINE)
    for block in re.split(r"\n\s*\n|\n(?=- )", kept):
        comments = re.findall(r"<!--(.*?)-->", block, re.DOTALL)
        lookups = [" ".join(each.split()) for each in ";".join(comments).split(";")]
        yield re.sub(COMMENT, "", block, flags=re.DOTALL), [each for each in lookups if each]


@cache
def table(name: str) -> list[Row]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rows(name: str, dataset: str, entries: str) -> list[Row]:
    entries, _, strength = entries.partition("@")
    strength = strength.replace("_", " ")
    found = [row for row in table(name) if row["dataset"] == dataset and strength in ("", row["strength"])]
    if entries == "**":
        return found
    if entries == "*":
        return [row for row in found if row["regularizer"] != "none"]
    found = [row for row in found if row["regularizer"] in entries.split("|")]
    assert len(found) == len(entries.split("|")), f"{name} of {dataset} has not {entries} once each"
    return found


def sweep(path: str) -> float:
    value: Any = parse_file((FOLDER / "sweep.yaml").read_text(encoding="utf-8"), "sweep.yaml").plain()
    for key in path.split("."):
        value = value[int(key) if isinstance(value, list) else key]
    return float(len(value) if isinstance(value, dict | list) else Fraction(str(value)))


def looked_up(lookup: str) -> float:
    """The number that a lookup names."""
    first, *rest = lookup.split()
    if first.startswith("-"):
        return -looked_up(lookup[1:])
    if first == "sweep":
        return sweep(*rest)
    if first == "count":
        name, dataset, condition = rest
        column, value = condition.split("=")
        return sum(row[column] == value for row in rows(name, dataset, "*"))
    name, dataset, entries, column = rest if first in AGGREGATES else (first, *rest)
    found = [number(row, column) for row in rows(name, dataset, entries)]
    if first in AGGREGATES:
        return AGGREGATES[first](found)
    (one,) = found
    return one


def number(row: Row, column: str) -> float:
    column, _, part = column.partition(":")
    return float(dict(each.split("=") for each in row[column].split())[part] if part else row[column])


def written(text: str) -> tuple[float, int]:
    """A number of the prose and its decimals."""
    if text in WORDS:
        return float(WORDS.index(text)), 0
    plain = text.replace("−", "-").replace(",", "")
    decimals = 6 if "/" in plain else len(plain.partition(".")[2])
    return float(Fraction(plain)), decimals


def numbers(text: str) -> list[str]:
    return [found.group().rstrip(",.") for found in re.finditer(NUMBER, text)]


def wrong(page: str) -> list[str]:
    """What of the page's prose is not what its tables say."""
    said = []
    for text, lookups in paragraphs(page):
        found = numbers(text)
        if len(found) != len(lookups):
            said.append(f"{len(found)} numbers {found}, but {len(lookups)} lookups: {text}")
            continue
        for each, lookup in zip(found, lookups, strict=True):
            told, decimals = written(each)
            if f"{looked_up(lookup):.{decimals}f}" != f"{told:.{decimals}f}":
                said.append(f"{each} is {looked_up(lookup)} by {lookup}: {text}")
    return said


def cells(name: str, dataset: str) -> list[str]:
    """An entry's accuracy and the difference to none, as the page's table has them."""
    (row,) = rows("comparison", dataset, name)
    accuracy = f"{float(row['mean']):.1f} ± {float(row['half']):.1f}"
    if name == "none":
        return [accuracy, "", ""]
    mark = "†" if row["confirmed"] == "True" else ""
    shown = number_text.number(float(row["difference"]), 1, signed=True)
    return [accuracy, f"{shown} ± {float(row['difference_family_half']):.1f}{mark}", row["verdict"]]


def test_every_number_of_the_prose_is_that_of_the_tables() -> None:
    assert wrong(PAGE) == []


def test_a_number_that_is_changed_fails() -> None:
    """Each by itself, in its last digit; and one that nothing is said of."""
    blank = re.sub(rf"{COMMENT}|{NO_CLAIMS}", lambda found: " " * len(found[0]), PAGE, flags=re.S | re.M)
    places = list(re.finditer(NUMBER, blank))
    assert len(places) > 20
    for place in places:
        text = place.group().rstrip(",.")
        other = WORDS[WORDS.index(text) - 1] if text in WORDS else text[:-1] + str((int(text[-1]) + 1) % 10)
        changed = PAGE[: place.start()] + other + PAGE[place.start() + len(text) :]
        assert wrong(changed), f"{text} may be {other}"
    assert wrong(PAGE + "\n\nAnother gains 7.7 points.\n")


def test_the_tables_of_the_page_are_those_of_the_comparison() -> None:
    lines = re.findall(r"^\|(.*)\|$", PAGE, re.MULTILINE)
    shown = [[cell.strip() for cell in line.split("|")] for line in lines]
    expected = [
        [
            f"`{row['regularizer']}`"
            if row["regularizer"] == "orthogonal_start"
            else method(row["regularizer"]).label,
            *cells(row["regularizer"], row["dataset"]),
        ]
        for dataset in ("mnist", "cifar10-jpeg")
        for row in rows("comparison", dataset, "**")
    ]
    assert [row for row in shown if row[1] not in ("accuracy", "---:")] == expected
