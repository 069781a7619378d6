"""Measured again from the stored weights, a pack is as if it had been trained with these settings."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from regularize import measure_again
from regularize.config import Evaluation, RunConfig, Term
from regularize.errors import UserError
from regularize.evaluation.measurement import alike, kept, meets
from regularize.evaluation.settings import Corruptions, Robustness
from regularize.measure_again import measure_pack
from regularize.store import PackPaths, PackStatus
from regularize.train_pack import train_pack
from tests.regularize.cases import run

ATTACKS = Robustness(noise=(0.2,), fgsm=(0.1,), pgd=(0.1,), examples=20, pgd_steps=3)
POOR = Evaluation(every=1, curve_examples=20, predictions=False, jacobian_examples=5, train_examples=40)
RICH = replace(POOR, predictions=True, jacobian_examples=30, train_examples=90, robustness=ATTACKS)
RICH = replace(RICH, operator_norms=True)
TABLES = ("metrics", "predictions", "spectra", "robustness", "results")
OF_THE_ATTEMPT = {"seconds", "core_seconds", "evaluation_seconds", "finished_at", "pack_id"}


def runs(evaluation: Evaluation) -> list[RunConfig]:
    some = [run((Term.build("l2", {"strength": 1e-3}),), seed, steps=40) for seed in (0, 1)]
    some.append(run((Term.build("l2", {"strength": 1e5}),), 0, steps=40))  # diverges
    return [replace(each, evaluation=evaluation) for each in some]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[PackPaths, PackPaths]:
    """The same runs, measured by little and by much."""
    folders = tmp_path_factory.mktemp("poor"), tmp_path_factory.mktemp("rich")
    poor, rich = (PackPaths(folder) for folder in folders)
    train_pack(runs(POOR), poor)
    train_pack(runs(RICH), rich)
    return poor, rich


def copied(paths: PackPaths, folder: Path) -> PackPaths:
    for path in paths.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return PackPaths(folder)


def content(paths: PackPaths) -> dict[str, str]:
    """Tables as text, in which NaN is equal to NaN, without what depends on the attempt."""
    return {
        name: str([
            {column: value for column, value in row.items() if column not in OF_THE_ATTEMPT}
            for row in pq.read_table(getattr(paths, name)).to_pylist()
        ])
        for name in TABLES
        if getattr(paths, name).exists()
    }  # fmt: skip


def test_it_is_the_same_bits_as_if_it_had_been_measured_so_at_once(trained, tmp_path):
    poor, rich = copied(trained[0], tmp_path), trained[1]
    assert not poor.predictions.exists()
    assert not poor.robustness.exists()
    seconds = [row["seconds"] for row in pq.read_table(poor.results).to_pylist()]
    curves = content(poor)["metrics"]
    status = measure_pack(runs(RICH), poor)
    assert status == PackStatus.read(poor.status)
    assert (status.state, status.evaluation) == ("done", RICH.text)
    found = content(poor)
    assert found.pop("metrics") == curves
    expected = content(rich)
    del expected["metrics"]  # the training part of which is drawn from another sample
    assert found == expected
    assert [row["seconds"] for row in pq.read_table(poor.results).to_pylist()] == seconds
    assert {row["steps"] for row in pq.read_table(poor.robustness).to_pylist()} == {None, 3}


def test_what_a_choice_needs_is_the_validation_part_and_the_rest_can_be_measured_later(trained, tmp_path):
    rich = trained[1]
    paths, choice = PackPaths(tmp_path), POOR.of_phase("tune")
    assert train_pack(runs(choice), paths).evaluation == choice.text
    metrics = pq.read_table(paths.metrics).to_pylist()
    assert {row["split"] for row in metrics} == {"validation"}
    assert not any(getattr(paths, name).exists() for name in ("predictions", "spectra", "robustness"))
    found, every = (pq.read_table(each.results).to_pylist() for each in (paths, rich))
    for row, whole in zip(found, every, strict=True):
        for name in ("validation_loss", "validation_accuracy", "state", "diverged_step"):
            assert str(row[name]) == str(whole[name])
        assert row["test_size"] == whole["test_size"]
        unseen = [name for name in row if name.startswith(("test_", "train_")) or name == "jacobian_norm"]
        unseen.remove("test_size")
        assert {row[name] for name in unseen} == {None}
    assert not meets(choice.text, RICH.text)
    assert meets(RICH.text, choice.text)
    assert kept(choice.text, RICH.text)  # its curves are of the validation part alone
    assert not kept(replace(RICH, snapshots=2).text, choice.text)

    measure_pack(runs(RICH), paths)
    after, expected = content(paths), content(rich)
    del after["metrics"], expected["metrics"]
    assert after == expected


def test_what_is_not_wanted_any_more_stays_and_says_how_it_was_measured(trained, tmp_path):
    rich = copied(trained[1], tmp_path)
    before = content(rich)
    wanted = replace(POOR, every=3, curve_examples=9, jacobian_examples=0, snapshots=2)
    status = measure_pack(runs(wanted), rich)
    assert status.evaluation == replace(RICH, train_examples=40).text
    after = content(rich)
    assert [after[name] for name in TABLES[:-1]] == [before[name] for name in TABLES[:-1]]
    (first, *_) = pq.read_table(rich.results).to_pylist()
    assert (first["train_examples"], first["jacobian_examples"]) == (40, 30)
    assert first["jacobian_norm"] == pq.read_table(trained[1].results).to_pylist()[0]["jacobian_norm"]


def test_told_to_stop_it_leaves_everything_as_it_was(trained, tmp_path):
    poor = copied(trained[0], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    status = measure_pack(runs(RICH), poor, stop=lambda: True)
    assert status.evaluation == POOR.text
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_killed_at_any_write_it_never_passes_for_measured(trained, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killing(after: int):
        """Both ways of writing count; the one after so many does not come."""
        count = itertools.count()

        def counted(write):
            def call(*args):
                if next(count) == after:
                    raise Killed
                return write(*args)

            return call

        monkeypatch.setattr(measure_again, "write_table", counted(real[0]))
        monkeypatch.setattr("regularize.results.write_table", counted(real[1]))
        monkeypatch.setattr(PackStatus, "write", counted_method(count, after))

    def counted_method(count, after):
        def write(self, path):
            if next(count) == after:
                raise Killed
            return real[2](self, path)

        return write

    import regularize.results

    real = measure_again.write_table, regularize.results.write_table, PackStatus.write
    seen = []
    for after in itertools.count():
        folder = tmp_path / str(after)
        folder.mkdir()
        paths = copied(trained[0], folder)
        killing(after)
        try:
            measure_pack(runs(RICH), paths)
        except Killed:
            status = PackStatus.read(paths.status)
            assert status.state == "done"
            assert not meets(status.evaluation, RICH.text)
            seen.append(status.evaluation)
        else:
            break
    assert seen == [POOR.text, "", "", "", "", ""], "before the first of six writes nothing has changed"
    monkeypatch.undo()
    again = copied(PackPaths(tmp_path / "3"), tmp_path)
    measure_pack(runs(RICH), again)
    assert {**content(again), "metrics": ""} == {**content(trained[1]), "metrics": ""}


def test_damaged_weights_are_set_aside(trained, tmp_path):
    poor = copied(trained[0], tmp_path)
    poor.weights.write_bytes(poor.weights.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"damaged .* set aside"):
        measure_pack(runs(RICH), poor)
    assert not poor.weights.exists()
    assert (tmp_path / "weights.pt.damaged").exists()


def test_a_resumed_pack_is_measured_as_it_was_when_it_began(tmp_path):
    """With other settings from then on, one run's curve would jump."""
    whole, broken = PackPaths(tmp_path / "whole"), PackPaths(tmp_path / "broken")
    train_pack(runs(POOR), whole)
    steps = itertools.count()
    assert train_pack(runs(POOR), broken, stop=lambda: next(steps) > 39).state == "interrupted"
    assert 34 < PackStatus.read(broken.status).step < 40, "after a row of the curves"
    other = replace(RICH, every=2, curve_examples=200, snapshots=3)
    status = train_pack(runs(other), broken)
    assert content(broken) == content(whole)
    assert not broken.snapshots.exists()
    assert status.evaluation == POOR.text, "so that it is known to be measured otherwise than is wanted"


def test_which_measurements_are_alike():
    poor, rich = POOR.text, RICH.text
    assert meets(rich, rich)
    assert not meets(poor, rich)
    assert not meets("", poor), "nothing is known of it"
    assert meets(rich, replace(RICH, robustness=None, predictions=False, jacobian_examples=0).text)
    assert not meets(rich, replace(RICH, jacobian_examples=None).text)
    assert alike(poor, rich, "predictions") is False
    assert alike(poor, rich, "operator_norms") is False
    assert not alike(rich, replace(RICH, robustness=replace(ATTACKS, pgd_steps=4)).text, "robustness")
    without_a_later_setting = rich.replace(',"pgd_steps":3', "")
    assert without_a_later_setting != rich
    assert not meets(without_a_later_setting, rich)
    corrupted = replace(RICH, corruptions=Corruptions())
    assert not meets(rich, corrupted.text)
    assert meets(corrupted.text, corrupted.text)
    assert meets(corrupted.text, rich), "what is not wanted any more does no harm"
    assert not kept(poor, rich)
    assert kept(poor, replace(RICH, every=2).text)
    assert kept(poor, replace(RICH, snapshots=2).text)
