"""Users and terminals that are not like ours: other encodings, no home, folders that are none."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from jobs.commands.cli import main
from regularize.store import Store
from tests.analysis.conftest import Sweep, build_store

SWEEP = "name: small\ndataset: digits\nmodel: mlp\ntraining: {steps: 3}\nregularizers: {none: }\nseeds: 1\n"
PROGRAM = "import sys; from jobs.commands.cli import main; sys.exit(main())"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return build_store(
        tmp_path / "sweep",
        Sweep(epochs=2, tune=(), report=range(1, 8), strengths={"none": [""], "l2": ["0.1"]}),
    )


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
@pytest.mark.parametrize("words", [["compare"], ["watch", "--once"], ["status"], ["figures", "forest"]])
def test_a_terminal_that_is_not_of_utf_8_gets_what_it_can_show(
    store: Store, encoding: str, words: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    assert main([words[0], str(store.folder), *words[1:]]) == 0
    assert raw.getvalue()


def test_a_user_without_a_home_says_where_data_are(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP, encoding="utf-8")

    def plan(*options: str) -> subprocess.CompletedProcess[str]:
        nobody = [
            "unshare",
            "--map-user=54321",
            "--map-group=54321",
            "env",
            "-u",
            "HOME",
            "-u",
            "XDG_CACHE_HOME",
        ]
        command = [*nobody, sys.executable, "-c", PROGRAM, "plan", "sweep.yaml", *options]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": "/usr/bin:/bin:/usr/sbin"},
            capture_output=True,
            text=True,
            check=False,
        )

    done = plan()
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        "this user has no home folder; say where data are, by --data-root or $REGULARIZE_DATA" in done.stderr
    )
    done = plan("--data-root", "data")
    assert (done.returncode, done.stderr) == (0, "")


def a_file(path: Path) -> None:
    path.touch()


def a_loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("instead", [a_file, a_loop])
@pytest.mark.parametrize("place", ["packs", "tables"])
def test_what_is_no_folder_is_one_line(
    store: Store, place: str, instead: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = store.folder / place
    if folder.exists():
        folder.rename(store.folder / "aside")
    instead(folder)
    before = sorted(store.folder.iterdir())
    assert main(["collect", str(store.folder)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert (err.count("\n"), place in err) == (1, True)
    assert sorted(store.folder.iterdir()) == before
