"""Accuracy on corrupted copies of the digits' test part, in files of the two official layouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from regularize import models
from regularize.batches import Batches
from regularize.data import Form, load, look, staged
from regularize.data.corrupted import check, find
from regularize.errors import UserError
from regularize.evaluation.corruptions import on_corrupted
from regularize.evaluation.settings import Corruptions, Evaluation
from regularize.store import PackPaths
from regularize.train_pack import train_pack
from tests.regularize.evaluation.networks import examined, run

RANDOM = np.random.default_rng(6)
NAMES = ("brightness", "fog")


def darker(images: np.ndarray, severity: int) -> np.ndarray:
    return (images * (1 - severity / 6)).astype(np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Digits with the layout of CIFAR-10-C: two corruptions of five severities."""
    digits = load("digits", tmp_path)
    images, labels = digits.test_images.numpy(), digits.test_labels.numpy()
    folder = tmp_path / "digits-c"
    folder.mkdir()
    np.save(folder / "labels.npy", np.tile(labels, 5).astype(np.uint8))
    for name in NAMES:
        turned = images if name == "fog" else images[:, ::-1]
        np.save(
            folder / f"{name}.npy", np.concatenate([darker(turned, severity) for severity in range(1, 6)])
        )
    return tmp_path


def as_mnist_c(root: Path) -> None:
    """The same first severities in the layout of MNIST-C."""
    folder = root / "digits-c"
    labels = np.load(folder / "labels.npy")[:360]
    for name in NAMES:
        (folder / name).mkdir()
        np.save(folder / name / "test_images.npy", np.load(folder / f"{name}.npy")[:360])
        np.save(folder / name / "test_labels.npy", labels)
    for path in folder.glob("*.npy"):
        path.unlink()
    (folder / "identity").mkdir()
    for what in ("images", "labels"):
        source = folder / "fog" / f"test_{what}.npy"
        (folder / "identity" / source.name).write_bytes(source.read_bytes())


def accuracies(
    root: Path, settings: Corruptions, seeds: Sequence[int] = (0, 1)
) -> dict[tuple[str, int], list[float]]:
    data = load("digits", root)
    batches = Batches(data, torch.float64, torch.device("cpu"))
    network = models.build("lenet5", seeds, shape=batches.shape, classes=10).double()
    found = on_corrupted(examined(network, seeds, batches, 10), settings)
    assert all(each.correct.shape[1] == min(settings.examples, 360) for each in found)
    assert set(batches.images) == {"train", "test"}
    return {(each.corruption, each.severity): each.accuracy.tolist() for each in found}


def by_hand(root: Path, images: np.ndarray) -> list[float]:
    """Accuracies of the same networks on all of some images of the test part."""
    data = load("digits", root)
    x = (torch.from_numpy(images).double().permute(0, 3, 1, 2) / 255 - data.mean[0]) / data.std[0]
    network = models.build("lenet5", [0, 1], shape=(1, 28, 28), classes=10).double().eval()
    outputs = network(x.expand(2, *x.shape))
    return (outputs.argmax(-1) == data.test_labels).double().mean(1).tolist()


def test_every_corruption_at_every_severity_and_as_it_is(root: Path) -> None:
    found = accuracies(root, Corruptions(examples=400))
    assert list(found) == [(name, severity) for name in NAMES for severity in range(6)]
    images = load("digits", root).test_images.numpy()
    for severity in range(6):
        assert found["fog", severity] == pytest.approx(by_hand(root, darker(images, severity)))
        turned = darker(images[:, ::-1], severity) if severity else images
        assert found["brightness", severity] == pytest.approx(by_hand(root, turned))


def test_a_run_in_a_pack_is_measured_as_alone(root: Path) -> None:
    packed = accuracies(root, Corruptions(examples=200))
    for place, seed in enumerate((0, 1)):
        alone = accuracies(root, Corruptions(examples=200), [seed])
        assert {key: [values[place]] for key, values in packed.items()} == alone


