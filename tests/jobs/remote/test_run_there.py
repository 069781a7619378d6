"""Commands for a cluster with `host:`, through the `ssh` of conftest.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from jobs.code_copy.snapshot import Snapshot, take
from jobs.commands import ssh_commands
from jobs.commands.cli import main
from jobs.remote import run_there
from tests.jobs.remote.conftest import write


def calls(tmp_path: Path) -> int:
    return len((tmp_path / "calls").read_text().splitlines())


def test_one_round_trip_once_the_code_is_there_and_streams_and_codes_pass(
    there: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["plan", "sweep.yaml", "--cluster", "far.yaml"]
    assert main([*words, "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["store"] == str(there / "base/results/small")
    assert "sending this state of the code to far" in err
    before = calls(tmp_path)
    assert main([*words, "--set", "model=lenet6"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: --set model=lenet6: unknown model 'lenet6'")
    assert calls(tmp_path) == before + 1
    (snapshot,) = (there / "base" / "snapshots").iterdir()
    assert (snapshot / "snapshot.json").exists()
    assert not (snapshot / ".git").exists()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"host": "-oProxyCommand=touch pwned"}, "host is"),
        ({"host": "a;touch pwned"}, "host is"),
        ({"host": "$(touch pwned)"}, "host is"),
        ({"host": "ü"}, "host is"),
        ({"base": "relative"}, "base is 'relative', but must be a full path"),
        ({"base": "/a\n#SBATCH --x"}, "but must be a path without line breaks"),
        ({"base": "/a:b"}, "base is '/a:b', but must be"),
        ({"store": "/a\nb"}, "but must be a path without line breaks"),
    ],
)
def test_what_no_cluster_can_have_is_refused_before_any_connection(
    there: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], keys: dict[str, object], words: str
) -> None:
    write("far.yaml", **keys)
    assert main(["plan", "sweep.yaml", "--cluster", "far.yaml"]) == 2
    assert words in capfd.readouterr().err
    assert not (tmp_path / "calls").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["plan", "sweep.yaml", "--store", "results"],
            "--store is 'results', but must be a full path on far",
        ),
        (["plan", "none.yaml"], "none.yaml: No such file"),
        (["figures", "sweep.yaml"], "`regularize sync sweep.yaml --cluster far.yaml` brings it here"),
        (["reproduce", "part-two"], "does not run on another host"),
    ],
)
def test_what_is_wrong_on_this_side(
    there: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main([*arguments, "--cluster", "far.yaml"]) == 2
    assert words in capfd.readouterr().err
    assert not (tmp_path / "calls").exists()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    """A project that requires one small package."""
    project = b"tiny>=1\n"
    made = Snapshot({"requirements.txt": project, "x.py": b""}, frozenset())
    monkeypatch.setattr(run_there, "take", lambda: made)
    return made


def test_setup_builds_an_environment_from_an_index_and_goes_on_with_it(
    there: Path, tmp_path: Path, tiny: Snapshot, capfd: pytest.CaptureFixture[str]
) -> None:
    write("far.yaml", python=None, setup=["export FROM_SETUP=1", "echo loading"])
    words = ["cluster", "setup", "far.yaml", "--index-url", (tmp_path / "in dex").as_uri()]
    assert main(words) == 2  # no such package yet
    assert "the environment on far is not complete" in capfd.readouterr().err
    folder = tmp_path / "in dex" / "tiny"
    folder.mkdir(parents=True)
    name = "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        meta = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
        wheel.writestr("tiny-1.0.dist-info/METADATA", meta)
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{name}">{name}</a>')
    assert main(words) == 0
    assert capfd.readouterr().out.startswith(f"{there}/base/venv/bin/python 3.")


def test_setup_with_a_given_python_names_what_that_lacks(
    there: Path, tiny: Snapshot, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["cluster", "setup", "far.yaml"]) == 2
    assert f"{sys.executable} lacks tiny" in capfd.readouterr().err


def test_without_an_environment_the_error_names_setup(
    there: Path, tiny: Snapshot, capfd: pytest.CaptureFixture[str]
) -> None:
    write("far.yaml", python=None)
    assert main(["plan", "sweep.yaml", "--cluster", "far.yaml"]) == 2
    assert "`regularize cluster setup far.yaml` builds one" in capfd.readouterr().err


def test_a_snapshot_that_differs_travels_by_what_differs(there: Path, tmp_path: Path) -> None:
    same = {f"part/{number}.py": bytes(1000) for number in range(3)}
    for content in (b"1", b"2"):
        made = Snapshot({"a.py": content, **same}, frozenset())
        place = ssh_commands.remote("far.yaml", ssh_commands.load_cluster("far.yaml"))
        run_there.upload(place.ssh, place.cluster, made)
    first, second = sorted((there / "base" / "snapshots").iterdir())
    assert (first / "part/1.py").stat().st_ino == (second / "part/1.py").stat().st_ino
    assert (first / "a.py").stat().st_ino != (second / "a.py").stat().st_ino


def test_the_code_of_a_snapshot_knows_its_commit(tmp_path: Path) -> None:
    made = take()
    made.write(tmp_path / "copy")
    program = "from regularize.store import git_commit; print(git_commit())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path / "copy",
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "copy")},
    )
    assert json.loads(made.files["snapshot.json"]) == {"commit": done.stdout.strip()}
