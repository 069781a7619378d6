"""Every row of FIGURES, drawn from a synthetic store."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from analysis.figures import catalogue
from analysis.figures.catalogue import FIGURES, SHOWN_SCORES
from analysis.figures.draw_figures import draw_all, summary
from analysis.figures.parts.save import Drawing, save
from analysis.figures.parts.style import ONE_COLUMN, TWO_COLUMNS
from analysis.figures.parts.subject import subjects, together
from analysis.statistics.scores import DEFAULT, suffix
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from analysis.text.results_table import results_table
from analysis.text.results_text import to_latex
from regularize.errors import UserError
from regularize.store import Store, read_json
from tests.analysis.figures.pdf import streams

MakeStore = Callable[..., Store]
ENDINGS = (".pdf", ".png", ".csv", ".json")
HOSTILE = r"l2_$x\frac"
CURVES = ("loss_curves", "loss_gap", "accuracy_curves")
NARROW = {
    *CURVES,
    "best_of_k",
    "confidence_distributions",
    "entropy_distributions",
    "forest",
    "reliability",
    "strength_sensitivity",
}
TABLES = [name for name, kind in FIGURES.items() if kind.needs == "tables"]

THIRTEEN = (
    "none", "l1", "l2", "elastic_net", "soft_svb", "hard_svb", "jacobian", "jacobian_determinant", "dropout",
    "confidence_penalty", "label_smoothing", "input_noise", "weight_noise",
)  # fmt: skip


def stems(*names: str) -> list[str]:
    """The names of figures' files, in their order."""
    return [
        f"{name}-mnist-lenet5" if FIGURES[name].scope == "problem" else f"{name}{suffix(score)}"
        for name in names
        for score in (SHOWN_SCORES if FIGURES[name].by_score else [DEFAULT])
    ]


FILES = stems(*TABLES)


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    """Two challengers, one of them with a name that is bad for TeX, one diverged run."""
    return hostile(make_store)


@pytest.fixture(scope="module")
def drawn(make_module_store: MakeStore) -> Store:
    """The same, with all figures drawn for which it has what they need."""
    store = hostile(make_module_store)
    assert {name.partition("-")[0] for name in draw_all(store).missing} == FIGURES.keys() - TABLES
    return store


def draw(name: str, store: Store) -> list[Drawing]:
    """A figure's drawings of the store's only problem."""
    (subject,) = subjects(Tables(store))
    return list(catalogue.draw(name, subject))


def hostile(make_store: MakeStore) -> Store:
    strengths = {"none": [""], "dropout": ["0.1", "0.5"], HOSTILE: ["l2.strength=0.1 dropout.p=0.5"]}
    store = make_store(strengths=strengths, diverged=[("mnist", "dropout", "0.5", 1003)])
    collect(store)
    select(store)
    return store


def test_four_files_the_same_when_drawn_again(drawn: Store) -> None:
    first = {path.name: path.read_bytes() for path in drawn.figures.iterdir()}
    assert set(first) == {file + ending for file in FILES for ending in ENDINGS}
    time.sleep(1.1)  # no time stamp of whole seconds gets in
    assert draw_all(drawn, TABLES).paths == [drawn.figures / f"{file}.pdf" for file in FILES]
    assert first == {path.name: path.read_bytes() for path in drawn.figures.iterdir()}


@pytest.mark.parametrize("file", FILES)
def test_pdf_is_fit_for_print(drawn: Store, file: str) -> None:
    pdf = drawn.figures / f"{file}.pdf"
    data = b"".join(streams(pdf.read_bytes()))
    assert b"/CIDFontType2" in data or b"/TrueType" in data
    assert b"/Type3" not in data
    assert b"CreationDate" not in data
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", data)
    assert box
    assert float(box[1]) == (ONE_COLUMN if file.partition("-")[0] in NARROW else TWO_COLUMNS) * 72
    with Image.open(pdf.with_suffix(".png")) as image:
        assert image.width == float(box[1]) / 72 * 300
        assert "Software" not in image.info


