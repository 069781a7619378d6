"""What figures show and how large, by choice: entries, data sets, the page's width, SVG."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from analysis.figures import catalogue
from analysis.figures.draw_figures import Look, draw_all
from analysis.figures.parts.style import GREY, WIDTHS, paper, read_width
from analysis.figures.parts.subject import CannotDrawError, subjects, together
from analysis.notation.methods import telling_apart
from analysis.statistics.comparison_table import compare
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from regularize.errors import UserError
from regularize.store import RESULTS, RUNS, Store, read_table, write_table

ENTRIES = {"dropout": ["0.1", "0.3"], "none": [""], "l2": ["0.01", "0.1"], "l1": ["1e-05", "0.1"]}


@pytest.fixture(scope="module")
def store(make_module_store: Callable[..., Store]) -> Store:
    made = make_module_store(datasets=("digits", "mnist"), strengths=ENTRIES, report=range(1000, 1010))
    collect(made)
    select(made)
    return made


def test_some_entries_and_data_sets_are_shown_with_the_statistics_of_all(store: Store) -> None:
    look = Look(techniques=("l2",), datasets=("mnist",), width=WIDTHS["neurips"], svg=True)
    drawn = draw_all(store, ["forest", "accuracy_curves"], scores=["test_accuracy"], look=look)
    assert not drawn.missing
    assert {path.name for path in drawn.paths} == {"forest.pdf", "accuracy_curves-mnist-lenet5.pdf"}
    rows = pd.read_csv(store.figures / "forest.csv")
    whole = compare(Tables(store)).query("dataset == 'mnist' and regularizer == 'l2'")
    assert rows["regularizer"].unique().tolist() == ["l2"]
    assert rows["p_holm"].tolist() == pytest.approx(whole["p_holm"].tolist())
    assert (rows["comparisons"] == 3).all(), "none was left out because of what it showed"
    svg = {path: path.read_bytes() for path in store.figures.glob("*.svg")}
    assert len(svg) == 2
    draw_all(store, ["forest", "accuracy_curves"], scores=["test_accuracy"], look=look)
    assert all(path.read_bytes() == content for path, content in svg.items())


@pytest.mark.parametrize("width", ["one-column", "icml", "ieee"])
def test_figures_are_as_wide_as_the_page_at_most(store: Store, width: str) -> None:
    look = Look(datasets=("mnist",), width=read_width(width))
    drawn = draw_all(store, ["loss_curves", "forest", "spectra"], scores=["test_accuracy"], look=look)
    for path in drawn.paths:
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", path.read_bytes())
        assert box
        assert float(box[1]) <= 72 * WIDTHS[width] + 1e-3
    whole = {"spectra-mnist-lenet5": "it needs 5 inches, so that its text is 7 pt and does not meet"}
    assert drawn.missing.keys() == (whole.keys() if width == "one-column" else set())
    assert all(whole[name] in reason for name, reason in drawn.missing.items())


def test_entries_keep_the_order_of_the_sweep(store: Store) -> None:
    frame = compare(Tables(store))
    assert frame["regularizer"].tolist() == 2 * ["none", "dropout", "l2", "l1"]


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (Look(techniques=("l3",)), "unknown entry 'l3'; one of: "),
        (Look(datasets=("svhn",)), "unknown data set 'svhn'; one of: digits, mnist"),
    ],
)
def test_names_have_to_be_known(store: Store, look: Look, words: str) -> None:
    with pytest.raises(UserError, match=words):
        draw_all(store, ["forest"], look=look)


@pytest.mark.parametrize(("text", "words"), [("wide", "unknown width 'wide'"), ("2", "from 3 to 12 inches")])
def test_widths_have_to_be_known(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_width(text)
    assert read_width("5.5") == read_width("neurips") == 5.5


def test_forty_long_names_fit_or_are_split(make_store: Callable[..., Store]) -> None:
    """No page is taller than paper, and no text leaves it or meets another."""
    words = ("attention_head_decorrelation", "orthogonal_gradient_projection", "spectral_norm_of_everything")
    names = {f"{words[i % 3]}_for_layer_{i:02d}_without_bias": ["0.01", "0.1"] for i in range(40)}
    made = make_store(
        strengths={"none": [""], **names}, tune=range(2), report=[1000, 1001], epochs=1, pack_runs=99
    )
    collect(made, ("runs", "results", "corruptions"))
    select(made)
    tables = Tables(made)
    (problem,) = subjects(tables)
    shown = {
        "forest": together([problem]),
        "cost_accuracy": together([problem]),
        "strength_sensitivity": problem,
    }
    with paper(), telling_apart(tables.entries):
        for name, subject in (shown | {"corruption_errors": problem}).items():
            drawings = list(catalogue.draw(name, subject))
            assert len(drawings) > 1
            for drawing in drawings:
                figure = drawing.figure
                renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
                figure.draw(renderer)
                assert figure.get_figheight() <= 10
                texts = [axes.title for axes in figure.axes]
                if name in ("forest", "corruption_errors"):  # where names are beside the axis
                    texts += [text for axes in figure.axes for text in axes.get_yticklabels()]
                texts += [text for legend in figure.legends for text in legend.get_texts()]
                boxes = {text.get_text(): text.get_window_extent(renderer) for text in texts}
                page = figure.bbox
                outside = [
                    text
                    for text, box in boxes.items()
                    if text and not (box.x0 >= 0 and box.x1 <= page.x1 and box.y0 >= 0 and box.y1 <= page.y1)
                ]
                assert not outside, (drawing.name, outside)
                boxes.pop("", None)
                assert not any(
                    one.padded(-1).overlaps(other) for one, other in combinations(boxes.values(), 2)
                )


def test_another_baseline_is_named_and_grey(make_store: Callable[..., Store]) -> None:
    made = make_store(strengths={"none": [""], "l2": ["0.1"]}, tune=(), report=range(1000, 1003), epochs=2)
    marked = [row | {"baseline": row["regularizer"] == "l2"} for row in read_table(made.runs).to_pylist()]
    write_table(made.runs, marked, RUNS)
    collect(made)
    tables = Tables(made)
    (subject,) = subjects(tables)
    with paper(), telling_apart(tables.entries, tables.words, tables.baseline):
        (curves,) = catalogue.draw("accuracy_curves", subject)
        assert "with the curve with L2 (λ = 0.1) in grey in each" in curves.alt
        (axes,) = curves.figure.axes
        assert axes.get_title().startswith("None")
        behind, mine = (line.get_color() for line in axes.lines)
        (*_, handle) = curves.figure.legends[0].legend_handles
        assert behind == handle.get_color() == GREY != mine  # type: ignore[union-attr]
        assert curves.figure.legends[0].get_texts()[-1].get_text() == "L2 (λ = 0.1)"
        (cost,) = catalogue.draw("cost_accuracy", together([subject]))
        assert cost.caption.startswith("Training time relative to training with L2 (λ = 0.1) (taken as the")


def test_costs_are_of_work_and_of_runs_in_the_same_circumstances(make_store: Callable[..., Store]) -> None:
    """Two ranks took half the time for L2, and more work; Dropout was trained as the baseline was."""
    strengths = {"none": [""], "l2": ["0.1"], "dropout": ["0.3"]}
    made = make_store(strengths=strengths, tune=(), report=range(1000, 1003), epochs=2)
    names = {row["run_id"]: row["regularizer"] for row in read_table(made.runs).to_pylist()}
    on_two = {"seconds": 1.5, "core_seconds": 9.0, "world_size": 2}
    more = {"none": {"core_seconds": 4.0}, "l2": on_two, "dropout": {"core_seconds": 6.0, "seconds": 90.0}}
    for folder in made.packs.iterdir():
        path = made.pack(folder.name).results
        write_table(path, [r | more[names[r["run_id"]]] for r in read_table(path).to_pylist()], RESULTS)
    collect(made)
    (cost,) = catalogue.draw("cost_accuracy", together(subjects(Tables(made))))
    assert dict(zip(cost.data["regularizer"], cost.data["cost"], strict=True)) == {
        "none": 1.0,
        "dropout": 1.5,
    }
    assert cost.caption.startswith("Work of training relative to training with no regularizer (in seconds")
    assert "Not compared, as trained with other ranks, threads or processors: L2 (λ = 0.1) on MNIST" in (
        cost.caption
    )


def test_costs_of_packs_that_went_on_with_fewer_ranks_are_no_others(make_store: Callable[..., Store]) -> None:
    """All had two at their end, as results of earlier versions say of theirs."""
    strengths = {"none": [""], "l2": ["0.1"], "dropout": ["0.3"]}
    made = make_store(strengths=strengths, tune=(), report=range(1000, 1003), epochs=2)
    names = {row["run_id"]: row["regularizer"] for row in read_table(made.runs).to_pylist()}
    ranks = {"none": "2x1", "l2": "3x1+2x1", "dropout": None}
    for folder in made.packs.iterdir():
        path = made.pack(folder.name).results
        rows = read_table(path).to_pylist()
        more = [r | {"world_size": 2, "ranks": ranks[names[r["run_id"]]]} for r in rows]
        write_table(path, more, RESULTS)
    collect(made)
    (cost,) = catalogue.draw("cost_accuracy", together(subjects(Tables(made))))
    assert list(cost.data["regularizer"]) == ["none", "dropout"]
    assert "with other ranks, threads or processors: L2 (λ = 0.1) on MNIST" in cost.caption


def test_costs_of_one_mix_of_processors_are_not_compared_with_those_of_another(
    make_store: Callable[..., Store],
) -> None:
    """The slow one trained one run in three of the baseline's, and two of L2's."""
    made = make_store(strengths={"none": [""], "l2": ["0.1"]}, tune=(), report=range(1000, 1003), epochs=2)
    slow = {
        row["run_id"]
        for row in read_table(made.runs).to_pylist()
        if row["seed"] < (1001 if row["regularizer"] == "none" else 1002)
    }
    for folder in made.packs.iterdir():
        path = made.pack(folder.name).results
        rows = [
            r | {"processor": "slow" if r["run_id"] in slow else "fast"} for r in read_table(path).to_pylist()
        ]
        write_table(path, rows, RESULTS)
    collect(made)
    with pytest.raises(CannotDrawError, match="trained otherwise than the baseline: L2"):
        list(catalogue.draw("cost_accuracy", together(subjects(Tables(made)))))


def test_a_technique_whose_runs_diverge_is_never_said_to_be_the_best(
    make_store: Callable[..., Store],
) -> None:
    """One survivor of five, better than all others."""
    lost = [("mnist", "l2", "0.1", seed) for seed in range(1001, 1005)]
    made = make_store(strengths={"none": [""], "l2": ["0.1"], "dropout": ["0.3"]}, tune=(), diverged=lost)
    for folder in made.packs.iterdir():
        path = made.pack(folder.name).results
        rows = read_table(path).to_pylist()
        mine = {row["run_id"] for row in read_table(made.runs).to_pylist() if row["regularizer"] == "l2"}
        better = {"test_accuracy": 1.0, "test_loss": 0.0}
        changed = [row | better if row["run_id"] in mine and row["state"] == "done" else row for row in rows]
        write_table(path, changed, RESULTS)
    collect(made)
    (subject,) = subjects(Tables(made))
    for name in ("accuracy_curves", "loss_curves", "reliability", "robustness_curves", "corruption_curves"):
        (drawing,) = catalogue.draw(name, subject)
        assert "L2" not in drawing.summary.split(" vs ")[0], name
    (forest,) = catalogue.draw("forest", together([subject]))
    assert "L2" not in forest.summary


def test_reliability_has_the_error_after_scaling_where_there_is_one(make_store: Callable[..., Store]) -> None:
    made = make_store(strengths={"none": [""], "l2": ["0.1"]}, tune=())
    collect(made)
    older, newer = Tables(made), Tables(made)
    named = newer.results["regularizer"]
    newer.results["test_ece_scaled"] = named.map({"none": 0.0123, "l2": 0.0456})

    def drawn(tables: Tables) -> tuple[set[str], str]:
        (subject,) = subjects(tables)
        (drawing,) = catalogue.draw("reliability", subject)
        return {axes.get_xlabel() for axes in drawing.figure.axes} - {"", "Confidence"}, drawing.caption

    (before,), caption = drawn(older)
    assert re.fullmatch(r"ECE [\d.]+ / [\d.]+ %\n\([\d.]+ / [\d.]+ %\)", before)
    assert "temperature" not in caption
    (after,), caption = drawn(newer)
    assert after == before.replace(" %\n", " / 4.6 %\n").replace(" %)", " / 1.2 %)")
    assert "equal width / of equal mass / of equal width at the temperature that fits the" in caption
