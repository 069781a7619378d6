from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from analysis.text.conclusions import Conclusion, conclude
from jobs.commands.cli import main
from regularize.store import Store

MakeStore = Callable[..., Store]
STRENGTHS = {
    "none": [""],
    "l2": ["1e-05", "0.0005", "0.01"],
    "elastic_net": ["l1=1e-05 l2=0.0001", "l1=0.0001 l2=0.0001"],
    "drop_&_out": ["0.1", "0.5"],
}
DIVERGED = [("mnist", "l2", "0.0005", seed) for seed in range(1000, 1005)]


@pytest.fixture(scope="module")
def store(make_module_store: MakeStore) -> Store:
    store = make_module_store(
        datasets=["mnist", "my_set"], strengths=STRENGTHS, report=range(1000, 1010), diverged=DIVERGED
    )
    collect(store, ("runs", "results"))
    select(store)
    return store


@pytest.fixture(scope="module")
def found(store: Store) -> dict[str, Conclusion]:
    return {conclusion.name: conclusion for conclusion in conclude(Tables(store))}


def shown(conclusion: Conclusion, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(conclusion.shown())
    return out.getvalue()


def latex(conclusion: Conclusion) -> str:
    return conclusion.text.to_latex(conclusion.groups)


def test_every_table_is_written_in_three_forms(store: Store, found: dict[str, Conclusion]) -> None:
    assert list(found) == ["comparison", "across", "sensitivity"]
    for name, conclusion in found.items():
        conclusion.write(store)
        table = pq.read_table(store.table(name))
        assert table.schema.remove_metadata().equals(conclusion.schema)
        assert len(table) == len(conclusion.frame) > 0
        read = pd.read_csv(store.tables / f"{name}.csv")
        assert list(read) == conclusion.schema.names
        for column in conclusion.frame.select_dtypes("float64"):
            assert read[column].tolist() == pytest.approx(
                list(conclusion.frame[column]), rel=1e-14, nan_ok=True
            )
        assert r"\begin{tabular}" in (store.tables / f"{name}.tex").read_text()


def test_terminal_fits_80_columns_without_losing_a_number(found: dict[str, Conclusion]) -> None:
    text = shown(found["comparison"])
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    row = found["comparison"].frame.query("dataset == 'mnist' and regularizer == 'drop_&_out'").iloc[0]
    line = next(line for line in text.splitlines() if line.startswith("drop_&_out"))
    assert f"{row['p_improvement']:.2f}" in line
    assert f"{row['difference']:+.1f} ± {row['difference_family_half']:.1f}†" in line
    assert "†" in line
    left_out = "A wider terminal, a pipe and the files have Survivors, d_z, 95% of P(+), too."
    assert text.count(left_out) == 1, "what has no room is said"
    whole = shown(found["comparison"], width=500)
    assert "A wider terminal" not in whole
    assert {"Survivors", "d_z"} <= set(whole.split())
    assert f"{row['d_z']:.2f}" in next(line for line in whole.splitlines() if line.startswith("drop_&_out"))


def test_what_a_reader_must_know_is_below_the_table(found: dict[str, Conclusion]) -> None:
    text = " ".join(shown(found["comparison"]).split())
    assert (
        "Refused, that is, nothing is concluded on L2 (λ = 5×10⁻⁴): 5 of 10 runs diverged, more than the"
        in text
    )
    assert "Without their diverged runs: L2 (λ = 5×10⁻⁴) 95." in text
    assert "Region of practical equivalence: ±0.2 pp." in text
    assert "for this test set and the strengths that were chosen" in text
    assert text.count("Holm over 3 comparisons, each kind of test") == 1, "what holds for all is said once"
    assert "over the tune seeds" in text
    assert text.count("refused") == 1  # in the verdict; the note below says why


def test_latex_has_bold_best_daggers_and_escaped_names(found: dict[str, Conclusion]) -> None:
    text = latex(found["comparison"])
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    frame = found["comparison"].frame
    assert text.count(r"^{\dagger}") == (frame["confirmed"] == True).sum()  # noqa: E712
    assert r"\emph{my\_set (lenet5)}" in text
    assert any(row.startswith(r"drop\_\&\_out & 0.5 & $10$ & $") for row in rows)
    assert sum(r"\mathbf" in row for row in rows) >= 2
    assert "Survivors" in text
    assert all(row.count("&") - row.count(r"\&") == 10 for row in rows if "multicolumn" not in row)
    assert all(line.startswith("%") for line in text.split(r"\begin{tabular}")[0].splitlines())


@pytest.mark.parametrize("name", ["comparison", "across", "sensitivity"])
def test_latex_is_closed_and_compiles_where_there_is_latex(
    found: dict[str, Conclusion], name: str, tmp_path: Path
) -> None:
    """Braces and mathematics are closed; with pdfLaTeX, where there is one, it compiles."""
    text = latex(found[name])
    body = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("%"))
    plain = body.replace(r"\$", "").replace(r"\{", "").replace(r"\}", "")
    assert all(line.count("$") % 2 == 0 for line in plain.splitlines())
    assert plain.count("{") == plain.count("}")
    if latex_command := shutil.which("pdflatex"):
        document = (
            rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{text}\end{{document}}"
        )
        (tmp_path / "t.tex").write_text(document)
        command = [latex_command, "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_plateaus(found: dict[str, Conclusion]) -> None:
    text = shown(found["sensitivity"], width=100)
    assert "1e-05 to 0.01 (3)" in text
    assert next(line for line in text.splitlines() if line.startswith("drop_&_out")).endswith("at the edge")
    assert "None" not in text


def test_the_command(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(store.folder)]) == 0
    out, err = capsys.readouterr()
    assert "128 of 128 runs have results, 5 diverged" in err
    for name in ("comparison", "across", "sensitivity"):
        assert f"{name}.parquet, .csv and .tex" in out
    assert main(["compare", str(store.folder), "--metric", "test_loss"]) == 0
    assert "Loss (nats)" in capsys.readouterr().out
    assert set(pq.read_table(store.table("comparison"))["metric"].to_pylist()) == {"test_accuracy"}
    assert set(pq.read_table(store.table("comparison-test_loss"))["metric"].to_pylist()) == {"test_loss"}


def test_the_command_on_an_unknown_metric(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(store.folder), "--metric", "accuracy"]) == 2
    assert "unknown metric 'accuracy'; one of: " in capsys.readouterr().err


def test_one_problem_without_tuning(make_store: MakeStore, capsys: pytest.CaptureFixture[str]) -> None:
    store = make_store(tune=())
    assert main(["compare", str(store.folder)]) == 0
    assert "problems together" not in capsys.readouterr().out
    assert len(pq.read_table(store.table("across"))) == 0
