"""`--regularizer --dataset --state --run`: of which runs `status` and `logs` speak."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from jobs.commands.cli import main
from jobs.watch.start_command import run_command
from regularize.store import RUNS, Store, write_table
from tests.jobs.stores import write_pack

STORE = Store(Path("results/small"))
# run id: data set, examples a class, regularizer, state
TABLE = {
    "aa01": ("digits", None, "none", "done"),
    "aa02": ("digits", None, "l2", "failed"),
    "ab03": ("digits", 5, "none", "running"),
    "ab04": ("digits", 5, "l2", "failed"),
    "ac05": ("mnist", None, "l2", "planned"),
    "ac06": ("mnist", None, "dropout", "failed"),
}


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run a pack of its own, with a log or an error that names it."""
    monkeypatch.chdir(tmp_path)
    shared = {"phase": "tune", "model": "lenet5", "strength": "", "strength_value": None, "seed": 0}
    shared |= {"pack_key": "", "planned": True, "config": "{}"}
    rows = [
        {"run_id": run, "dataset": dataset, "per_class": few, "regularizer": regularizer} | shared
        for run, (dataset, few, regularizer, _) in TABLE.items()
    ]
    write_table(STORE.runs, rows, RUNS)
    STORE.logs.mkdir()
    for run, (*_, state) in TABLE.items():
        if state != "planned":
            paths = write_pack(STORE, [run], state, job=f"7_{run}_0")
            paths.error.write_text(f"error of {run}\n")
            (STORE.logs / f"7_{run}_0_log.out").write_text(f"log of {run}\n")


FILTERS = [
    ((), "aa01 aa02 ab03 ab04 ac05 ac06"),
    (("--regularizer", "l2"), "aa02 ab04 ac05"),
    (("--regularizer", "l2", "--regularizer", "dropout"), "aa02 ab04 ac05 ac06"),
    (("--dataset", "mnist"), "ac05 ac06"),
    (("--dataset", "digits"), "aa01 aa02 ab03 ab04"),
    (("--dataset", "digits (5 per class)"), "ab03 ab04"),
    (("--state", "failed"), "aa02 ab04 ac06"),
    (("--state", "done", "--state", "running"), "aa01 ab03"),
    (("--run", "ab"), "ab03 ab04"),
    (("--run", "aa01", "--run", "ac"), "aa01 ac05 ac06"),
    (("--regularizer", "none", "--dataset", "digits", "--state", "done", "--run", "a"), "aa01"),
    (("--dataset", "mnist", "--state", "done"), ""),
]


@pytest.mark.parametrize(("options", "wanted"), FILTERS)
def test_status_counts_the_runs_that_match(
    options: tuple[str, ...], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(STORE.folder), "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    states = [TABLE[run][-1] for run in wanted.split()]
    assert {state: count for state, count in found["runs"].items() if count} == {
        state: states.count(state) for state in states
    }
    cells = {(cell["regularizer"], cell["dataset"]) for cell in found["cells"]}
    assert cells == {(TABLE[run][2], label(run)) for run in wanted.split()}


def label(run: str) -> str:
    dataset, few, *_ = TABLE[run]
    return f"{dataset} ({few} per class)" if few else dataset


@pytest.mark.parametrize(("options", "wanted"), FILTERS)
def test_logs_show_the_runs_that_match(
    options: tuple[str, ...], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a filter those that failed; of what has not begun there is none."""
    assert main(["logs", str(STORE.folder), *options]) == 0
    shown = {" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if " of " in line}
    kinds = {"failed": "error", "done": "log", "running": "log"} if options else {"failed": "error"}
    states = {run: TABLE[run][-1] for run in wanted.split()}
    assert shown == {f"{kinds[state]} of {run}" for run, state in states.items() if state in kinds}


@pytest.mark.parametrize("command", ["status", "logs"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--regularizer", "l3"),
            "--regularizer l3: the sweep has one of: dropout, l2, none; did you mean 'l2'?",
        ),
        (
            ("--dataset", "mnits"),
            "--dataset mnits: the sweep has one of: digits, mnist; did you mean 'mnist'?",
        ),
        (("--run", "b"), "--run b: no run of the sweep has an id that begins so"),
    ],
)
def test_what_no_run_has_is_refused(
    command: str, options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(STORE.folder), *options]) == 2
    assert capsys.readouterr() == ("", f"error: {words}\n")


def test_more_runs_than_an_argument_list_holds_come_by_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("aa02\nab04\n"))
    assert main(["logs", str(STORE.folder), "--run", "-", "--run", "ac06"]) == 0
    said = capsys.readouterr().out
    assert [run for run in TABLE if f"error of {run}" in said] == ["aa02", "ab04", "ac06"]
    # As the interface starts it: three megabytes of ids.
    assert "error of aa02" in run_command(STORE, "logs", ["aa02"] * 200_000)


@pytest.mark.parametrize("given", [io.StringIO("\n"), None], ids=["empty", "closed"])
def test_no_run_from_standard_input_is_not_every_run(
    given: io.StringIO | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", given)
    with pytest.raises(SystemExit) as ended:
        main(["cancel", str(STORE.folder), "--run", "-"])
    assert ended.value.code == 2
    assert "argument --run: standard input names no run" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "logs", "cancel", "retry"])
def test_an_id_that_is_empty_is_not_every_run(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As a script gives it that never set its variable."""
    with pytest.raises(SystemExit) as ended:
        main([command, str(STORE.folder), "--run", ""])
    assert ended.value.code == 2
    assert "argument --run: no id" in capsys.readouterr().err
