from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from regularize.data import check_known, data_root, describe, known, names, prepared
from regularize.data.official import OFFICIAL
from regularize.data.source import Facts, MissingDataError
from regularize.errors import UserError


def test_planning_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, regularize.data as d; d.describe('cifar10'); assert not d.known('x', sys.argv[1]);"
        "print({'torch', 'torchvision', 'sklearn', 'PIL', 'pandas', 'matplotlib'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_unknown_attribute() -> None:
    import regularize.data

    with pytest.raises(AttributeError, match="lode"):
        regularize.data.lode  # noqa: B018


def test_official_names_and_facts(tmp_path: Path) -> None:
    assert names(tmp_path) == names(tmp_path / "absent") == sorted(OFFICIAL)
    assert describe("cifar100", tmp_path) == Facts(
        train=50_000, test=10_000, classes=100, side=32, channels=3
    )


def test_classes_have_names_or_else_numbers() -> None:
    for name, official in OFFICIAL.items():
        assert len(set(official.class_names)) in (0, official.facts.classes), name
    hundred = OFFICIAL["cifar100"].class_names  # which are numbered in the order of the alphabet
    assert [hundred[0], hundred[99], *hundred[47:49]] == ["apple", "worm", "maple tree", "motorcycle"]
    assert list(hundred) == sorted(hundred)
    assert OFFICIAL["cifar10"].class_names[9] == "truck"


def test_own_names(tmp_path: Path) -> None:
    for folder in ("birds/train", "Upper/train", "prepared/gone", "prepared/train", "not-a-set"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "cells.npz").touch()
    (tmp_path / "prepared" / "gone" / "meta.json").touch()
    assert names(tmp_path) == sorted([*OFFICIAL, "birds", "cells", "gone"])
    assert known("birds", tmp_path)
    assert not known("Upper", tmp_path)
    assert not known("prepared", tmp_path)


def test_an_unknown_name_says_what_there_is_and_what_own_data_look_like(tmp_path: Path) -> None:
    (tmp_path / "birds" / "train").mkdir(parents=True)
    for read in (prepared, check_known):
        with pytest.raises(MissingDataError) as caught:
            read("mnsit", tmp_path)
        said = str(caught.value)
        assert said.startswith("unknown data set 'mnsit'; one of: birds, cifar10, ")
        assert "did you mean 'mnist'?" in said
        assert f"{tmp_path} has birds. " in said
        assert "folder mnsit/ (train|test/<class>/<image>" in said
        assert "train-*.parquet" in said
        assert "the file mnsit.npz" in said
    with pytest.raises(MissingDataError, match=f"{tmp_path}/none has no set of your own"):
        prepared("mnsit", tmp_path / "none")


@pytest.mark.parametrize(
    ("there", "asked", "words"),
    [
        ("Birds", "birds", "Birds is there: rename it to lower-case"),
        ("birds", "birds", "birds is there, but has neither train/ nor train"),
    ],
)
def test_what_is_almost_a_set_is_named(tmp_path: Path, there: str, asked: str, words: str) -> None:
    (tmp_path / there / "pictures").mkdir(parents=True)
    with pytest.raises(MissingDataError, match=words):
        check_known(asked, tmp_path)


@pytest.mark.parametrize("name", ["", "prepared", "../mnist", "a/b", "-a", "MNIST", "a b", "a.b"])
def test_a_name_must_be_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot name a data set"):
        prepared(name, tmp_path)


def test_a_name_with_two_meanings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own" / "train").mkdir(parents=True)
    np.savez(tmp_path / "own.npz")
    with pytest.raises(UserError, match="is both"):
        prepared("own", tmp_path)


@pytest.mark.parametrize(
    ("name", "place", "file"),
    [
        ("mnist", "MNIST/raw", "t10k-labels-idx1-ubyte"),
        ("fashion_mnist", "FashionMNIST/raw", "train-images-idx3-ubyte"),
        ("kmnist", "KMNIST/raw", "t10k-images-idx3-ubyte"),
        ("qmnist", "QMNIST/raw", "qmnist-test-labels-idx2-int"),
        ("emnist_letters", "EMNIST/raw", "emnist-letters-train-images-idx3-ubyte"),
        ("svhn", "", "test_32x32.mat"),
        ("usps", "", "usps.t.bz2"),
        ("cifar10", "cifar-10-batches-py", "data_batch_5"),
        ("cifar100", "cifar-100-python", "cifar-100-binary.tar.gz"),
    ],
)
def test_missing_official_files_say_which_go_where(tmp_path: Path, name: str, place: str, file: str) -> None:
    with pytest.raises(MissingDataError) as caught:
        prepared(name, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{name} is not in {tmp_path}: put ")
    assert str(tmp_path / place) in message
    assert file in message
    assert f"`regularize data fetch {name}`" in message


def test_ones_own_set_by_an_official_name_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "usps.npz").touch()
    with pytest.raises(
        MissingDataError, match=r"usps\.npz is not read, since usps is the name of the official"
    ):
        prepared("usps", tmp_path)


def test_data_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("REGULARIZE_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert data_root() == tmp_path / ".cache" / "regularize" / "data"
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert data_root() == Path("/cache/regularize/data")
    monkeypatch.setenv("REGULARIZE_DATA", "~/sets")
    assert data_root() == tmp_path / "sets"
    assert data_root("/given") == Path("/given")
