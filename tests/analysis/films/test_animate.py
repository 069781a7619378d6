"""Films from a store that was trained for real, if only for a few steps."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from analysis.films import film_file
from analysis.films.animate import animate
from jobs.commands.cli import main
from regularize.config import Evaluation, RunConfig, Term, pack_id
from regularize.data.data_config import DataConfig
from regularize.errors import UserError
from regularize.store import RUNS, Store, write_table
from regularize.train_pack import train_pack
from regularize.training_config import Training
from tests.analysis.trained import row

L2 = (Term.build("l2", {"strength": 0.01}),)
PLAIN = RunConfig(
    data=DataConfig(name="clusters"),
    model="toy_plane",
    regularizer="none",
    terms=(),
    training=Training(steps=16, batch_size=64, lr=0.05),
    evaluation=Evaluation(every=1000, snapshots=3, jacobian_examples=0, predictions=False),
)


def store_of(folder: Path, runs: list[RunConfig]) -> Store:
    """A store of runs, each trained in a pack of its own."""
    store = Store(folder)
    for config in runs:
        train_pack([config], store.pack(pack_id([config.run_id])))
    write_table(store.runs, [row(config) for config in runs], RUNS)
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    shrunk = replace(PLAIN, regularizer="l2", terms=L2)
    runs = [replace(config, model=model) for model in ("toy_plane", "toy_rnn") for config in (PLAIN, shrunk)]
    return store_of(tmp_path_factory.mktemp("store") / "toy", [*runs, replace(PLAIN, seed=1)])


@pytest.fixture
def no_ffmpeg(monkeypatch):
    monkeypatch.setattr(film_file.shutil, "which", lambda name: None)


def test_two_films_for_each_model_the_same_every_time(store, no_ffmpeg, tmp_path):
    paths = animate(store)
    names = [
        f"{film}-clusters-{model}.gif"
        for model in ("toy_plane", "toy_rnn")
        for film in ("regions", "stretching")
    ]
    assert paths == [store.figures / name for name in names]
    again = animate(store, out=tmp_path)
    for path, other in zip(paths, again, strict=True):
        assert path.read_bytes() == other.read_bytes()
        with Image.open(path) as moving, Image.open(path.with_suffix(".png")) as still:
            assert moving.n_frames == 3
            assert moving.size == still.size
            durations = []
            for frame in range(3):
                moving.seek(frame)
                durations.append(moving.info["duration"])
            assert durations == [100, 100, 2000]
    assert {path.suffix for path in store.figures.iterdir()} == {".gif", ".png"}, (
        "nothing else is left behind"
    )


def test_a_film_of_some_regularizers(store, no_ffmpeg, tmp_path):
    all_panels, one = animate(store, out=tmp_path / "all"), animate(store, ["l2"], tmp_path / "one")
    with Image.open(all_panels[0]) as wide, Image.open(one[0]) as narrow:
        assert narrow.width < wide.width


def test_the_command(store, no_ffmpeg, tmp_path, capsys):
    assert main(["animate", str(store.folder), "--regularizer", "l2", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [
        str(path) for path in sorted(tmp_path.glob("*.gif"), key=_model)
    ]
    assert main(["animate", str(tmp_path)]) == 2
    assert "nothing has been trained there" in capsys.readouterr().err


def _model(path: Path) -> tuple[bool, str]:
    return "toy_rnn" in path.name, path.name


def test_what_cannot_be_filmed(store, tmp_path):
    with pytest.raises(UserError, match=r"unknown regularizer 'l3'; one of: l2, none; did you mean 'l2'\?"):
        animate(store, ["l3"])
    with pytest.raises(UserError, match="nothing has been trained there"):
        animate(Store(tmp_path / "empty"))
    unkept = replace(PLAIN, evaluation=replace(PLAIN.evaluation, snapshots=0))
    with pytest.raises(UserError, match=r"no weights were kept for none.*snapshots: 41"):
        animate(store_of(tmp_path / "unkept", [unkept]))
    digits = Store(tmp_path / "digits")
    write_table(digits.runs, [row(replace(PLAIN, data=DataConfig(name="digits"), model="mlp"))], RUNS)
    with pytest.raises(UserError, match="no run of this sweep is on the data set clusters"):
        animate(digits)
    many = Store(tmp_path / "many")
    strengths = [(Term.build("l2", {"strength": s}),) for s in range(25)]
    write_table(many.runs, [row(replace(PLAIN, terms=terms)) for terms in strengths], RUNS)
    with pytest.raises(UserError, match="25 regularizers and strengths, but at most 24"):
        animate(many)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="MP4 needs ffmpeg")
def test_mp4_where_ffmpeg_is_there(store, tmp_path):
    first, again = (animate(store, ["none"], tmp_path / name)[0] for name in ("first", "again"))
    assert first.suffix == ".mp4"
    assert first.read_bytes()[4:8] == b"ftyp"
    assert first.read_bytes() == again.read_bytes()


def test_an_ffmpeg_that_fails_says_why(monkeypatch, tmp_path):
    """And leaves nothing behind that looks like a film."""
    monkeypatch.setattr(film_file.shutil, "which", lambda name: "/bin/false")
    with pytest.raises(UserError, match="/bin/false made no film"):
        film_file.write_film([Image.new("RGB", (4, 4))], tmp_path, "film")
    assert [path.name for path in tmp_path.iterdir()] == ["film.png"]
