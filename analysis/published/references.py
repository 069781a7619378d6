"""Published numbers that `regularize reproduce` prints beside measured ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CONFIRMED, READ, UNVERIFIED, ROUGH = "means confirmed", "read", "unverified", "rough"
WORTH = {
    CONFIRMED: "notes on the source quote the means; their ± are recalled and not checked",
    READ: "as the table of the paper has them, whose ± is not taken for a 95% interval",
    UNVERIFIED: "recalled and not checked, so that no conclusion follows from a miss",
    ROUGH: "the range that such networks are commonly said to reach, not an interval",
}
"""What published numbers of a status are."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One measure on one data set, and what was published of it.

    Attributes:
        measure: a column of `results`, or `test_error`; accuracies and errors are shown in percent.
        attack: instead, the accuracy under an attack of this name and size.
        published: mean and half the width of its interval, by regularizer.
        status: of the published numbers, one of `WORTH`.
    """

    title: str
    dataset: str
    per_class: int | None = None
    measure: str = "test_accuracy"
    attack: tuple[str, float] | None = None
    published: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    status: str = ""

    @property
    def places(self) -> int:
        """Decimals of what was published: one or two."""
        numbers = [number for pair in self.published.values() for number in pair]
        return 1 if all(abs(number - round(number, 1)) < 1e-6 for number in numbers) else 2


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a reproduction is held against. `ascending` regularizers are in the order of a column."""

    source: str
    columns: tuple[Column, ...]
    ordered: str = ""  # title of a column
    ascending: tuple[str, ...] = ()


def _few(per_class: int, **published: tuple[float, float]) -> Column:
    return Column(
        title=f"{per_class} per class",
        dataset="mnist",
        per_class=per_class,
        published=published,
        status=UNVERIFIED,
    )


HOFFMAN = Reference(
    source="Hoffman, Roberts, Yaida, Robust learning with Jacobian regularization, 2019 (arXiv 1908.02729)",
    columns=(
        _few(
            1,
            none=(49.2, 1.9),
            l2=(49.9, 2.1),
            dropout=(49.7, 1.7),
            jacobian=(49.3, 2.1),
            all_three=(51.7, 2.1),
        ),
        _few(
            3,
            none=(67.0, 1.7),
            l2=(68.1, 1.9),
            dropout=(67.4, 1.7),
            jacobian=(68.2, 1.9),
            all_three=(69.7, 1.9),
        ),
        _few(
            10,
            none=(83.3, 0.7),
            l2=(84.3, 0.8),
            dropout=(83.9, 1.8),
            jacobian=(84.5, 0.9),
            all_three=(86.3, 0.9),
        ),
        _few(
            30,
            none=(90.4, 0.5),
            l2=(91.2, 0.5),
            dropout=(91.6, 0.5),
            jacobian=(91.3, 0.4),
            all_three=(92.7, 0.4),
        ),
        Column(
            title="all",
            dataset="mnist",
            published={
                "none": (98.9, 0.1),
                "l2": (99.2, 0.1),
                "dropout": (98.6, 0.1),
                "jacobian": (99.0, 0.0),
                "all_three": (99.1, 0.1),
            },
            status=CONFIRMED,
        ),
        Column(
            title="‖J‖, all",
            dataset="mnist",
            measure="jacobian_norm",
            published={
                "none": (32.9, 3.3),
                "l2": (4.6, 0.2),
                "dropout": (21.5, 2.3),
                "jacobian": (1.1, 0.1),
                "all_three": (1.2, 0.0),
            },
            status=CONFIRMED,
        ),
    ),
    ordered="‖J‖, all",
    ascending=("jacobian", "l2", "dropout", "none"),
)


PEREYRA = Reference(
    source=(
        "Pereyra, Tucker, Chorowski, Kaiser, Hinton, Regularizing neural networks by penalizing confident "
        "output distributions, 2017 (arXiv 1701.06548), table 1"
    ),
    columns=(
        Column(
            title="test error",
            dataset="mnist",
            measure="test_error",
            published={
                "dropout": (1.28, 0.06),
                "label_smoothing": (1.23, 0.06),
                "confidence_penalty": (1.17, 0.06),
            },
            status=READ,
        ),
    ),
    ordered="test error",
    ascending=("confidence_penalty", "label_smoothing", "dropout"),
)


def _rough(title: str, dataset: str, low: float, high: float) -> tuple[Column, Column]:
    """Accuracy, of which a plain LeNet-5 is said to reach so much, and the Jacobian's norm."""
    plain = {"none": ((low + high) / 2, (high - low) / 2)}
    return (
        Column(title=title, dataset=dataset, published=plain, status=ROUGH),
        Column(title=f"‖J‖, {title}", dataset=dataset, measure="jacobian_norm"),
    )


def _pgd(title: str, dataset: str, size: int) -> Column:
    return Column(title=f"{title}, PGD {size}/255", dataset=dataset, attack=("pgd", size / 255))


_MNIST, _CIFAR10 = _rough("MNIST", "mnist", 99.0, 99.2), _rough("CIFAR-10", "cifar10", 61, 65)
_LENET = "LeNet-5 as it is commonly reported, without a regularizer"

REFERENCES: dict[str, Reference] = {
    "hoffman2019-table": HOFFMAN,
    "pereyra2017-table1": PEREYRA,
    "part-two": Reference(
        source=_LENET, columns=(*_MNIST, *_CIFAR10, *_rough("CIFAR-100", "cifar100", 28, 35))
    ),
    "part-three": Reference(
        source=_LENET,
        columns=(*_MNIST, _pgd("MNIST", "mnist", 32), *_CIFAR10, _pgd("CIFAR-10", "cifar10", 2)),
    ),
}
