"""What the site says of keys, techniques, columns and commands: nothing is left out, and examples hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from analysis.figures.catalogue import FIGURES
from docs.generated import filled_in, part, techniques
from docs.generated.columns import Documented, schemas
from docs.generated.commands import leaves
from docs.generated.keys import (
    Key,
    attribute_docs,
    keys_of_a_cluster,
    keys_of_a_sweep,
    read_cluster,
    read_sweep,
    valid,
)
from docs.generated.techniques import docstring, examples, parted
from jobs.commands.parser import parser
from jobs.commands.reproduce import names
from jobs.sweep.yaml_text import parse_file
from regularize.errors import UserError
from regularize.regularizers import REGULARIZERS

PAGES = Path(__file__).parents[2] / "docs"
OF_A_SWEEP = [key for keys in keys_of_a_sweep().values() for key in keys]
OF_A_CLUSTER = [(kind, key) for kind, keys in keys_of_a_cluster().items() for key in keys]


def name(value: object) -> str:
    return ".".join(value.path) if isinstance(value, Key) else str(value)


@pytest.mark.parametrize("key", OF_A_SWEEP, ids=name)
def test_every_key_of_a_sweep_has_an_entry_whose_example_is_read(key: Key) -> None:
    assert key.meaning, f"no text says what {name(key)} means: write it beside the key"
    assert re.search(rf"\b{key.name}:", key.example), f"no example of {name(key)}: end its text with one"
    read_sweep(key)


@pytest.mark.parametrize(("kind", "key"), OF_A_CLUSTER, ids=name)
def test_every_key_of_a_cluster_has_an_entry_whose_example_is_read(kind: str, key: Key) -> None:
    assert key.meaning, f"no text says what {name(key)} means: write it below the field of Cluster"
    assert re.search(rf"\b{key.name}:", key.example), f"no example of {name(key)}: end its text with one"
    read_cluster(kind, key)


def test_a_default_is_a_value_that_a_file_can_have() -> None:
    for key in (*OF_A_SWEEP, *(key for _, key in OF_A_CLUSTER)):
        assert re.fullmatch(r"|\(required\)|`[^`()=]+`", key.default), f"{name(key)}: {key.default}"


def test_what_is_valid_is_what_the_readers_say() -> None:
    keys = {name(key): key for key in OF_A_SWEEP}
    said = {path: valid(key, lambda v, key=key: read_sweep(key, v)) for path, key in keys.items()}  # type: ignore[misc]
    assert said["training.lr"] == ["number", "above 0"]
    assert said["training.optimizer"] == ["one of: adam, adamw, sgd"]
    assert said["training.milestones"] == ["numbers", "shares between 0 and 1"]
    assert said["evaluation.predictions"] == ["true or false"]
    assert said["evaluation.robustness.pgd_steps"] == ["integer", "at least 1"]
    assert all(any(each) for each in said.values()), said


def test_a_key_without_an_entry_is_seen() -> None:
    @dataclass
    class Settings:
        described: int = 1
        """Example: `described: 2`."""
        forgotten: int = 2

    assert attribute_docs(Settings).keys() == {"described"}
    with pytest.raises(UserError, match="lr is 'fast'"):
        read_sweep(replace(OF_A_SWEEP[0], path=("training", "lr"), example="lr: fast"))


@pytest.mark.parametrize("technique", REGULARIZERS)
def test_every_technique_has_a_card(technique: str) -> None:
    """With what it is, what it costs, when it does nothing, who wrote of it, and which figures show it."""
    parts = parted(docstring(technique))
    assert {"", "Cost", "Figures"} <= parts.keys(), f"{technique}.py: see the docstring of l1.py"
    assert re.match(r"\d[\d.]* (of a plain step|to \d+ plain steps)|nothing", parts["Cost"])
    assert f"| `{technique}` |" in part("technique_costs")
    assert parts[""].partition("\n")[0].endswith((".", ":"))
    if technique != "none":
        assert "References" in parts
        assert re.search(r"[Dd]oes\s+nothing|no\s+strength\s+at\s+which", parts[""])
        named = set(re.findall(r"`(\w+)`", parts["Figures"]))
        assert named & FIGURES.keys(), f"the figures are {', '.join(FIGURES)}"
    assert f"## `{technique}`" in part("technique_cards")
    entry = parse_file(examples().get(technique, ""), "examples/broad.yaml").mapping()
    assert list(entry) == [technique], (
        "examples/broad.yaml, which is planned as all examples are, has them all"
    )


def test_a_technique_that_no_example_has_spoils_no_other_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    less = techniques.EXAMPLE.read_text(encoding="utf-8").replace("\n  ema:", "\n  no_ema:")
    (tmp_path / "broad.yaml").write_text(less, encoding="utf-8")
    whole = techniques.technique_cards()
    monkeypatch.setattr(techniques, "EXAMPLE", tmp_path / "broad.yaml")
    cards = techniques.technique_cards()
    assert cards != whole
    assert cards.count("**Example:**") == whole.count("**Example:**") - 1
    assert cards.count("## `") == whole.count("## `")


@pytest.mark.parametrize("schema", schemas(), ids=lambda each: each.name)
def test_every_column_says_what_it_is(schema: Documented) -> None:
    assert list(schema.meanings) == schema.schema.names, "a column a line, each with its comment"
    assert not [column for column, meaning in schema.meanings.items() if not meaning]


def test_no_schema_is_overlooked() -> None:
    assert {"runs", "results", "metrics", "comparison", "selection"} <= {each.name for each in schemas()}


def test_every_command_figure_and_technique_is_on_its_page() -> None:
    assert [f"## `{each.prog}`" for each in leaves(parser())] == re.findall("^## .*", part("commands"), re.M)
    assert re.findall(r"^\| `(\w+)`", part("figures"), re.M) == list(FIGURES)


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.name)
def test_what_a_part_stands_in_for_leaves_nothing_behind(page: Path) -> None:
    assert not re.search(
        r"^.*(\)\*$|<!-- generated).*$", filled_in(page.read_text(encoding="utf-8")), re.MULTILINE
    )


def test_every_published_comparison_is_named_by_help_and_page() -> None:
    published = (PAGES / "published.md").read_text(encoding="utf-8")
    for each in names():
        assert each in part("commands")
        assert each in published
