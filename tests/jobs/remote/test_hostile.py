"""Hostile words in every place that takes one: refused in one line, or literal; no shell runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.commands.cli import main
from tests.jobs.remote.conftest import write
from tests.jobs.sweeps import BASE

CANARY = "pwned"
WORDS = [
    "two words",
    'it\'s "so"',
    f"a;touch {CANARY};b",
    f"a$(touch {CANARY})",
    f"a`touch {CANARY}`",
    f"a&touch {CANARY}|cat>{CANARY}",
    f"a\ntouch {CANARY}\nb",
    f"-rf$(touch {CANARY})",
    f"-oProxyCommand=touch {CANARY}",
    "ünï ✓ 中",
    "a\\b*?[c]{d,e}!!#~",
]


@pytest.fixture(autouse=True)
def no_canary(there: Path, tmp_path: Path) -> Iterator[None]:
    yield
    assert not list(tmp_path.rglob(CANARY))


def refused(capfd: pytest.CaptureFixture[str], *names: str) -> bool:
    """Whether all that was said is one error, about one of these."""
    err = capfd.readouterr().err
    said = err[err.index("error: ") :] if "error: " in err else ""
    return said.count("\n") == 1 and "Traceback" not in err and any(name in said for name in names)


@pytest.mark.parametrize(
    "word",
    [
        f'-rf$(touch {CANARY});`touch {CANARY}` it\'s "so"',
        f"-oProxyCommand=touch {CANARY}&touch {CANARY}|cat>{CANARY}",
        f"~ünï ✓ 中\n touch {CANARY}\na\\b*?[c]{{d,e}}!!#~",
    ],
)
def test_names_of_files_and_folders(there: Path, word: str, capfd: pytest.CaptureFixture[str]) -> None:
    flat = word.replace("\n", " ")  # a folder on the cluster may have no line breaks
    write(f"{word}.yaml", base=f"$THERE/{flat}", store=f"$THERE/{flat}/$(s)", data_root=f"$THERE/{flat}/d")
    Path(f"{word} sweep.yaml").write_text(BASE, encoding="utf-8")
    words = [f"./{word} sweep.yaml", f"--cluster={word}.yaml"]
    assert main(["plan", *words, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["store"] == str(there / flat / "$(s)" / "small")
    assert [path.name for path in there.iterdir()] == [flat]
    assert main(["sync", *words]) == 2
    assert refused(capfd, "there is no sweep small")


@pytest.mark.parametrize("key", ["host", "base", "store", "data_root", "partition", "python", "time", "gres"])
def test_values_of_a_cluster_config(there: Path, key: str, capfd: pytest.CaptureFixture[str]) -> None:
    """What is taken is a word for sbatch to judge, or a python that is not there."""
    for word in WORDS:
        write("far.yaml", **{key: word})
        code = main(["plan", "sweep.yaml", "--cluster", "far.yaml"])
        if key in ("partition", "gres") and not {" ", "\n", "\\"} & {*word}:
            assert code == 0
        else:
            assert code == 2
            assert refused(capfd, f"{key} is", "there is no Python to use on far")


def test_values_of_a_sweep_and_of_options(there: Path, capfd: pytest.CaptureFixture[str]) -> None:
    far = ["sweep.yaml", "--cluster", "far.yaml"]
    for number, word in enumerate(WORDS):
        key = ("name", "logs", "dataset", "logs", "model", "training.optimizer")[number % 6]
        if key == "logs":
            assert main(["logs", *far, f"--run={word}", f"--regularizer={word}", f"--state={word}"]) == 2
        else:
            assert main(["plan", *far, "--set", f"{key}={json.dumps(word)}"]) == 2
        assert refused(capfd, key.rpartition(".")[2], "data set", "state", "small")
        for option in ("--store", "--data-root"):
            assert main(["plan", *far, f"{option}={word}"]) == 2
            assert refused(capfd, f"{option} is")
