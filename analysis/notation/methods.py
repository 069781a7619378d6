"""What techniques and data sets are called and how they look, wherever they are shown: a table of each.

Colours are those of Okabe and Ito (2008) and Tol's indigo, which readers with any colour vision
can tell apart. A colour is a family of techniques; line style and marker tell its members apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import MappingProxyType

from regularize.regularizers.table import REGULARIZERS
from regularize.technique_words import Words
from regularize.training_config import TUNABLE

_GREY, _INDIGO, INK = "#8C8C8C", "#332288", "#262626"
Line = str | tuple[int, tuple[float, ...]]
_LINES: tuple[Line, ...] = ("-", "--", ":", "-.", (0, (7, 1.5)), (0, (4, 1, 1, 1, 1, 1)))
_MARKERS = "osD^v<>PXhd*p"


@dataclass(frozen=True)
class Method:
    """The look of a technique; `symbol` is what its strength is called in formulas."""

    label: str
    colour: str
    linestyle: Line
    marker: str
    family: str
    symbol: str = ""


@dataclass(frozen=True)
class Family:
    """Techniques that act alike: a colour, and the markers of its first members."""

    colour: str
    markers: str


FAMILIES: dict[str, Family] = {
    "baseline": Family(_GREY, "o"),
    "weight penalty": Family("#0072B2", "sDP"),
    "singular values": Family("#D55E00", "^v"),
    "Jacobian": Family("#009E73", "<>"),
    "noise": Family("#E69F00", "Xh*"),
    "output": Family("#CC79A7", "dp"),
    "data": Family("#56B4E9", "PX"),
    "optimisation": Family("#882255", "hd"),
}


def _methods() -> dict[str, Method]:
    """The looks of the project's techniques: a row of their table is all that a new one needs."""
    found: dict[str, Method] = {}
    members: dict[str, int] = {}
    for name, row in REGULARIZERS.items():
        family = FAMILIES[row.family]
        place = members[row.family] = members.get(row.family, -1) + 1
        markers = family.markers + "".join(each for each in _MARKERS if each not in family.markers)
        line, marker = _line(place), markers[place] if place < len(markers) else f"${place}$"
        found[name] = Method(row.label, family.colour, line, marker, row.family, row.symbol)
    return found


def _line(place: int) -> Line:
    """Of the members of a family: another for each, however many there are."""
    return _LINES[place] if place < len(_LINES) else (0, (place, 1, 1, 1))


METHODS = _methods()
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


_ENTRIES: ContextVar[Mapping[str, Method] | None] = ContextVar("entries", default=None)


def method(regularizer: str) -> Method:
    """The look of a regularizer; one that is not a known technique gets its name as label.

    Inside `telling_apart` entries of a sweep have looks that no other has. Elsewhere line style and
    marker follow from the name alone.
    """
    if (found := (_ENTRIES.get() or {}).get(regularizer)) is not None:
        return found
    if regularizer in METHODS:
        return METHODS[regularizer]
    number = int.from_bytes(hashlib.blake2b(regularizer.encode(), digest_size=4).digest(), "big")
    look = _LINES[number % len(_LINES)], _MARKERS[number // len(_LINES) % len(_MARKERS)]
    return Method(regularizer, _INDIGO, *look, "other")


@contextmanager
def telling_apart(
    entries: Mapping[str, Sequence[str]], words: Mapping[str, Words] | None = None, baseline: str = "none"
) -> Iterator[None]:
    """Inside, `method` knows the entries of a sweep, each with its techniques.

    `words` are those of techniques that are not the project's. The `baseline` is grey in all figures,
    whatever it is; `none` beside it is not.
    """
    found = looks(entries, words or {})
    if baseline != "none" and baseline in entries:
        usual = METHODS["none"]
        mine = found.get(baseline) or METHODS[baseline]
        found[baseline] = replace(usual, label=mine.label, family=mine.family, symbol=mine.symbol)
        found["none"] = replace(usual, colour=INK)
    token = _ENTRIES.set(found)
    try:
        yield
    finally:
        _ENTRIES.reset(token)


def looks(
    entries: Mapping[str, Sequence[str]], words: Mapping[str, Words] = MappingProxyType({})
) -> dict[str, Method]:
    """Of the entries that are not called like their technique: each another, whatever their number.

    Those of one technique have its colour and the symbol of its strength; one that is not the project's is
    called as its `words` say, where it has a single entry.
    """
    single = [each[0] for each in entries.values() if len(each) == 1]
    looks_taken = {(each.colour, each.linestyle, each.marker) for each in METHODS.values()}
    markers_taken = {(each.colour, each.marker) for each in METHODS.values()}
    worn = {METHODS[name].marker for name in entries if name in METHODS}
    found: dict[str, Method] = {}
    for name in sorted(set(entries) - METHODS.keys()):
        techniques = entries[name]
        own = _own(techniques[0], words) if len(techniques) == 1 else None
        colour = own.colour if own else _INDIGO if techniques else INK
        free = [
            (line, marker)
            for line in _LINES
            for marker in _MARKERS
            if (colour, line, marker) not in looks_taken
        ]
        # A marker of its own, as not every figure has lines; a number, once all are taken.
        own_marker = [each for each in free if (colour, each[1]) not in markers_taken]
        # One that no other entry has, if there is: colours alone are not told apart by everybody.
        own_marker.sort(key=lambda each: each[1] in worn)
        look: tuple[Line, str] = (own_marker or [("-", f"${len(found)}$")])[0]
        worn.add(look[1])
        looks_taken.add((colour, *look))
        markers_taken.add((colour, look[1]))
        symbol, family = (own.symbol, own.family) if own else ("", "other")
        alone = own and techniques[0] in words and single.count(techniques[0]) == 1
        found[name] = Method(own.label if own and alone else name, colour, *look, family, symbol)
    return found


def _own(technique: str, words: Mapping[str, Words]) -> Method | None:
    """What is known of a technique: ours, or by its words; a family that is none of ours has no colour."""
    if technique not in words:
        return METHODS.get(technique)
    own = words[technique]
    colour = FAMILIES[own.family].colour if own.family in FAMILIES else _INDIGO
    return Method(own.label, colour, "-", "", own.family, own.symbol)


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
    return DATASETS.get(dataset, dataset.rpartition(":")[2]) + few


def model_label(model: str) -> str:
    """A network with the settings that tell its problems apart.

    >>> model_label("lenet5"), model_label("mlp hidden=64-32 lr=0.05 weight_decay=1e-05")
    ('lenet5', 'mlp, hidden 64–32, lr 0.05, weight decay 10⁻⁵')
    """
    name, *settings = model.split(" ")
    return ", ".join([name, *map(_setting, settings)])


def _setting(word: str) -> str:
    key, _, value = word.partition("=")
    number = key in TUNABLE or key == "std"
    return f"{key.replace('_', ' ')} {power_of_ten(value) if number else value.replace('-', '–')}"
