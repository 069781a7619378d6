"""How every figure looks: one table of methods, one of datasets, sizes and fonts.

Colours are those of Okabe and Ito (2008) and Tol's indigo, which readers with any colour vision
can tell apart. A colour is a family of techniques; line style and marker tell its members apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

ONE_COLUMN, TWO_COLUMNS = 3.25, 6.75  # widths in inches
GREY, INK = "#8C8C8C", "#262626"
BEHIND = 0.45  # opacity of the baseline's filled areas, on which a contender's line must stand out
_BLUE, _VERMILLION, _GREEN, _ORANGE, _PURPLE, _INDIGO = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#332288",
)


@dataclass(frozen=True)
class Method:
    """The look of a technique; `symbol` is what its strength is called in formulas."""

    label: str
    colour: str
    linestyle: str
    marker: str
    family: str
    symbol: str = ""


METHODS: dict[str, Method] = {
    "none": Method("None", GREY, "-", "o", "baseline"),
    "l1": Method("L1", _BLUE, "-", "s", "weight penalty", "λ"),
    "l2": Method("L2", _BLUE, "--", "D", "weight penalty", "λ"),
    "elastic_net": Method("Elastic net", _BLUE, ":", "P", "weight penalty"),
    "soft_svb": Method("Soft SVB", _VERMILLION, "-", "^", "singular values", "λ"),
    "hard_svb": Method("Hard SVB", _VERMILLION, "--", "v", "singular values", "ε"),
    "jacobian": Method("Jacobian", _GREEN, "-", "<", "Jacobian", "λ"),
    "jacobian_determinant": Method("Jacobian determinant", _GREEN, "--", ">", "Jacobian", "λ"),
    "dropout": Method("Dropout", _ORANGE, "-", "X", "noise", "p"),
    "input_noise": Method("Input noise", _ORANGE, "--", "h", "noise", "σ"),
    "weight_noise": Method("Weight noise", _ORANGE, ":", "*", "noise", "σ"),
    "confidence_penalty": Method("Confidence penalty", _PURPLE, "-", "d", "output", "β"),
    "label_smoothing": Method("Label smoothing", _PURPLE, "--", "p", "output", "ε"),
}
DATASETS = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "kmnist": "KMNIST",
    "emnist": "EMNIST",
    "svhn": "SVHN",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "digits": "Digits",
    "clusters": "Four clusters",
}
RC: dict[str, Any] = {
    "pdf.fonttype": 42,  # TrueType; venues reject the default, Type 3
    "ps.fonttype": 42,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "ytick.minor.size": 1.5,
    "ytick.minor.width": 0.4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def method(regularizer: str) -> Method:
    """The look of a regularizer; one that is not a known technique gets its name as label.

    Its line style and marker follow from the name alone, so they are the same in every sweep.
    """
    if regularizer in METHODS:
        return METHODS[regularizer]
    number = int.from_bytes(hashlib.blake2b(regularizer.encode(), digest_size=4).digest(), "big")
    linestyle, marker = ("-", "--", ":", "-.")[number % 4], "osD^v<>P"[number // 4 % 8]
    return Method(regularizer, _INDIGO, linestyle, marker, "other")


def plain(text: str) -> str:
    """Text for matplotlib, in which a dollar sign is a dollar sign."""
    return text.replace("$", r"\$")


def strength_label(regularizer: str, strength: str) -> str:
    """The strength for people, e.g. `λ = 10⁻³`; `` where there is none.

    >>> strength_label("l2", "0.0005"), strength_label("elastic_net", "l1=1e-05 l2=0.1")
    ('λ = 5×10⁻⁴', 'l1 = 10⁻⁵, l2 = 0.1')
    """
    symbol = method(regularizer).symbol
    split = (part.rpartition("=") for part in strength.split())
    pairs = [(name.removesuffix(".strength") or symbol, power_of_ten(value)) for name, _, value in split]
    return ", ".join(f"{name} = {value}" if name else value for name, value in pairs)


def power_of_ten(text: str) -> str:
    """A number as in print: powers of ten below 0.01 and from 10,000 on."""
    value = float(text)
    if value == 0 or 0.01 <= abs(value) < 10_000:
        return text
    mantissa, _, exponent = f"{value:.12e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    power = "10" + str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return power if mantissa == "1" else f"{mantissa}×{power}"


def problem_label(dataset: str, per_class: int | None) -> str:
    """For captions, e.g. `MNIST, 100 per class`."""
    few = f", {per_class} per class" if per_class is not None else ""
    return DATASETS.get(dataset, dataset) + few


@contextmanager
def paper() -> Iterator[None]:
    """This style, whatever the user's matplotlibrc says; everything is as before afterwards."""
    from matplotlib import style

    with style.context(["default", RC]):
        yield
