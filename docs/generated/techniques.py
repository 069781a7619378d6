"""A card for each technique: from its row in the table, and the docstring of the file that implements it."""

from __future__ import annotations

import ast
import math
import re
from importlib.util import find_spec
from pathlib import Path

from docs.generated import table
from regularize.interval import Interval
from regularize.regularizers import REGULARIZERS
from regularize.regularizers.parameters import OF_EVERY_STRENGTH, Option, Strength, Technique

SECTIONS = ("Cost", "Figures", "References")
"""What a docstring has below its text, each under its own word."""
EXAMPLE = Path(__file__).parents[2] / "examples" / "broad.yaml"
_SECTION = re.compile(rf"^({'|'.join(SECTIONS)}):[ \n]", re.MULTILINE)


def docstring(technique: str) -> str:
    """Of the module that implements it, which is not imported: torch would take seconds."""
    spec = find_spec(f"regularize.regularizers.{REGULARIZERS[technique].module}")
    assert spec is not None
    assert spec.origin is not None
    return ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""


def parted(text: str) -> dict[str, str]:
    """The text before the sections under ``, and each section."""
    first, *rest = _SECTION.split(text)
    return {"": first.strip()} | {
        name: body.strip() for name, body in zip(rest[::2], rest[1::2], strict=True)
    }


def examples() -> dict[str, str]:
    """Each technique as a sweep has it: its line in the example that has them all."""
    lines = EXAMPLE.read_text(encoding="utf-8").partition("\nregularizers:\n")[2].splitlines()
    entries = [line.strip() for line in lines if line.startswith("  ")]
    return {entry.partition(":")[0]: entry for entry in entries}


def technique_cards() -> str:
    return "\n\n".join(_card(name, row) for name, row in REGULARIZERS.items())


def technique_costs() -> str:
    """Of a step with each, as its card has it."""
    rows: list[tuple[object, ...]] = [
        (f"`{name}`", row.label, _inline(parted(docstring(name))["Cost"].rstrip(".")))
        for name, row in REGULARIZERS.items()
    ]
    return table(("technique", "", "what a step costs"), rows)


def common_options() -> str:
    """Those of every technique with a strength."""
    rows: list[tuple[object, ...]] = [
        (f"`{key}`", _valid(each), _default(each.default), each.meaning)
        for key, each in OF_EVERY_STRENGTH.items()
    ]
    return table(("option", "valid values", "default", "meaning"), rows)


def _card(name: str, row: Technique) -> str:
    parts = parted(docstring(name))
    lines = [f"## `{name}`", _markdown(parts[""])]
    own = {key: option for key, option in row.options.items() if key not in OF_EVERY_STRENGTH}
    rows = [
        (f"`{key}`", kind, _valid(each), _default(each.default), each.meaning)
        for kind, group in (("strength", row.strengths), ("option", own))
        for key, each in group.items()
    ]
    if rows:
        lines.append(table(("parameter", "", "valid values", "default", "meaning"), rows))
    if entry := examples().get(name):  # the test of its card says where one is missing
        lines.append(f"**Example:** `{entry}`")
    lines += [f"**{title}:** {_inline(parts[key])}" for key, title in _TITLES.items() if key in parts]
    if "References" in parts:
        lines.append(
            "**Source:**\n\n" + "\n".join(f"- {_inline(each)}" for each in _items(parts["References"]))
        )
    return "\n\n".join(lines)


_TITLES = {"Cost": "What it costs", "Figures": "Shown by"}


def _valid(parameter: Strength | Option) -> str:
    if isinstance(parameter, Strength):
        return str(parameter).replace(", inf)", ", ∞)")
    kinds = ["a positive integer"] * parameter.integers + ["a list of layers"] * parameter.names
    if parameter.numbers:
        kinds.append(_interval(parameter.numbers))
    return " or ".join(kinds + [f"`{word}`" for word in parameter.words])


def _interval(numbers: Interval) -> str:
    return str(numbers).replace(f", {math.inf:g})", ", ∞)")


def _default(value: object) -> str:
    return "" if value is None else f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _markdown(text: str) -> str:
    """Paragraphs, and as code what is indented."""
    return "\n\n".join(
        f"```text\n{_dedented(block)}\n```" if block.startswith("    ") else _inline(block)
        for block in text.split("\n\n")
    )


def _dedented(block: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in block.splitlines())


def _inline(text: str) -> str:
    """As one line, with what Markdown would take for its own outside of code."""
    parts = re.split(r"(`+[^`]+`+)", " ".join(text.split()))
    return "".join(
        re.sub(r"([*_\[\]<|])", r"\\\1", each) if place % 2 == 0 else each for place, each in enumerate(parts)
    )


def _items(text: str) -> list[str]:
    """References: each begins on a line of the first indentation."""
    items: list[str] = []
    for line in text.splitlines():
        begins = re.match(r"(?: {4})?\S", line) and not re.match(r" {5,}", line)
        ends = not items or items[-1].rstrip().endswith((".", ")"))
        if begins and ends:
            items.append(line)
        else:
            items[-1] += f" {line}"
    return items
