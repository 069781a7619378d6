"""A small sweep file for tests, and ways to change it."""

from __future__ import annotations

from pathlib import Path

from jobs.sweep.sweep_file import Sweep, load_sweep

BASE = """\
name: small
dataset: digits
model: lenet5
training: {epochs: 2}
regularizers:
  none:
  l2: {strength: [1e-5, 1e-4]}
seeds: {tune: 2, report: 3}
"""


def with_line(number: int, text: str) -> str:
    """BASE with one of its lines, counted from 1, replaced."""
    lines = BASE.splitlines()
    lines[number - 1] = text
    return "\n".join(lines) + "\n"


def with_entries(text: str) -> str:
    """BASE with only these regularizers, the first in line 6."""
    return BASE[: BASE.index("  none:")] + text + "\n" + BASE[BASE.index("seeds:") :]


def load(text: str, *overrides: str) -> Sweep:
    """The sweep of a file `sweep.yaml` in the working directory, which is written."""
    path = Path("sweep.yaml")
    assert not Path("pyproject.toml").exists(), "the test is to work in a folder of its own"
    path.write_text(text, encoding="utf-8")
    return load_sweep(path, overrides)


def strengths(sweep: Sweep, entry: str, dataset: int = 0) -> list[tuple[float, ...]]:
    """The strengths of each candidate of an entry, over all its terms."""
    found = next(e for e in sweep.datasets[dataset].entries if e.name == entry)
    return [tuple(v for term in terms for _, v in term.strengths) for terms in found.candidates]