@pytest.mark.parametrize("file", FILES)
def test_words_and_numbers_beside_it(drawn: Store, file: str) -> None:
    pdf = drawn.figures / f"{file}.pdf"
    said = json.loads(pdf.with_suffix(".json").read_text())
    assert set(said) == {"caption", "alt", "summary", "band", "n", "inputs", "versions", "sealed"}
    assert "nan" not in said["alt"] + said["caption"] + said["summary"]
    assert "MNIST (lenet5)" in said["caption"]
    for words in (said["caption"], said["alt"]):
        assert re.search(r"n = \d|\d seeds", words), words
    assert set(said["n"].values()) <= {3, 4, 5}
    assert re.fullmatch(r"[0-9a-f]{32}", said["inputs"])
    data = pd.read_csv(pdf.with_suffix(".csv"), keep_default_na=False)
    assert {"regularizer", "strength"} < set(data.columns)
    assert set(data["regularizer"]) >= {"dropout", HOSTILE}


@pytest.mark.parametrize("name", CURVES)
def test_curves_say_what_their_bands_are(drawn: Store, name: str) -> None:
    pdf = drawn.figures / f"{name}-mnist-lenet5.pdf"
    said = json.loads(pdf.with_suffix(".json").read_text())
    assert said["n"] == {
        "no regularizer": 5,
        "Dropout (p = 0.5)": 4,
        f"{HOSTILE} (l2 = 0.1, dropout.p = 0.5)": 5,
    }
    assert "95% t-interval" in said["band"]
    assert "n = 4 to 5" in said["band"]
    assert "1 in all" in said["caption"]
    basis = "500 test" if name == "accuracy_curves" else "1,000 training and 500 test"
    assert f" by epoch, on {basis} examples. " in said["caption"]
    data = pd.read_csv(pdf.with_suffix(".csv"), keep_default_na=False)
    assert {"regularizer", "strength", "series", "epoch", "n", "mean", "low", "high"} == set(data.columns)
    assert set(data["n"]) == {4, 5}


def test_summary_is_one_sentence_with_the_numbers_of_the_table(drawn: Store) -> None:
    pdf = drawn.figures / "accuracy_curves-mnist-lenet5.pdf"
    done = Tables(drawn).results.query("phase == 'report' and state == 'done' and regularizer == 'none'")
    mean = 100 * done["test_accuracy"].mean()
    found = re.fullmatch(
        r"MNIST \(lenet5\), test accuracy: \S.* [\d.]+ ± [\d.]+ % \(best of 2\) "
        r"vs no regularizer ([\d.]+) ± [\d.]+ %, n = (5|4 and 5)",
        summary(pdf),
    )
    assert found
    assert float(found[1]) == pytest.approx(mean, abs=0.06)


def test_where_every_run_diverged_there_is_no_curve(make_store: MakeStore) -> None:
    cells = [("none", ""), ("l2", "0.1")]
    diverged = [("mnist", *cell, seed) for cell in cells for seed in (1, 2)]
    store = make_store(tune=(), report=[1, 2], strengths={"none": [""], "l2": ["0.1"]}, diverged=diverged)
    collect(store)
    drawn = draw_all(store)
    assert drawn.paths == []
    assert set(drawn.missing) == set(stems(*FIGURES))
    assert drawn.missing["loss_gap-mnist-lenet5"] == "every run diverged"
    table = results_table(Tables(store))
    assert table["n"].tolist() == [2, 2], "as constant guesses"
    assert table["n_diverged"].tolist() == [2, 2]
    assert "None" in to_latex(table)


def test_a_single_seed_is_said_to_have_no_band(make_store: MakeStore) -> None:
    store = make_store(tune=(), report=[7], strengths={"none": [""], "l2": ["0.1"]})
    collect(store)
    (drawing,) = draw("loss_curves", store)
    assert "a single seed has no band" in drawing.caption
    labels = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
    assert "n = 1: no interval" in labels


