"""The report's page as text: what it says, that nothing in it is taken for markup, that it needs nothing."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from analysis.figures.catalogue import Drawn
from analysis.figures.draw_figures import draw_all
from analysis.report import pictures, write_report
from analysis.report.facts import command, measured, what_was_run
from analysis.tables.collect import collect
from jobs.commands.cli import main
from regularize.config import RunConfig
from regularize.errors import UserError
from regularize.store import Store
from regularize.training_config import Training
from tests.analysis.report.pages import HOSTILE


class Reader(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(built: tuple[Store, Path]) -> Reader:
    reader = Reader()
    reader.feed(built[1].read_text(encoding="utf-8"))
    return reader


def test_it_says_what_was_run_and_how_again(page: Reader) -> None:
    for words in (
        "CIFAR-10; MNIST",
        "1 diverged, 3 without a result",
        "regularize submit sweep.yaml --set training.epochs=5",
        "version 0.1.0, commit 0123abcd",
        "17, 18",
        "torch 2.14.1",
        "Of 3 techniques compared with no regularizer in test accuracy",
        "Holm over 3 comparisons",
        "3 runs in 1 pack failed: ValueError",
        "feature_maps-mnist",
        "CIFAR-10: 1,234 to train, 100 to validate, 500 to test; MNIST: 1,234 to train",
        "hours in all processes: ",
    ):
        assert words in page.text, words


def test_settings_of_a_training_are_said_where_they_count(make_store: Callable[..., Store]) -> None:
    runs = pq.read_table(make_store(strengths={"none": [""]}).runs).to_pandas()
    for schedule, said in {
        "cosine": "schedule cosine, ",
        "step": "schedule step, batch size 128, epochs 5, milestones 0.333 and 0.667, gamma 0.1, ",
    }.items():
        training = Training(epochs=5, batch_size=128, schedule=schedule)
        config = RunConfig.from_json(json.loads(runs["config"][0]))
        runs["config"] = json.dumps(replace(config, training=training).to_json())
        (text,) = [text for label, text in what_was_run(runs, len) if label == "Training"]
        assert said in text
        assert ("gamma" in text) == (schedule == "step")


def test_compute_is_of_all_processes() -> None:
    rows = pd.DataFrame(
        {"dataset": ["mnist"] * 2, "per_class": None, "training_size": None, "validation_size": None}
        | {
            "test_size": None,
            "seconds": [3600.0, 1800],
            "evaluation_seconds": [900, None],
            "world_size": [2, 1],
            "core_seconds": [5400.0, None],
        }
    )
    (said,) = measured(rows)
    assert said == ("Compute", "3.0 hours in all processes: 2.5 of training, 0.500 of measuring")


def test_compute_is_of_work_where_all_results_have_it() -> None:
    """The first pack stood still, and went on with two ranks after three: its time is not its work."""
    rows = pd.DataFrame(
        {"dataset": ["mnist"] * 2, "per_class": None, "training_size": None, "validation_size": None}
        | {
            "test_size": None,
            "seconds": [36000.0, 1800],
            "evaluation_seconds": [900, None],
            "world_size": [2, 1],
            "core_seconds": [5400.0, 1800],
        }
    )
    (said,) = measured(rows)
    assert said == (
        "Compute",
        "2.0 core-hours of training (on a GPU, hours of the GPU), 0.500 hours in all processes of measuring",
    )


def test_names_between_backticks_are_code(built: tuple[Store, Path], page: Reader) -> None:
    assert "<code>submit</code> trains it again" in built[1].read_text(encoding="utf-8")
    assert "`submit`" not in page.text
    assert "`regularize" not in page.text


def test_names_and_messages_are_text_never_markup(page: Reader) -> None:
    assert page.text.count(HOSTILE) >= 4  # a table, the sweep file, an error, what was not drawn
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not any("onload" in attributes for _, attributes in page.tags)


def test_every_picture_is_inside_and_has_its_words(page: Reader) -> None:
    found = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(found) == 6  # two figures of two problems, the forest, and that on the first screen
    for shown in found:
        assert str(shown["src"]).startswith("data:image/png;base64,")
        assert len(str(shown["alt"])) > 40


def test_nothing_is_fetched_and_no_link_leads_away(page: Reader, built: tuple[Store, Path]) -> None:
    html = built[1].read_text(encoding="utf-8")
    assert not re.search(r"(?:https?:)?//[a-z]|@import|url\(", re.sub(r"base64,[^\"]+", "", html))
    links = [attributes for tag, attributes in page.tags if tag == "a"]
    assert all(str(link["href"]).startswith(("#", "data:", "figures/")) for link in links)


def test_the_numbers_of_a_figure_are_in_the_page_unless_they_are_many(
    built: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, path = built
    found = re.findall(
        r'<a href="data:text/csv;base64,([^"]+)" download="([^"]+)"', path.read_text(encoding="utf-8")
    )
    assert {name: base64.b64decode(content) for content, name in found} == {
        csv.name: csv.read_bytes() for csv in store.figures.glob("*.csv")
    }
    pdf = next(store.figures.glob("*.pdf"))
    assert (store.folder / pictures.picture(pdf).file).samefile(pdf)
    monkeypatch.setattr(pictures, "_MOST_NUMBERS", 10)
    assert pictures.picture(pdf).numbers == ""


def test_a_command_is_shown_without_paths_that_mean_nothing_elsewhere() -> None:
    assert command(["/opt/x/bin/regularize", "submit", "a b.yaml"]) == "regularize submit 'a b.yaml'"


def test_the_command_writes_the_page(
    make_store: Callable[..., Store], capsys: pytest.CaptureFixture[str]
) -> None:
    store = make_store(strengths={"none": [""], "l2": ["0.01"]}, tune=())
    assert main(["report", str(store.folder), "--tables-only"]) == 0
    assert str(store.report) in capsys.readouterr().out.splitlines()
    text = store.report.read_text(encoding="utf-8")
    assert "Nothing is concluded on test accuracy." in text  # five seeds are too few
    assert (store.tables / "comparison.parquet").exists()


def test_of_many_problems_each_has_a_section_to_open(make_store: Callable[..., Store]) -> None:
    store = make_store(
        datasets=("cifar10", "digits", "mnist", "svhn"),
        strengths={"none": [""], "l2": ["0.01"]},
        tune=(),
        report=(1, 2),
        epochs=2,
    )
    collect(store)
    drawn = draw_all(store, ["loss_gap", "forest", "robustness_curves", "strength_sensitivity"])
    html = write_report(store, drawn).read_text(encoding="utf-8")
    part = html[html.index('<section id="figures">') : html.index('<section id="failures">')]
    together, *problems = part.split('<details class="problem">')
    assert re.findall(r'figure id="([\w-]+)"', together) == [
        f"forest{score}-{page}" for score in ("", "-test_loss", "-test_ece") for page in (1, 2)
    ]
    for problem, name in zip(problems, ("cifar10", "digits", "mnist", "svhn"), strict=True):
        figures = [f"loss_gap-{name}-lenet5", f"robustness_curves-{name}-lenet5"]
        assert re.findall(r'figure id="([\w-]+)"', problem) == figures
    assert "<code>strength_sensitivity of 4 problems</code>: " in part


def test_without_finished_runs_there_is_no_page(make_store: Callable[..., Store]) -> None:
    store = make_store(strengths={"none": [""]}, report=())
    main(["collect", str(store.folder)])
    with pytest.raises(UserError):
        write_report(store, Drawn())
    assert not store.report.exists()
