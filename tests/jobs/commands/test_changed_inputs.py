"""Results of other code and other data in a store: refused, kept, replaced, or proved equal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from regularize.store import Store, read_json

REPOSITORY = Path(__file__).parents[3]
PACKAGES = ("regularize", "jobs", "analysis", "cluster_configs")
SWEEP = """\
name: small
dataset: digits
model: mlp
training: {{steps: 3, batch_size: 16}}
regularizers: {entries}
seeds: {seeds}
evaluation: {{jacobian_examples: 0}}
"""
L2 = "{l2: {strength: 0.1}}"
MAIN = "import sys; from jobs.commands.cli import main; sys.exit(main())"


class Checkout:
    """A copy of the code in which lines can be changed, and commands that run it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.code = folder, folder / "code"
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(REPOSITORY / package, self.code / package, ignore=ignored)
        self.store = Store(folder / "results" / "small")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        ours = {"PYTHONPATH": str(self.code), "REGULARIZE_DATA": str(self.folder / "data")}
        return subprocess.run(
            [sys.executable, "-c", MAIN, *words],
            cwd=self.folder,
            env=os.environ | ours,
            capture_output=True,
            text=True,
            check=False,
        )

    def submit(self, *options: str, seeds: str = "2", entries: str = L2) -> subprocess.CompletedProcess[str]:
        text = SWEEP.format(seeds=seeds, entries=entries)
        (self.folder / "sweep.yaml").write_text(text, encoding="utf-8")
        return self.run("submit", "sweep.yaml", "--max-tasks", "1", *options)

    def change(self, path: str, old: str, new: str) -> None:
        file = self.code / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def codes(self) -> list[str]:
        rows = [
            row
            for path in sorted(self.store.packs.glob("*/results.parquet"))
            for row in pq.read_table(path).to_pylist()
        ]
        return sorted(row["code"] for row in rows)


PENALTY = "regularize/regularizers/l2.py"
HALF = ("/ 2", "/ 3")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    found = Checkout(tmp_path)
    done = found.submit()
    assert done.returncode == 0, done.stderr
    return found


def test_other_code_is_refused_and_named_until_somebody_says_what_becomes_of_its_results(
    checkout: Checkout,
) -> None:
    checkout.change(PENALTY, "from __future__", "# Only a comment.\nfrom __future__")
    done = checkout.submit()
    assert (done.returncode, "nothing to do" in done.stdout) == (0, True), done.stderr

    checkout.change(PENALTY, *HALF)
    before = checkout.codes()
    done = checkout.submit(seeds="3")
    assert done.returncode == 2
    assert f"2 runs were trained by other code ({before[0]}): regularizers/l2.py +1 −1" in done.stderr
    assert "nothing has been submitted" in done.stderr
    assert "--code keep" in done.stderr
    assert checkout.codes() == before
    assert "3 runs" not in checkout.store.sweep.read_text(encoding="utf-8")
    assert "2 runs were trained by other code" in checkout.run("plan", "sweep.yaml").stderr
    assert "2 runs were trained by other code" in checkout.run("status", "sweep.yaml").stdout

    done = checkout.submit("--code", "verify", seeds="3")
    assert done.returncode == 2
    assert "differs, first in results." in done.stderr

    done = checkout.submit("--code", "keep", seeds="3")
    assert done.returncode == 0, done.stderr
    assert len(set(checkout.codes())) == 2
    (entry,) = read_json(checkout.store.accepted)
    assert (entry["kind"], entry["how"], entry["runs"]) == ("code", "kept", 2)
    assert "2 codes" in checkout.run("compare", "sweep.yaml").stdout
    assert checkout.submit(seeds="3").returncode == 0


def test_code_that_proves_equal_is_accepted_as_equal(checkout: Checkout) -> None:
    checkout.change("regularize/rng.py", "import torch\n", "import torch\n\nHARMLESS = 1\n")
    assert checkout.submit().returncode == 2
    done = checkout.submit("--code", "verify")
    assert done.returncode == 0, done.stderr
    assert "gave the same bits" in done.stderr
    assert read_json(checkout.store.accepted)[0]["how"] == "proved equal"
    assert checkout.submit().returncode == 0


def test_all_is_trained_again_where_that_is_asked_for(checkout: Checkout) -> None:
    before = checkout.codes()
    checkout.change(PENALTY, *HALF)
    done = checkout.submit("--code", "retrain")
    assert done.returncode == 0, done.stderr
    assert len(checkout.codes()) == 2
    assert not set(checkout.codes()) & set(before)
    assert list(checkout.store.replaced.glob("*/results.parquet"))


