"""What techniques and data sets are called and how they look, wherever they are shown: a table of each.

Colours are those of Okabe and Ito (2008) and Tol's indigo, which readers with any colour vision
can tell apart. A colour is a family of techniques; line style and marker tell its members apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from regularize.training_config import TUNABLE

_GREY = "#8C8C8C"
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
    "none": Method("None", _GREY, "-", "o", "baseline"),
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


_LINES, _MARKERS = ("-", "--", ":", "-."), "osD^v<>PXhd*p"
_ENTRIES: ContextVar[Mapping[str, Method] | None] = ContextVar("entries", default=None)


def method(regularizer: str) -> Method:
    """The look of a regularizer; one that is not a known technique gets its name as label.

    Inside `telling_apart` entries of a sweep have looks that no other has. Elsewhere line style and
    marker follow from the name alone.
    """
    if regularizer in METHODS:
        return METHODS[regularizer]
    if (found := (_ENTRIES.get() or {}).get(regularizer)) is not None:
        return found
    number = int.from_bytes(hashlib.blake2b(regularizer.encode(), digest_size=4).digest(), "big")
    look = _LINES[number % len(_LINES)], _MARKERS[number // len(_LINES) % len(_MARKERS)]
    return Method(regularizer, _INDIGO, *look, "other")


@contextmanager
def telling_apart(entries: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Inside, `method` knows the entries of a sweep, each with its techniques."""
    token = _ENTRIES.set(looks(entries))
    try:
        yield
    finally:
        _ENTRIES.reset(token)


def looks(entries: Mapping[str, Sequence[str]]) -> dict[str, Method]:
    """Of the entries that are not called like their technique: each another, whatever their number.

    Those of one technique have its colour and the symbol of its strength.
    """
    looks_taken = {(each.colour, each.linestyle, each.marker) for each in METHODS.values()}
    markers_taken = {(each.colour, each.marker) for each in METHODS.values()}
    found: dict[str, Method] = {}
    for name in sorted(set(entries) - METHODS.keys()):
        techniques = entries[name]
        own = METHODS.get(techniques[0]) if len(techniques) == 1 else None
        colour = own.colour if own else _INDIGO if techniques else _GREY
        free = [
            (line, marker)
            for line in _LINES
            for marker in _MARKERS
            if (colour, line, marker) not in looks_taken
        ]
        # A marker of its own, as not every figure has lines; a number, once all are taken.
        own_marker = [each for each in free if (colour, each[1]) not in markers_taken]
        look = (own_marker or [("-", f"${len(found)}$")])[0]
        looks_taken.add((colour, *look))
        markers_taken.add((colour, look[1]))
        symbol, family = (own.symbol, own.family) if own else ("", "other")
        found[name] = Method(name, colour, *look, family, symbol)
    return found


def strength_label(regularizer: str, strength: str) -> str:
    """The strength for people, e.g. `λ = 10⁻³`; `` where there is none.

    >>> strength_label("l2", "0.0005"), strength_label("elastic_net", "l1=1e-05 l2=0.1")
    ('λ = 5×10⁻⁴', 'l1 = 10⁻⁵, l2 = 0.1')
    >>> strength_label("l2", "strength=0.01 lr=0.05"), strength_label("none", "lr=0.05")
    ('λ = 0.01, lr = 0.05', 'lr = 0.05')
    """
    symbol = method(regularizer).symbol
    split = [part.rpartition("=") for part in strength.split()]
    own = [name for name, _, _ in split if name not in TUNABLE]
    names = {own[0]: symbol} if len(own) == 1 and "." not in own[0] else {}
    pairs = [
        (names.get(name, name.removesuffix(".strength")), power_of_ten(value)) for name, _, value in split
    ]
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
