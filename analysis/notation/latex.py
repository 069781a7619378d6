"""LaTeX tables: booktabs, names escaped, numbers in math mode."""

from __future__ import annotations

from collections.abc import Sequence

_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)


def escape(text: str) -> str:
    """Text that LaTeX prints as it stands.

    >>> escape("l2_dropout & 5%")
    'l2\\\\_dropout \\\\& 5\\\\%'
    """
    return text.translate(_SPECIAL)


def math(text: str, bold: bool = False) -> str:
    """A number as `number_text` writes it, such as `97.9 ± 0.3` or `+0.4 ± 0.3†`; bold is the mean alone."""
    text = text.strip().replace("−", "-").replace("†", r"^{\dagger}")
    mean, sign, half = text.partition(" ± ")
    if mean == "–":
        return "--"
    mean = rf"\mathbf{{{mean}}}" if bold else mean
    return f"${mean} \\pm {half}$" if sign else f"${mean}$"


def booktabs(
    alignment: str, header: Sequence[str], groups: Sequence[tuple[str, Sequence[Sequence[str]]]]
) -> str:
    """A tabular of groups of rows, each under its title; header, titles and cells are LaTeX already."""
    lines = [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", _row(header)]
    for name, rows in groups:
        lines += [r"\midrule", rf"\multicolumn{{{len(header)}}}{{l}}{{\emph{{{name}}}}} \\", *map(_row, rows)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