def test_older_tables_do_not_say_on_how_many_examples_curves_are(make_store: MakeStore) -> None:
    store = make_store(tune=(), report=[7, 8], strengths={"none": [""], "l2": ["0.1"]})
    for path in store.folder.glob("packs/*/metrics.parquet"):
        pq.write_table(pq.read_table(path).drop(["examples"]), path)
    collect(store)
    (drawing,) = draw("loss_curves", store)
    assert " by epoch. " in drawing.caption


def test_many_contenders_take_several_pages_on_one_axis(make_store: MakeStore) -> None:
    strengths = {
        "none": [""],
        "l2": [f"0.{i}" for i in range(1, 9)],
        "dropout": [f"0.0{i}" for i in range(1, 10)],
    }
    store = make_store(tune=(), report=[1, 2], strengths=strengths, epochs=2)
    collect(store)
    one, two = draw("accuracy_curves", store)
    assert (one.name, two.name) == ("accuracy_curves-mnist-lenet5-1", "accuracy_curves-mnist-lenet5-2")
    assert (len(one.figure.axes), len(two.figure.axes)) == (9, 8)
    assert one.figure.get_figwidth() == TWO_COLUMNS
    assert one.figure.axes[0].get_ylim() == two.figure.axes[0].get_ylim()
    captions = [read_json(save(each, store.figures).with_suffix(".json"))["caption"] for each in (one, two)]
    assert [caption[-12:] for caption in captions] == ["Page 1 of 2.", "Page 2 of 2."]


def test_baseline_is_in_every_panel_and_titles_say_what_is_unusual(store: Store) -> None:
    (drawing,) = draw("loss_curves", store)
    dropout, other = drawing.figure.axes
    assert dropout.get_title() == "Dropout\np\u00a0=\u00a00.5\nn = 4, 1 diverged"
    assert "n = " not in other.get_title()
    for axes in drawing.figure.axes:
        looks = [(line.get_color(), line.get_linestyle()) for line in axes.lines]
        assert looks[:2] == [("#8C8C8C", "-"), ("#8C8C8C", "--")]
        assert len(looks) == 4


def test_an_entry_without_a_number_has_no_panel_of_strengths(make_store: MakeStore) -> None:
    """Such as `{technique: none, start: orthogonal}` beside the baseline."""
    strengths = {"none": [""], "start": [""], "single": ["0.2"], "l2": ["0.1", "0.5"]}
    store = make_store(strengths=strengths)
    collect(store)
    select(store)
    (drawing,) = draw("strength_sensitivity", store)
    assert len(drawing.figure.axes) == 2
    assert drawing.alt.startswith("2 small panels")


def test_no_text_leaves_the_page_or_meets_another(store: Store) -> None:
    for name in TABLES:
        for drawing in draw(name, store):
            figure = drawing.figure
            renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
            figure.draw(renderer)
            boxes = [axes.title.get_window_extent(renderer) for axes in figure.axes]
            page = figure.bbox
            assert all(box.x0 >= 0 and box.x1 <= page.x1 for box in boxes)
            assert figure.legends or name == "corruption_errors"  # whose numbers need none
            for legend in (each.get_window_extent(renderer) for each in figure.legends):
                assert legend.x0 >= 0
                assert legend.x1 <= page.x1
                assert not any(legend.overlaps(box) for box in boxes)


def test_unknown_figure(store: Store) -> None:
    with pytest.raises(UserError, match="did you mean 'loss_curves'"):
        draw_all(store, ["loss_curve"])