def test_verify_says_that_every_number_is_equal_or_where_the_first_differs(checkout: Checkout) -> None:
    done = checkout.run("verify", "sweep.yaml", "-n", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("every number is equal") == 2
    assert not list((checkout.store.folder / "verify").iterdir())

    checkout.change(PENALTY, *HALF)
    done = checkout.run("verify", "sweep.yaml", "-n", "1")
    assert (done.returncode, done.stdout.count("differs in results.")) == (1, 1)


def test_other_data_of_the_same_name_are_refused(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    rng = np.random.default_rng(0)
    arrays = {
        "train_images": rng.integers(0, 256, (40, 8, 8), dtype=np.uint8),
        "test_images": rng.integers(0, 256, (10, 8, 8), dtype=np.uint8),
        "train_labels": np.arange(40) % 4,
        "test_labels": np.arange(10) % 4,
    }
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "own.npz", **arrays)
    own = ["--set", "dataset=own"]
    assert checkout.submit(*own).returncode == 0
    wrong = {**arrays, "train_labels": np.roll(arrays["train_labels"], 1)}
    np.savez(tmp_path / "data" / "own.npz", **wrong)
    done = checkout.submit(*own, seeds="3")
    assert done.returncode == 2
    assert "2 runs were trained on other data" in done.stderr
    assert "own had 40 + 10 images of 4 classes, has 40 + 10 images of 4 classes" in done.stderr
    done = checkout.submit(*own, "--data", "retrain", seeds="3")
    assert done.returncode == 0, done.stderr
    np.savez(tmp_path / "data" / "own.npz", **wrong)  # other times, the same content
    assert checkout.submit(*own, seeds="3").returncode == 0


NETWORK = """\
import torch
from helper import width


def net(shape, classes):
    layers = torch.nn.LazyLinear(width()), torch.nn.Linear(width(), classes)
    network = torch.nn.Sequential(torch.nn.Flatten(), *layers)
    network(torch.zeros(1, *shape))
    return network
"""
ODD = {"kind": "code", "name": [1], "today": "", "how": "", "runs": 1, "time": ""}


def images(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "train_images": rng.integers(0, 256, (40, 8, 8), dtype=np.uint8),
        "test_images": rng.integers(0, 256, (10, 8, 8), dtype=np.uint8),
        "train_labels": np.arange(40) % 4,
        "test_labels": np.arange(10) % 4,
    }


def test_two_data_sets_that_have_changed_places_and_a_models_helper_are_seen(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    (tmp_path / "data").mkdir()
    for number, name in enumerate(("own", "two")):
        np.savez(tmp_path / "data" / f"{name}.npz", **images(number))
    (checkout.code / "mynet.py").write_text(NETWORK)
    (checkout.code / "helper.py").write_text("def width():\n    return 4\n")
    both = ["--set", "dataset=[own, two]", "--set", "model=mynet:net"]
    done = checkout.submit(*both, seeds="1")
    assert done.returncode == 0, done.stderr

    places = [tmp_path / "data" / f"{name}.npz" for name in ("own", "aside", "two")]
    for one, other in ((0, 1), (2, 0), (1, 2)):
        places[one].rename(places[other])
    done = checkout.submit(*both, seeds="2")
    assert (done.returncode, done.stderr.count("trained on other data")) == (2, 2), done.stderr
    for one, other in ((2, 1), (0, 2), (1, 0)):
        places[one].rename(places[other])

    checkout.change("helper.py", "return 4", "return 5")
    (checkout.code / "regularize" / "regularizers" / ".#l2.py").symlink_to("nowhere")  # as editors leave
    done = checkout.submit(*both, seeds="2")
    assert done.returncode == 2
    assert "helper.py +1 −1" in done.stderr


def test_what_is_kept_of_code_and_data_may_be_damaged(checkout: Checkout) -> None:
    (kept,) = checkout.store.code("a" * 12).parent.glob("*.zip")
    whole = kept.read_bytes()
    checkout.change(PENALTY, *HALF)
    kept.write_bytes(whole[:200] + bytes(255 - byte for byte in whole[200:400]) + whole[400:])
    checkout.store.accepted.write_text(
        '[{"kind": "code", "name": [1], "today": "", "how": "", "runs": 1, "time": ""}]'
    )
    done = checkout.submit()
    assert (done.returncode, f"{kept.name} is damaged" in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr
