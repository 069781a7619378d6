"""The figures of trained networks, drawn from a store that was trained for real."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image
from torch import nn

from analysis.figures import catalogue
from analysis.figures.catalogue import FIGURES
from analysis.figures.draw_figures import draw_all
from analysis.figures.feature_maps import gap, montage, start
from analysis.figures.parts.class_colours import tinted
from analysis.figures.parts.style import ONE_COLUMN, TWO_COLUMNS, plain
from analysis.figures.parts.subject import subjects
from analysis.statistics.contenders import Contender
from analysis.tables.store_tables import Tables
from regularize.config import Term
from regularize.data.class_names import CIFAR10
from regularize.distributed import Ranks
from regularize.errors import UserError
from regularize.store import PackPaths, Store
from regularize.trainer import Trainer
from tests.analysis.figures.pdf import drawn as pdf_drawn
from tests.analysis.trained import PLAIN, TERMS, runs_of, store_of

NETWORKS = [name for name, kind in FIGURES.items() if kind.needs == "networks"]
SUFFIXES = {
    "feature_maps": ("-conv1", "-conv2"),
    "activations_pca": ("-2d", "-3d"),
    "activations_tsne": ("-2d", "-3d"),
}
SLUG = "digits-20-per-class-lenet5"


@pytest.fixture(scope="module", autouse=True)
def small():
    """Fewer cells, examples and points than in print."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.figures.decision_planes.CELLS", 9)
        patch.setattr("analysis.figures.decision_triangle.CELLS", 10)
        patch.setattr("analysis.figures.parts.embedding_panels.EXAMPLES", 40)
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return store_of(tmp_path_factory.mktemp("shown") / "store", runs_of())


@pytest.fixture(scope="module")
def drawn(store):
    return draw_all(store, NETWORKS)


def stems(name: str, slug: str = SLUG) -> list[str]:
    return [f"{name}-{slug}{suffix}" for suffix in SUFFIXES.get(name, ("",))]


def test_all_are_drawn_and_the_same_when_drawn_again(store, drawn):
    assert drawn.missing == {}
    assert [path.stem for path in drawn.paths] == [stem for name in NETWORKS for stem in stems(name)]
    first = {path.name: path.read_bytes() for path in store.figures.iterdir()}
    assert len(first) == 4 * len(drawn.paths)
    time.sleep(1.1)  # no time stamp of whole seconds gets in
    draw_all(store, NETWORKS)
    for name, data in first.items():
        assert data == (store.figures / name).read_bytes(), name


@pytest.mark.parametrize("name", NETWORKS)
def test_fonts_widths_and_words(store, drawn, name):
    for stem in stems(name):
        pdf = (store.figures / f"{stem}.pdf").read_bytes()
        assert b"/Type3" not in pdf
        # What is dense (points of a cloud, cells of a map) is in pictures, so that files stay small.
        images, others = pdf_drawn(pdf)
        assert images >= len(TERMS)
        assert others < 100 * len(TERMS)
        assert len(pdf) < 300_000
        assert any(b"/MediaBox [ 0 0 %g " % (72 * width) in pdf for width in (ONE_COLUMN, TWO_COLUMNS))
        said = json.loads((store.figures / f"{stem}.json").read_text())
        assert "have seed 1." in said["caption"]
        assert said["n"] == {"no regularizer": 1, "L2 (λ = 0.01)": 1, "Dropout (p = 0.3)": 1}
        data = pd.read_csv(store.figures / f"{stem}.csv", keep_default_na=False)
        assert set(TERMS) <= set(data["regularizer"])


@pytest.mark.parametrize("name", NETWORKS)
def test_no_text_leaves_the_page_or_meets_another(store, name):
    (subject,) = subjects(Tables(store))
    for drawing in catalogue.draw(name, subject):
        figure = drawing.figure
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        for axes in figure.axes:
            for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
                box = text.get_window_extent(renderer)
                assert not text.get_text() or (box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1), text
        boxes = [axes.title.get_window_extent(renderer) for axes in figure.axes if axes.get_title()]
        assert not any(box.overlaps(other) for box in boxes for other in boxes if box is not other)


def test_one_run_alone(store):
    run = runs_of()[3]
    found = draw_all(store, ["saliency", "activations_pca", "decision_triangle"], run.run_id)
    assert found.missing == {}
    assert found.paths[0].stem == f"saliency-run-{run.run_id}"
    said = json.loads(found.paths[0].with_suffix(".json").read_text())
    assert said["n"] == {"L2 (λ = 0.01)": 1}
    data = pd.read_csv(found.paths[0].with_suffix(".csv"))
    assert set(data["regularizer"]) == {"l2", "random weights"}


def test_any_layer(store):
    found = draw_all(store, ["activations_pca"], layer="conv1")
    assert [path.stem for path in found.paths] == [f"activations_pca-{SLUG}-conv1-{d}d" for d in (2, 3)]
    assert (
        "layer conv1 (1176 units)" in json.loads(found.paths[0].with_suffix(".json").read_text())["caption"]
    )
    missing = draw_all(store, ["activations_pca"], layer="fc7").missing
    assert "no layer 'fc7'" in missing[f"activations_pca-{SLUG}"]


def test_what_cannot_be_drawn_is_named_and_the_rest_is_drawn(store, tmp_path):
    copy = Store(shutil.copytree(store.folder, tmp_path / "copy"))
    for path in copy.packs.glob("*/weights.pt"):
        path.unlink()
    found = draw_all(copy, ["accuracy_curves", "saliency"])
    assert [path.stem for path in found.paths] == [f"accuracy_curves-{SLUG}"]
    assert "weights.pt is not there" in found.missing[f"saliency-{SLUG}"]


def test_toy_models_and_networks_without_convolutions(tmp_path):
    toy = replace(PLAIN, data=replace(PLAIN.data, name="clusters"), model="toy_plane")
    store = store_of(tmp_path / "store", [toy, replace(PLAIN, model="mlp")])
    found = draw_all(store, ["feature_maps", "saliency", "decision_planes", "activations_pca"])
    points = "clusters-20-per-class-toy_plane"
    assert {name: reason for name, reason in found.missing.items() if points in name}.keys() == {
        f"{name}-{points}" for name in ("feature_maps", "saliency", "decision_planes")
    }
    assert "points, not images" in found.missing[f"saliency-{points}"]
    assert "no convolutions" in found.missing["feature_maps-digits-20-per-class-mlp"]
    assert f"activations_pca-{points}-3d" in {path.stem for path in found.paths}


