"""Looking at what somebody else made runs nothing of theirs."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

import analysis
from analysis.figures.catalogue import FIGURES
from jobs.commands.cli import main
from jobs.support.own_folder import own_folder
from regularize import own_stores
from regularize.errors import UserError
from regularize.models import build
from regularize.named_objects import resolve
from regularize.own_code import only_trusted
from regularize.store import Store
from tests.hostile.stores import Canary, change_config, change_runs, store_in

NETWORKS = [name for name, kind in FIGURES.items() if kind.needs != "tables"]


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    return Canary(tmp_path / "canary")


@pytest.fixture
def store(tmp_path: Path, canary: Canary, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Its runs are of a model that lies in the folder one stands in."""
    store = store_in(tmp_path / "evil")
    canary.module(tmp_path / "evil_net.py")
    change_runs(store, lambda row: {"model": "evil_net:make"} | change_config(model="evil_net:make")(row))
    monkeypatch.chdir(tmp_path)
    return store


@pytest.mark.parametrize("name", ["evil_net:make", "subprocess:Popen", "os:system", "evil_net.inner:make"])
def test_what_only_a_store_names_is_imported_by_nobody_without_a_word(
    name: str, store: Store, canary: Canary, capsys: pytest.CaptureFixture[str]
) -> None:
    change_runs(store, change_config(model=name))
    assert main(["figures", str(store.folder), "weight_distributions"]) == 1
    assert "--trust-model" in capsys.readouterr().err
    canary.check()


@pytest.mark.parametrize("what", ["data", "technique"])
def test_nor_are_data_sets_and_techniques(
    what: str, store: Store, canary: Canary, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        config = json.loads(row["config"]) | {"model": "lenet5"}
        config["data"]["name"] = "evil_net:make" if what == "data" else "mnist"
        config["terms"] = [term | {"technique": "evil_net:make"} for term in config["terms"]]
        return {"config": json.dumps(config), "model": "lenet5", "dataset": config["data"]["name"]}

    change_runs(store, change)
    for words in (["status"], ["compare"], ["watch", "--once"], ["figures", "weight_distributions"]):
        assert main([words[0], str(store.folder), *words[1:]]) == (words[0] == "figures")
    assert "Traceback" not in capsys.readouterr().err
    canary.check()


def test_trusting_is_for_who_says_so_submitted_it_or_has_it_in_a_sweep_file(
    store: Store, canary: Canary, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["figures", str(store.folder), "weight_distributions"]

    def imported(*words: str) -> bool:
        canary.ran.unlink(missing_ok=True)
        sys.modules.pop("evil_net", None)
        main([*words])
        capsys.readouterr()
        return canary.ran.exists()

    theirs = tmp_path / "evil.yaml"
    theirs.write_text(store.sweep.read_text(encoding="utf-8").replace("lenet5", "evil_net:make"), "utf-8")
    store.sweep.write_text(theirs.read_text(encoding="utf-8"), encoding="utf-8")
    assert not imported(*typed)
    assert not imported("figures", str(store.sweep), "weight_distributions", "--store", str(tmp_path))
    assert not imported("verify", str(store.folder))
    assert not imported("retry", str(store.folder))
    with only_trusted(["evil_net:make"]):
        with pytest.raises(UserError, match="--trust-model"):
            resolve("model", "evil_net:other")
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert imported(*typed, "--trust-model")
    assert imported("figures", str(theirs), "weight_distributions", "--store", str(tmp_path))
    own_stores.note(store, ["evil_net:make"])
    assert imported(*typed)
    assert own_stores.submitted(Store(tmp_path / "another")) == []
    with pytest.raises(UserError, match=r"returned 9, but must return a torch.nn.Module"):
        build("evil_net:make", [0], shape=(1, 28, 28), classes=10)  # a program of one's own


class _Evil:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder / "ran"),)


