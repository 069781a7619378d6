"""A model of the table with settings of its own, as runs have it: `mlp hidden=1024-1024 std=0.01`.

Free of torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

from regularize.errors import UserError, one_of, require, unknown
from regularize.models.table import MODELS, Model
from regularize.training_config import VALID

ACTIVATIONS = ("relu", "tanh")
MOST_UNITS = 100_000


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A network, told from others of its row by its settings; None and 1 are what the row has.

    Raises:
        UserError: a value that is not valid, or a setting that the row does not have.
    """

    name: str
    hidden: tuple[int, ...] | None = None
    """Units of each hidden layer of a fully connected network. Example: `hidden: [1024, 1024]`."""
    activation: str | None = None
    """What follows each of these: `relu` or `tanh`. Example: `activation: tanh`."""
    std: float | None = None
    """Weights start normal with this standard deviation and biases at 0, in place of the network's own start.
    Example: `std: 0.01`."""
    width: float = 1.0
    """What the numbers of hidden units and of filters are multiplied with, to the nearest whole ones.
    Example: `width: 2`."""

    def __post_init__(self) -> None:
        row = self.row
        for name, value in self._own():
            if name not in row.settings:
                able = f"it has {', '.join(row.settings)}" if row.settings else "it has none"
                raise UserError(f"{name} is no setting of model {self.name}: {able}")
            if name == "hidden":
                require(bool(value), name, list(value), "at least one number of units")
            for each in value if name == "hidden" else ():
                require(1 <= each <= MOST_UNITS, name, each, f"from 1 to {MOST_UNITS} units")
        if self.activation is not None and self.activation not in ACTIVATIONS:
            require(False, "activation", self.activation, one_of(self.activation, ACTIVATIONS))
        require(self.std is None or 0 < self.std < 100, "std", self.std, "above 0 and below 100")
        width = VALID["width"]
        require(width.holds(self.width), "width", self.width, f"from {width.low:g} to {width.high:g}")

    @property
    def row(self) -> Model:
        return MODELS[self.name]

    @property
    def text(self) -> str:
        """What `read` makes it of again; the same for the same settings."""
        return " ".join([self.name, *(f"{name}={_shown(value)}" for name, value in self._own())])

    @property
    def network(self) -> object:
        """The same for the same network: of a fully connected one units count, however they are given."""
        connected = (self.name, self.units, self.activation or self.row.activation, self.std)
        return connected if self.row.hidden else self.text

    @property
    def units(self) -> tuple[int, ...]:
        """Of each hidden layer of a fully connected network."""
        return tuple(map(self.scaled, self.hidden or self.row.hidden))

    def scaled(self, units: int) -> int:
        """A number of units or filters, times the width."""
        return max(1, round(units * self.width))

    def _own(self) -> Iterator[tuple[str, Any]]:
        """The settings that are not the row's."""
        usual = {"hidden": self.row.hidden, "activation": self.row.activation}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "name" and value not in (field.default, usual.get(field.name)):
                yield field.name, value

    @classmethod
    @cache
    def read(cls, text: str) -> Variant:
        """The inverse of `text`; settings may be in any order.

        Raises:
            UserError: no such model, no such setting, or one that is not valid.
        """
        name, *words = text.split(" ")
        if name not in MODELS:
            raise UserError(unknown("model", name, MODELS))
        known, given = [field.name for field in fields(cls)[1:]], {}
        for word in words:
            key, _, value = word.partition("=")
            if key not in known or key in given:
                raise UserError(f"model {text!r}: {unknown('setting', key, known)}, each once")
            try:
                given[key] = _READERS[key](value)
            except ValueError:
                raise UserError(f"model {text!r}: {key} is {value!r}") from None
        return cls(name=name, **given)


_READERS: dict[str, Any] = {
    "hidden": lambda text: tuple(map(int, text.split("-"))),
    "activation": str,
    "std": float,
    "width": float,
}


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return value if isinstance(value, str) else f"{value:.12g}"


def widened(model: str, width: float) -> str:
    """The model with that width, as `Variant.text`.

    Raises:
        UserError: it has none.
    """
    if model.partition(" ")[0] not in MODELS:
        raise UserError(f"width is no setting of model {model}")
    return replace(Variant.read(model), width=width).text


def width_of(model: str) -> float:
    return Variant.read(model).width