def test_classes_that_have_names(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    names = (*CIFAR10[:-1], r"<b>$x\frac")  # the last one would be neither HTML nor mathematics
    shown = {plain(name) for name in names}
    for name in names:
        for part, count in (("train", 6), ("test", 2)):
            folder = tmp_path / "data" / "photos" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    monkeypatch.setenv("REGULARIZE_DATA", str(tmp_path / "data"))
    photos = replace(PLAIN, data=replace(PLAIN.data, name="photos", per_class=4))
    (subject,) = subjects(Tables(store_of(tmp_path / "store", [photos])))
    for name in ("decision_planes", "saliency", "activations_pca", "decision_triangle", "feature_maps"):
        for drawing in catalogue.draw(name, subject):
            renderer = FigureCanvasAgg(drawing.figure).get_renderer()
            drawing.figure.draw(renderer)
            said = {text.get_text() for text in drawing.figure.findobj(Text)}
            assert said & {*shown, *(f"Image, {name}" for name in shown)}, drawing.name
            assert not any(text.startswith("class ") for text in said), drawing.name
            for legend in drawing.figure.legends:
                box = legend.get_window_extent(renderer)
                assert -1 <= box.x0 < box.x1 <= drawing.figure.bbox.x1 + 1, drawing.name


def test_two_classes(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    arrays = {
        f"{part}_{what}": values
        for part, count in (("train", 12), ("test", 8))
        for what, values in (
            ("images", random.integers(0, 256, (count, 28, 28), dtype=np.uint8)),
            ("labels", np.arange(count) % 2),
        )
    }
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "coins.npz", **arrays)
    monkeypatch.setenv("REGULARIZE_DATA", str(tmp_path / "data"))
    coins = replace(PLAIN, data=replace(PLAIN.data, name="coins", per_class=4))
    drawn = draw_all(store_of(tmp_path / "store", [coins]), NETWORKS)
    (reason,) = drawn.missing.values()
    assert reason.startswith("it shows an image of each of three classes, and there are 2")
    alt = json.loads(
        next(path for path in drawn.paths if "saliency" in path.stem).with_suffix(".json").read_text()
    )
    assert alt["alt"].startswith("Heat maps over 2 images")


def test_a_module_of_someone_elses(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "examples")
    store = store_of(tmp_path / "store", [replace(PLAIN, model="small_resnet:group_norm")])
    found = draw_all(store, ["feature_maps", "saliency"])
    assert found.missing == {}
    assert "feature_maps-digits-20-per-class-small_resnet-group_norm-3.conv1" in {p.stem for p in found.paths}
    assert "the first 16 of 32 channels" in " ".join(
        json.loads(p.with_suffix(".json").read_text())["caption"] for p in found.paths
    )


class Partly(nn.Module):
    """Of two convolutions one is never called; a recurrent layer puts out time before examples."""

    def __init__(self, classes):
        super().__init__()
        self.used, self.unused = nn.Conv2d(1, 2, 3, stride=2), nn.Conv2d(1, 2, 3)
        self.act, self.steps, self.head = nn.ReLU(inplace=True), nn.RNN(26, 4), nn.Linear(4, classes)

    def forward(self, x):
        steps, _ = self.steps(
            self.act(self.used(x)).flatten(1, 2).unflatten(1, (13, 2)).flatten(2).transpose(0, 1)
        )
        return self.head(steps[-1])


def partly(_shape, classes):
    return Partly(classes)


def test_what_cannot_be_shown_of_a_module_is_said_and_the_rest_is_drawn(tmp_path):
    store = store_of(tmp_path / "store", [replace(PLAIN, model=f"{__name__}:partly")])
    found = draw_all(store, ["feature_maps", "activations_pca"])
    assert found.missing == {}
    maps = found.paths[0]
    assert maps.stem.endswith("-partly-used")
    said = json.loads(maps.with_suffix(".json").read_text())["caption"]
    assert said.endswith(f" Not shown: layer 'unused' of model {__name__}:partly is never called by itself.")
    data = pd.read_csv(maps.with_suffix(".csv"), keep_default_na=False)
    assert data.filter(regex="^x").to_numpy().min() < 0, "before the activation, which works in place"
    assert len(draw_all(store, ["activations_pca"], layer="act").paths) == 2
    (why,) = draw_all(store, ["activations_pca"], layer="steps").missing.values()
    assert "puts out [13, 40, 4] for 40 examples" in why


def test_an_unknown_run(store):
    with pytest.raises(UserError, match="has no result"):
        draw_all(store, ["saliency"], "nowhere")


def test_class_colours_are_fainter_where_the_network_is_less_sure():
    found = tinted(np.array([[0, 0, 1]]), np.array([[0.1, 0.6, 1.0]]), 10)
    assert found[0, 0, :3].tolist() == found[0, 1, :3].tolist() != found[0, 2, :3].tolist()
    assert found[0, 0, 3] < found[0, 1, 3] < found[0, 2, 3] <= 1


def test_a_montage_has_gaps():
    found = montage(np.ones((3, 4, 10)))
    assert found.shape == (4, 3 * 10 + 2 * gap(10))
    assert np.isnan(found[:, 10]).all()
    assert np.nansum(found) == 3 * 4 * 10


def test_it_is_said_who_started_from_the_same_weights(tmp_path):
    """By what training starts from: hard SVB has its own, unless the sweep says otherwise."""
    svb = (Term.build("hard_svb", {"epsilon": 0.05}),)
    l2 = TERMS["l2"]

    def said(**entries):
        """`name=(terms, start)`; the sentence, and which names start from the weights of the first."""
        configs = {
            each: replace(PLAIN, terms=terms, training=replace(PLAIN.training, start=how))
            for each, (terms, how) in entries.items()
        }
        starts = {}
        for each, config in configs.items():
            trainer = Trainer([config], PackPaths(tmp_path), Ranks.here(), None)
            trainer.start()
            starts[each] = next(iter(trainer.model.weights().values())).clone()
        first = next(iter(starts.values()))
        same = [each for each, weights in starts.items() if torch.equal(weights, first)]
        return start({Contender(each, ""): config for each, config in configs.items()}), same

    sentence, same = said(plain=((), None), l2=(l2, None), svb=(svb, None), other=((), "orthogonal"))
    assert same == ["plain", "l2"]
    assert "same weights, but for svb, other, where the same start was made orthogonal: a column" in sentence
    sentence, same = said(plain=((), None), svb=(svb, "default"))
    assert same == ["plain", "svb"]
    assert sentence.startswith("The networks started from the same weights: a column shows")
    sentence, same = said(plain=((), "orthogonal"), svb=(svb, None))
    assert same == ["plain", "svb"]
    assert sentence.startswith("The networks started from the same weights: a column shows")
    own = replace(PLAIN, terms=(replace(svb[0], technique="mine:OWN"),))
    sentence = start({Contender("none", ""): PLAIN, Contender("mine", ""): own})
    assert "but for mine, whose technique may have changed them:" in sentence
    both = {Contender("mine", ""): own, Contender("svb", ""): replace(PLAIN, terms=svb)}
    assert start(both).startswith("The networks did not start from the same weights")
    assert start({Contender("svb", ""): PLAIN}) == "", "one network by itself"