def test_nothing_half_written_is_left(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (drawing,) = draw("loss_gap", store)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(drawing.figure, "draw", fail)
    with pytest.raises(RuntimeError):
        save(drawing, tmp_path / "figures")
    assert list((tmp_path / "figures").iterdir()) == []


def test_one_run_alone(store: Store) -> None:
    run = Tables(store).results.query("regularizer == 'dropout' and phase == 'tune'").iloc[0]
    drawn = draw_all(store, ["loss_curves"], run["run_id"])
    assert drawn.paths == [store.figures / f"loss_curves-run-{run['run_id']}.pdf"]
    said = json.loads(drawn.paths[0].with_suffix(".json").read_text())
    assert said["caption"].startswith(f"MNIST (lenet5), run {run['run_id']} (seed {run['seed']})")
    assert said["band"] == "none: a single run"
    data = pd.read_csv(drawn.paths[0].with_suffix(".csv"))
    assert set(data["regularizer"]) == {"dropout"}


def test_unknown_run(store: Store) -> None:
    with pytest.raises(UserError, match="run 'nowhere' has no result"):
        draw_all(store, [], "nowhere")


def test_what_a_store_lacks_is_named_and_the_rest_is_drawn(store: Store) -> None:
    shutil.rmtree(store.table("robustness"))
    drawn = draw_all(store, ["robustness_curves", "weight_distributions", "loss_gap"])
    assert drawn.paths == [store.figures / "loss_gap-mnist-lenet5.pdf"]
    assert set(drawn.missing) == {"robustness_curves-mnist-lenet5", "weight_distributions-mnist-lenet5"}
    assert "robustness: true" in drawn.missing["robustness_curves-mnist-lenet5"]


def test_a_comparison_of_one_run_is_refused(store: Store) -> None:
    run = Tables(store).results["run_id"].iloc[0]
    with pytest.raises(UserError, match="'forest' compares runs"):
        draw_all(store, ["forest"], run)


@pytest.mark.parametrize("name", [name for name in TABLES if FIGURES[name].one_run])
def test_every_figure_of_one_run(store: Store, name: str) -> None:
    run = Tables(store).results.query("regularizer == 'dropout' and phase == 'report'").iloc[0]
    (path,) = draw_all(store, [name], run["run_id"]).paths
    assert path == store.figures / f"{name}-run-{run['run_id']}.pdf"
    assert set(pd.read_csv(path.with_suffix(".csv"))["regularizer"]) == {"dropout"}


def test_thirteen_techniques_on_two_problems(make_store: MakeStore) -> None:
    strengths = {name: [""] if name == "none" else ["0.1", "0.2"] for name in THIRTEEN}
    store = make_store(
        datasets=["mnist", "cifar10"], strengths=strengths, epochs=2, tune=(1, 2), report=(3, 4)
    )
    collect(store)
    select(store)
    parts = subjects(Tables(store))
    (forest,) = catalogue.draw("forest", together(parts))
    assert [axes.get_title().partition("\n")[0] for axes in forest.figure.axes] == ["CIFAR-10", "MNIST"]
    assert len(forest.figure.axes[0].get_yticks()) == 12
    assert set(forest.data["dataset"]) == {"mnist", "cifar10"}
    (cost,) = catalogue.draw("cost_accuracy", together(parts))
    assert len(cost.figure.legends[0].get_texts()) == 13
    (spectra,) = catalogue.draw("spectra", parts[0])
    assert len(spectra.figure.axes) == 12 * 2
    assert spectra.figure.get_figheight() < 9  # fits a page


def test_a_figure_of_ones_own_that_fails_is_told_once_with_its_line(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "my_bad_figure.py"
    path.write_text(
        'def bad(tables):\n    return tables.results["none such"]\n\n\ndef none(tables):\n    return 3\n',
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    missing = draw_all(store, ["my_bad_figure:bad", "my_bad_figure:none"]).missing
    assert sorted(missing.values()) == [
        f"KeyError: 'none such' ({path}:2)",
        f"it returned int, but must return a matplotlib Figure ({path}:5)",
    ]
    assert all("my_bad_figure" in name for name in missing)
