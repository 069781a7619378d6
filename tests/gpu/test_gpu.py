"""The program for a GPU, tried on the CPU as small as can be; what it measures there is not looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from regularize import form_trial, remembered
from tests.gpu import equalities, speed
from tests.gpu.__main__ import main
from tests.regularize import technique_cases
from tests.regularize.numbered_gpu import gpu


def test_it_measures_and_writes_all_that_it_is_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("REGULARIZE_DATA", str(tmp_path))  # without MNIST
    out = tmp_path / "gpu.json"
    main(["--device", "cpu", "--sizes", "1", "2", "--steps", "1", "--cases", "dropout", "--out", str(out)])
    found = json.loads(out.read_text(encoding="utf-8"))
    printed = capsys.readouterr().out
    ways = {*speed.TECHNIQUES, *speed.WAYS, "plain loop", "plain loop, graph", "vmap"}
    assert {(row["what"], row["beside"]) for row in found["speed"]} == {(w, r) for w in ways for r in (1, 2)}
    assert all(row["run_steps_per_second"] > 0 for row in found["speed"])
    assert found["chosen"]["fastest"] in (1, 2)
    assert found["chosen"]["auto"] in (1, 2)
    assert found["chosen"]["other_ways"].keys() == speed.WAYS.keys()
    kernels = {(row["what"], row["kernels"]) for row in found["speed"] if row["what"] in speed.WAYS}
    assert all(way == "as they come" or way in used for way, used in kernels)
    assert set(found["chosen"]["of_a_plain_step"]) == set(speed.LIMITS)
    first, dropout, ranks = found["equalities"]
    assert (first["what"], first["alone"]) == ("l2, 1 ranks by gloo", 0.0)
    assert (ranks["what"], ranks["alone"]) == ("dropout, 1 ranks by gloo", 0.0)
    assert (dropout["what"], dropout["resumed"], dropout["alone"] <= 1e-9) == ("dropout", [], True)
    assert dropout["eager"] == 0.0, "on a CPU there is no other way"
    assert not equalities.failed(found["equalities"])
    assert "times the plain loop" in printed
    assert "the same bits" in printed


def test_the_size_that_auto_takes_is_measured_whatever_time_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARIZE_DATA", str(tmp_path))
    found = list(speed.rows("digits", [2, 1], 1, lambda: False))
    assert {row["runs"] for row in found if row.get("what") == "none"} == {2}
    assert [(row["runs"], row["problem"]) for row in found if "problem" in row] == [(1, "no time was left")]
    assert speed.judged(found, 2)["times_the_plain_loop"] > 0


def test_all_that_it_measures_goes_on_a_gpu_as_far_as_one_that_is_none_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARIZE_DATA", str(tmp_path))
    monkeypatch.setenv(remembered.CACHE, str(tmp_path / "measured"))
    monkeypatch.setattr(form_trial, "_RUNS", 2)
    monkeypatch.setattr(form_trial, "_BATCH", 2)
    with gpu():
        assert speed.auto("digits", [1, 2]) in (1, 2)
        found = list(speed.rows("digits", [2], 1, lambda: True))
        equal = list(equalities.rows({"l2": technique_cases.TABLE["l2"]}, tmp_path, lambda: True))
    ways = {*speed.TECHNIQUES, *speed.WAYS, "plain loop", "plain loop, graph", "vmap"}
    assert {row["what"] for row in found if "problem" not in row} == ways
    used = {row["what"]: row["kernels"] for row in found}
    assert used.pop("as they come").endswith("REGULARIZE_GRAPHS is off")
    assert all(kernels.endswith("steps as a graph") for kernels in used.values() if kernels)
    assert not equalities.failed(equal)


def test_without_a_gpu_it_says_so_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "torch sees no GPU here: nothing is measured (--device cpu tries the program itself)"
    ]


def test_ranks_train_every_case_while_there_is_time(tmp_path: Path) -> None:
    cases = {name: technique_cases.TABLE[name] for name in ("l2", "dropout")}
    found = equalities.by_ranks(cases, tmp_path, 2, 60.0)
    assert [row["what"] for row in found] == ["l2, 2 ranks by gloo", "dropout, 2 ranks by gloo"]
    assert all(0 < row["alone"] <= equalities.FAR for row in found), found
    late = equalities.by_ranks(cases, tmp_path / "late", 2, -1.0)
    assert [row["problem"] for row in late] == ["no time was left"] * 2


def row(what: str, runs: int, milliseconds: float, beside: int) -> dict[str, object]:
    return {"what": what, "runs": runs, "beside": beside, "milliseconds": milliseconds,
            "run_steps_per_second": 1000 * runs / milliseconds}  # fmt: skip


def test_limits_are_held_at_the_size_that_auto_takes() -> None:
    found = [row("plain loop", 1, 12.0, r) for r in (4, 8, 16)]
    found += [row("none", 4, 4.0, 4), row("none", 8, 4.1, 8), row("none", 16, 8.1, 16)]
    found += [row("dropout", 8, 4.5, 8), row("Jacobian", 8, 12.3, 8), row("convolutions products", 8, 8.2, 8)]
    found += [{"what": "vmap", "problem": "memory"}]
    chosen = speed.judged(found, 8)
    assert (chosen["auto"], chosen["fastest"]) == (8, 8)
    assert chosen["times_the_plain_loop"] == pytest.approx(8 / 4.1 * 12)
    assert chosen["missed"] == [
        "input noise was not measured at R = 8",
        "Jacobian takes 3.00 plain steps, more than 2.5",
    ]
    assert chosen["other_ways"] == {"convolutions products": pytest.approx(2)}
    slow = speed.judged(found, 4)
    assert (slow["auto"], slow["fastest"]) == (4, 8)
    assert slow["missed"][0] == "12.0 times the plain loop are less than 20"
    assert speed.judged(found, 32)["missed"] == ["R = 32, auto's, was not measured"]


def test_what_does_not_hold_fails() -> None:
    assert equalities.failed([{"what": "e", "alone": 0.0, "eager": 1e-6, "resumed": []}]) == ["e"]
    bad = [{"what": "a", "alone": 1e-6, "resumed": []}, {"what": "b", "alone": 0.0, "resumed": ["results"]}]
    good = {"what": "c", "alone": 0.0, "resumed": []}
    assert equalities.failed([*bad, good, {"what": "d", "problem": "no time was left"}]) == ["a", "b", "d"]
