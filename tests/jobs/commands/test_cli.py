from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.statistics.strength_selection import select
from jobs.commands.cli import main
from jobs.commands.parser import parser
from jobs.store.runs_table import write_runs
from jobs.sweep.run_grid import tune_runs
from jobs.sweep.sweep_file import load_sweep
from regularize import fused
from regularize.store import Store
from tests.analysis.conftest import Sweep as Synthetic
from tests.analysis.conftest import build_store
from tests.jobs.stores import write_pack
from tests.jobs.sweeps import BASE

REPOSITORY = Path(__file__).parents[3]
HEAVY = ("torch", "pandas", "matplotlib", "sklearn", "torchvision", "scipy")
UNNAMED = "{technique: dropout, p: 0.5, layers: [fc9]}"
THEIRS = "class Deep:\n    def __init__(self, shape, classes, depth):\n        pass\n"
FLAT = "{technique: jacobian_determinant, strength: 1, form: signed}"
SUBMITTING = ("submitit", "pyarrow.compute", "jobs.sweep.sweep_file")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGULARIZE_STORE", raising=False)
    monkeypatch.setenv("REGULARIZE_DATA", str(tmp_path / "data"))
    Path("sweep.yaml").write_text(BASE, encoding="utf-8")


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """`regularize train` listens to signals for as long as the process lives."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def imported(*arguments: str) -> set[str]:
    """The heavy modules, pyarrow and what submits among them, that a command has imported when it ends."""
    program = (
        "import sys\nfrom jobs.commands.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(' '.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert done.stdout
    return set(done.stderr.split()) & {*HEAVY, *SUBMITTING, "pyarrow", "numpy", "rich"}


def test_help_imports_nothing_heavy() -> None:
    assert imported("--help") == set()


@pytest.mark.parametrize("arguments", [("plan", "sweep.yaml"), ("data", "list")])
def test_planning_needs_no_torch_and_no_pandas(arguments: tuple[str, ...]) -> None:
    assert imported(*arguments).isdisjoint(HEAVY)


def test_a_status_needs_nothing_of_what_submits_and_trains() -> None:
    write_runs(Store(Path("results/small")), tune_runs(load_sweep(Path("sweep.yaml"))), complete=False)
    assert imported("status", "results/small").isdisjoint({*HEAVY, *SUBMITTING})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan", "none.yaml"], "none.yaml: No such file"),
        (["plan", "sweep.yaml", "--set", "model=lenet6"], "unknown model 'lenet6'"),
        (
            ["plan", "sweep.yaml", "--set", "dataset=mnits"],
            "unknown data set 'mnits'; one of: .*did you mean 'mnist'",
        ),
        (["plan", "sweep.yaml", "--cluster", "far"], "unknown cluster 'far'"),
        (["submit", "sweep.yaml", "--cluster", "far"], "unknown cluster 'far'"),
        (["submit", "sweep.yaml", "--set", "dataset=mnist"], "mnist is not in .*regularize data fetch mnist"),
        (
            ["submit", "sweep.yaml", "--set", "dataset={digits: {per_class: 200}}"],
            "per_class is 200, but digits has at most 129 examples of every class left",
        ),
        (["submit", "sweep.yaml", "--set", "dataset=clusters"], "model lenet5 takes images of"),
        (
            ["plan", "sweep.yaml", "--set", f"regularizers.a={UNNAMED}"],
            "layers of dropout has 'fc9'.*one of: fc1, ",
        ),
        (["submit", "sweep.yaml", "--set", f"regularizers.a={UNNAMED}"], "layers of dropout has 'fc9'"),
        (["submit", "sweep.yaml", "--set", f"regularizers.a={FLAT}"], "'signed', but the Jacobian is 10×784"),
        (
            ["submit", "sweep.yaml", "--set", "model='theirs:Deep'"],
            r"model theirs:Deep cannot be built: TypeError: .* missing 1 required positional argument: "
            r"'depth' \(/.*/theirs\.py:1\); nothing has been submitted\n$",
        ),
        (["status", "sweep.yaml"], "nothing has been submitted"),
        (["status", "."], "nothing has been submitted"),
        (["collect", "sweep.yaml"], "nothing has been submitted to it"),
        (["figures", "sweep.yaml"], "nothing has been submitted to it"),
        (["data", "fetch", "mnits"], "did you mean 'mnist'"),
        (["train", "sweep.yaml", "--regularizer", "l3"], "no such run has regularizer l3; one of: l2, none"),
        (["train", "sweep.yaml", "--seed", "7"], "no such run has seed 7; one of: 0, 1"),
    ],
)
def test_what_a_user_can_mend_is_said_in_a_line_and_nothing_is_written(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("theirs.py").write_text(THEIRS, encoding="utf-8")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert re.search(words, err)
    assert not Path("results").exists()


@pytest.mark.parametrize("arguments", [[], ["sync"], ["plan", "sweep.yaml", "--max-tasks", "0"], ["plam"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: regularize" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        "figures S.yaml --store X forest spectra",
        "figures S.yaml forest --store X spectra",
        "figures --store X S.yaml forest spectra",
    ],
)
def test_names_stand_before_between_and_after_options(arguments: str) -> None:
    found = parser().parse_args(arguments.split())
    assert (found.target, found.store, found.names) == (Path("S.yaml"), Path("X"), ["forest", "spectra"])
    fetched = parser().parse_args(["data", "fetch", "mnist", "--cluster", "here", "digits"])
    assert (fetched.names, fetched.cluster) == (["mnist", "digits"], "here")


def test_plan_shows_a_table_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "sweep.yaml", "--max-tasks", "1"]) == 0
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines()[:3]] == [
        ["regularizer", "digits"],
        ["none", "2", "+", "3"],
        ["l2", "4", "+", "3"],
    ]
    assert "6 runs to do in 2 packs on 1 task" in out
    assert "then 6 report runs" in out
    assert [path.name for path in Path().iterdir()] == ["sweep.yaml"]


def test_plan_says_so_where_measuring_takes_longer_than_training(capsys: pytest.CaptureFixture[str]) -> None:
    words = "of the time goes into measuring; `evaluation:` in the sweep can ask for less"
    assert main(["plan", "sweep.yaml", "--set", "training.epochs=40"]) == 0
    out = capsys.readouterr().out
    assert words not in out
    assert re.search(r"^\d+% of the time goes into measuring$", out, re.MULTILINE), (
        "it always says what it costs"
    )
    assert "no conclusion can be drawn from 3 report seeds: with 1 comparison 6 are needed" in out
    assert main(["plan", "sweep.yaml", "--set", "evaluation={robustness: {pgd_steps: 500}}"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if words in line]
    assert re.match(r"(5[1-9]|[6-9]\d)% ", line)


def test_plan_says_what_computes_each_of_the_runs(capsys: pytest.CaptureFixture[str]) -> None:
    def said(*changed: str) -> str:
        assert main(["plan", "sweep.yaml", "--json", *(f"--set={each}" for each in changed)]) == 0
        return str(json.loads(capsys.readouterr().out)["kernels"])

    usual = said()
    assert usual == fused.expected()
    assert said("model=lenet5_tanh") == usual
    assert said("training.precision=float64") == "torch: float64 on cpu"
    assert said("model=mlp") == "torch: no fused stages for this model"
    both = {f"{usual} (6 runs)", "torch: no fused stages for this model (6 runs)"}
    assert set(said("model=[lenet5, lenet5_tanh width=9]").split("; ")) == both
    assert set(said("model={lenet5: {width: [1, 9]}}").split("; ")) == both
    assert main(["plan", "sweep.yaml"]) == 0
    assert f"kernels: {usual}\n" in capsys.readouterr().out


def test_plan_gives_json_of_the_store_named(capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(Path("elsewhere/small"))
    runs = [run.config.run_id for run in tune_runs(load_sweep(Path("sweep.yaml")))]
    write_pack(store, runs[:2], "done")
    assert main(["plan", "sweep.yaml", "--json", "--store", "elsewhere"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["sweep"], found["store"], found["done"], found["to_do"]) == (
        "small",
        "elsewhere/small",
        2,
        4,
    )


def test_status_shows_a_store_by_its_sweep_or_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    runs, store = tune_runs(load_sweep(Path("sweep.yaml"))), Store(Path("results/small"))
    write_runs(store, runs, complete=False)
    write_pack(store, [run.config.run_id for run in runs[:2]], "done")
    assert main(["status", "sweep.yaml"]) == 0
    assert "2 of 6 runs done" in capsys.readouterr().out
    assert main(["status", "results/small", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["runs"]["done"], found["runs"]["planned"]) == (2, 4)


def test_collect_and_figures_of_a_finished_store(capsys: pytest.CaptureFixture[str]) -> None:
    build_store(Path("results/small"), Synthetic(datasets=("digits",), epochs=3))
    assert main(["collect", "sweep.yaml"]) == 0
    select(Store(Path("results/small")))  # as a submission does once the tune runs are done
    assert main(["figures", "sweep.yaml", "loss_gap"]) == 0
    out, err = capsys.readouterr()
    assert "tables are in results/small/tables" in out
    figure = Path("results/small/figures/loss_gap-digits-lenet5.pdf")
    assert f"{figure}\n  Digits" in out
    assert figure.exists()
    assert "Label smoothing" not in out
    assert "Dropout" in out
    assert "runs have results, 0 diverged" in err


def test_train_runs_one_run_of_the_sweep(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "jobs.local.train_one_run.LOOK_SECONDS", math.inf
    )  # on a slow machine it would say more
    few = ["--set", "training={steps: 2, batch_size: 8}", "--strength", "1.0e-4", "--out", "one"]
    assert main(["train", "sweep.yaml", *few]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "digits lenet5 l2 0.0001 seed 0"
    assert out[1].startswith("epoch   0.01  validation loss ")
    assert out[-1].startswith("done: validation accuracy "), "of a tune seed nobody sees test scores"
    assert Path("one/weights.pt").exists()
    assert main(["train", "sweep.yaml", *few, "--seed", "1"]) == 2
    assert "one holds another run" in capsys.readouterr().err


def test_a_closed_pipe_ends_quietly() -> None:
    program = "import sys; from jobs.commands.cli import main; sys.exit(main())"
    shown = subprocess.Popen(
        [sys.executable, "-c", program, "plan", "sweep.yaml", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert shown.stdout
    shown.stdout.close()
    assert shown.stderr
    assert shown.stderr.read() == ""
    shown.stderr.close()
    assert shown.wait() == 1


def test_interrupting_any_command_gives_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("jobs.commands.sweep_commands.plan", interrupted)
    assert main(["plan", "sweep.yaml"]) == 130


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "raise ImportError('\\nPLEASE READ\\n\\nOriginal error was: no _multiarray\\n', name='numpy')",
            "numpy cannot be loaded in this environment: Original error was: no _multiarray",
        ),
        (
            "raise ValueError('numpy.dtype size changed')",
            "pyarrow cannot be loaded in this environment: ValueError: numpy.dtype size changed",
        ),
        (
            "import ctypes; ctypes.CDLL('libcudart.so.99')",
            "pyarrow cannot be loaded in this environment: OSError: ",
        ),
        ("print 'of Python 2'", "pyarrow/__init__.py cannot be loaded in this environment: SyntaxError: "),
    ],
)
def test_a_library_that_does_not_load_is_named_with_whose_it_may_be(
    tmp_path: Path, source: str, words: str
) -> None:
    (tmp_path / "pyarrow").mkdir()
    (tmp_path / "pyarrow" / "__init__.py").write_text(source, encoding="utf-8")
    path = f"{tmp_path}:{REPOSITORY}"
    program = "import sys; from jobs.commands.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "submit", str(REPOSITORY / "examples" / "demo.yaml")],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert done.stderr.endswith(
        f"; PYTHONPATH is {path}, perhaps a module's: unset it, or load another module\n"
    )