def test_a_layout_of_one_severity(root: Path) -> None:
    five = accuracies(root, Corruptions())
    as_mnist_c(root)
    found = accuracies(root, Corruptions())
    assert list(found) == [(name, severity) for name in NAMES for severity in range(2)]
    assert all(found[key] == five[key] for key in found)


def test_fewer_examples_are_the_same_of_every_copy(root: Path) -> None:
    found = accuracies(root, Corruptions(examples=50))
    folder = root / "digits-c"
    np.save(folder / "fog.npy", np.load(folder / "brightness.npy"))
    assert accuracies(root, Corruptions(examples=50))["fog", 2] == found["brightness", 2]


def test_copies_with_other_images_are_told_apart(root: Path) -> None:
    def contents() -> dict[tuple[str, int], int | None]:
        batches = Batches(load("digits", root), torch.float64, torch.device("cpu"))
        network = models.build("lenet5", [0], shape=batches.shape, classes=10).double()
        found = on_corrupted(examined(network, [0], batches, 10), Corruptions(examples=20))
        return {(each.corruption, each.severity): each.content for each in found}

    before = contents()
    assert [key for key, content in before.items() if content is None] == [(name, 0) for name in NAMES]
    images = np.load(root / "digits-c" / "fog.npy")
    images[360:720] += 1  # severity 2
    save(root, "fog.npy", images)
    after = contents()
    assert [key for key in before if before[key] != after[key]] == [("fog", 2)]


def test_a_pack_writes_a_row_for_each_and_reads_them_from_a_disk_of_its_node(root: Path) -> None:
    evaluation = Evaluation(corruptions=Corruptions(examples=30), jacobian_examples=0)
    assert Evaluation.from_json(evaluation.to_json()) == evaluation
    runs = [run(seed, steps=2, evaluation=evaluation) for seed in (0, 1)]
    tables = []
    for name, place in (("far", root), ("near", staged("digits", root, root))):
        paths = PackPaths(root / name)
        train_pack(runs, paths, data_root=place)
        tables.append(pq.read_table(paths.corruptions).to_pylist())
    assert tables[0] == tables[1]
    assert {(row["corruption"], row["severity"]) for row in tables[0]} == {
        (n, s) for n in NAMES for s in range(6)
    }
    assert len(tables[0]) == 2 * 12
    for row in tables[0]:
        assert (len(row["correct"]), row["correct"].count("1") / 30) == (30, pytest.approx(row["accuracy"]))


def save(root: Path, name: str, array: np.ndarray) -> None:
    np.save(root / "digits-c" / name, array)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            lambda r: (r / "digits-c").rename(r / "away"),
            "digits has no corrupted test sets.*into .*digits-c, as",
        ),
        (
            lambda r: save(r, "labels.npy", np.arange(1800) // 180),
            "not 5 times the same",
        ),
        (lambda r: save(r, "labels.npy", np.zeros(90, int)), "90 labels for 1,800 images"),
        (
            lambda r: save(r, "fog.npy", np.zeros((1800, 8, 8, 1), np.uint8)),
            r"images of \(8, 8, 1\), but digits",
        ),
        (lambda r: save(r, "fog.npy", np.zeros((1800, 28, 28, 1))), "fog.npy is float64"),
        (lambda r: save(r, "labels.npy", np.full(1800, 11)), "labels up to 11, but digits has 10 classes"),
        (lambda r: (r / "digits-c" / "fog.npy").write_bytes(b"\x93NUMPY"), "fog.npy is damaged"),
    ],
)
def test_what_does_not_go_with_the_data_set_is_said(
    root: Path, damage: Callable[[Path], object], words: str
) -> None:
    facts, _ = look("digits", root)
    check("digits", root, facts, Form())
    damage(root)
    with pytest.raises(UserError, match=words):
        check("digits", root, facts, Form())


def test_copies_take_the_form_of_the_set(root: Path) -> None:
    form = Form(resize=14, channels=3)
    check("digits", root, look("digits", root, form)[0], form)
    images, labels = find("digits", root, form)[0].take(np.array([3, 5]))
    assert images.shape == (2, 14, 14, 3)
    assert labels.tolist() == load("digits", root).test_labels[[3, 5]].tolist()