@pytest.mark.parametrize("kind", ["pickle", "archive", "list", "text", "folder"])
def test_poisoned_weights_are_named_and_left_out(
    kind: str, tmp_path: Path, canary: Canary, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_in(tmp_path / "evil")
    for folder in store.packs.iterdir():
        path = store.pack(folder.name).weights
        match kind:
            case "pickle":
                path.write_bytes(pickle.dumps(_Evil(canary.folder)))
            case "archive":
                with zipfile.ZipFile(path, "w") as archive:
                    archive.writestr("weights/data.pkl", pickle.dumps(_Evil(canary.folder)))
                    archive.writestr("weights/version", "3")
            case "list":
                torch.save({"runs": [1], "model": {"fc1.weight": "no tensor"}}, path)
            case "text":
                path.write_text("no weights", encoding="utf-8")
            case "folder":
                path.unlink()
                path.mkdir()
    # A figure alone, as all of them take a while; `test_a_report_of_poisoned_weights_is_a_page` draws all.
    assert main(["figures", str(store.folder), "weight_distributions"]) == 1
    said = capsys.readouterr()
    assert "not drawn: weight_distributions-mnist-lenet5" in said.err
    assert "Traceback" not in said.err
    canary.check()


def test_a_report_of_poisoned_weights_is_a_page(
    tmp_path: Path, canary: Canary, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_in(tmp_path / "evil")
    for folder in store.packs.iterdir():
        store.pack(folder.name).weights.write_bytes(pickle.dumps(_Evil(canary.folder)))
    assert main(["report", str(store.folder)]) == 0
    assert "Traceback" not in "".join(capsys.readouterr())
    assert store.report.exists()
    canary.check()


def test_a_module_in_the_folder_one_stands_in_takes_no_librarys_place(tmp_path: Path, canary: Canary) -> None:
    store = store_in(tmp_path / "evil")
    for name in ("pickle", "random", "torch", "sitecustomize", "multiprocessing", "jobs", "evil_backend"):
        canary.module(tmp_path / f"{name}.py")
    settings = "backend: module://evil_backend\ntext.usetex: True\nanimation.ffmpeg_path: ./evil_backend.py\n"
    (tmp_path / "matplotlibrc").write_text(settings, encoding="utf-8")
    said = _typed(tmp_path, "figures", str(store.folder), *NETWORKS[:2])  # by two processes
    assert "not drawn" in said
    canary.check()


def _typed(folder: Path, *words: str) -> str:
    """The installed command, as somebody types it who stands there."""
    program = folder / "bin" / "regularize"  # as pip writes it
    program.parent.mkdir(exist_ok=True)
    program.write_text(
        "import sys\nfrom jobs.commands.cli import main\nif __name__ == '__main__': sys.exit(main())\n",
        "utf-8",
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, str(program), *words],
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["link", "open", "file"])
def test_what_jobs_run_lies_in_a_folder_of_ours_alone(tmp_path: Path, kind: str) -> None:
    folder, elsewhere = tmp_path / "jobs", tmp_path / "elsewhere"
    assert own_folder(folder).stat().st_mode & 0o777 == 0o700
    folder.rmdir()
    elsewhere.mkdir(mode=0o700)
    match kind:
        case "link":
            folder.symlink_to(elsewhere)
        case "open":
            folder.mkdir()
            folder.chmod(0o770)
        case "file":
            folder.touch(0o600)
    with pytest.raises(UserError, match="not a folder of yours alone"):
        own_folder(folder)


def test_a_store_that_is_opened_in_python_runs_and_writes_nothing_of_its_maker(
    store: Store, canary: Canary, tmp_path: Path
) -> None:
    opened = analysis.open(store.folder)
    for name in ("evil_net:make", "subprocess:Popen", "os.path:join"):
        change_runs(store, change_config(model=name))
        with pytest.raises(UserError, match="trust_model=True"):
            analysis.open(store.folder).figure("weight_distributions")
    canary.check()
    change_runs(store, change_config(model="evil_net:make"))
    with pytest.raises(UserError, match=r"returned 9"):
        analysis.open(store.folder, trust_model=True).figure("weight_distributions")
    assert "PYTHONSAFEPATH" not in os.environ  # of the program that opened it
    assert opened.runs["model"].tolist()
    for part in ("tables", "packs", "looks.json"):
        other = Store(tmp_path / part)
        other.folder.mkdir()
        (other.folder / part).symlink_to(canary.folder)
        with pytest.raises(UserError, match="leads out of its sweep's folder"):
            analysis.open(other.folder)
