"""Typed access to YAML, with errors that say where."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from jobs.sweep.yaml_checks import Node, overlaid
from jobs.sweep.yaml_text import parse_file
from regularize.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Boat:
    name: str
    masts: int = 1
    speed: float = 2.0
    crew: int | None = 3
    afloat: bool = True
    routes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.masts > 5:
            raise UserError(f"masts is {self.masts}, but must be at most 5")
        if self.speed > 50:
            raise UserError("nothing is so fast")


def tree(text: str) -> Node:
    return parse_file(text, "a.yaml")


def test_a_dataclass_is_built_from_a_mapping() -> None:
    text = "{name: Argo, masts: 2, speed: 3, crew: null, afloat: false, routes: [out, home]}"
    built = tree(text).build(Boat)
    assert built == Boat(name="Argo", masts=2, speed=3.0, crew=None, afloat=False, routes=("out", "home"))
    assert isinstance(built.speed, float)
    assert tree("name: Argo\nroutes: out").build(Boat) == Boat(name="Argo", routes=("out",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("masts: 2", "a.yaml:1: 'name' is missing from the file"),
        ("name: a\nmast: 2", "a.yaml:2: unknown key 'mast'; one of: afloat, crew, masts, name, routes, "
         "speed; did you mean 'masts'?"),
        ("name: a\nmasts: true", "a.yaml:2: masts is true, but must be an integer"),
        ("name: a\nmasts: null", "a.yaml:2: masts is null, but must be an integer"),
        ("name: a\nspeed: .inf", "a.yaml:2: speed is inf, but must be a finite number"),
        ("name: a\nafloat: 1", "a.yaml:2: afloat is 1, but must be true or false"),
        ("name: 5", "a.yaml:1: name is 5, but must be text (write it in quotes)"),
        ("name: a\ncrew: few", "a.yaml:2: crew is 'few', but must be an integer"),
        ("name: a\nroutes:\n- out\n- 5", "a.yaml:4: routes is 5, but must be text (write it in quotes)"),
        ("name: a\nmasts: 6", "a.yaml:2: masts is 6, but must be at most 5"),
        ("name: a\nspeed: 60", "a.yaml:1: nothing is so fast"),
        ("name: " + "[long, " * 12 + "]" * 12, "a.yaml:1: name is "
         "['long', ['long', ['long', ['long', ['long', ['long', ['l..., but must be text"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        tree(text).build(Boat)
    assert str(error.value) == message


def test_a_single_value_counts_as_a_list_of_one() -> None:
    assert [item.integer() for item in tree("5").items()] == [5]


def test_one_mapping_is_laid_over_another() -> None:
    fields = tree("under: {a: 1, b: 1}\nover: {b: 2, c: 2}\nempty:").mapping()
    assert overlaid(fields["under"], fields["over"]).plain() == {"a": 1, "b": 2, "c": 2}
    assert overlaid(fields["empty"], fields["over"]).plain() == {"b": 2, "c": 2}
    assert overlaid(fields["under"], None) is fields["under"]
