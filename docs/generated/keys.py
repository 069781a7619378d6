"""Every key of a sweep file and of a cluster config, from what reads and checks them.

What a key means stands beside its reader; its type and default are the field's own; what is valid is what
the reader says when it is given something else.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from docs.generated import table
from jobs.cluster import config_keys
from jobs.cluster.cluster_config import Cluster
from jobs.sweep import regularizer_entries, seeds, strength_values, sweep_file
from jobs.sweep.yaml_checks import Node
from jobs.sweep.yaml_text import parse_file
from regularize.data.data_config import DataConfig
from regularize.errors import UserError
from regularize.evaluation.settings import Evaluation
from regularize.models.variant import Variant
from regularize.training_config import Training

_EXAMPLE = re.compile(r"\s*Example: `(?P<example>.*)`\.$", re.DOTALL)
_REFUSED = re.compile(r"(?:but must be |; (?=one of: ))(?P<valid>.*?)(?:; did you mean.*)?$", re.DOTALL)
_WRONG = (
    "'?'",
    "-1",
    "0",
    "1.5",
    "3",
    "1000000",
    "[]",
    "['?']",
    "[-1]",
    "[7]",
    "[0.1, 0.1]",
    "{'?': 1}",
    "true",
)
_OF_INSIDE = ("unknown key", "unknown parameter", "unknown baseline")
_KINDS = {
    "an integer": "integer", "a finite number": "number", "text (write it in quotes)": "text", "text": "text",
    "true or false": "true or false", "a mapping (key: value)": "mapping", "at least one value": "",
    "true, false or a mapping (key: value)": "mapping, true or false",
}  # fmt: skip
"""What readers say that a value of another kind must be, and the word for it."""
_SWEEP = """
name: example
dataset: digits
model: lenet5
training: {epochs: 1}
regularizers: {none: , l2: {strength: [1.0e-4, 1.0e-3]}}
seeds: {tune: 2, report: 3}
"""
_NAMES = {"dataset": "digits", "regularizers": "mine", "model": "mlp"}
_ALIAS = {"local": ("cpus_per_task", "threads"), "slurm": ("", "")}
_WORDS: Mapping[Any, str] = {
    int: "integer", float: "number", str: "text", bool: "true or false", Path: "path",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key, and what there is to say of it; `example` is YAML of the mapping that it stands in."""

    path: tuple[str, ...]
    kind: str
    default: str
    meaning: str
    example: str

    @property
    def name(self) -> str:
        return self.path[-1]


def attribute_docs(cls: type) -> dict[str, str]:
    """The docstring below each field of a class."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(field.target, ast.Name)
            found[field.target.id] = str(ast.literal_eval(text.value))
    return found


def _parted(text: str) -> tuple[str, str]:
    """What it means, and the example at its end; `` for what is not there."""
    found = _EXAMPLE.search(text)
    if found is None:
        return text, ""
    return text[: found.start()], " ".join(found["example"].split())


def _of_texts(
    path: tuple[str, ...], texts: Mapping[str, str], required: Mapping[str, str] | None = None
) -> Iterator[Key]:
    for name, text in texts.items():
        meaning, example = _parted(text)
        default = "(required)" if required is not None and name in required else ""
        yield Key(path=(*path, name), kind="", default=default, meaning=meaning, example=example)


def _of_class(path: tuple[str, ...], cls: type) -> Iterator[Key]:
    """The fields of a dataclass that a mapping is read into, and of those inside it."""
    docs, hints = attribute_docs(cls), get_type_hints(cls)
    inside = []
    for field in dataclasses.fields(cls):
        if field.metadata.get("internal"):
            continue
        meaning, example = _parted(docs.get(field.name, ""))
        hint = _without_none(hints[field.name])
        nested = isinstance(hint, type) and dataclasses.is_dataclass(hint)
        inside += [(field.name, hint)] if nested else []
        yield Key(
            path=(*path, field.name),
            kind="mapping, true or false" if nested else _kind(hint),
            default=_shown(field.default),
            meaning=meaning,
            example=example,
        )
    for name, hint in inside:
        yield from _of_class((*path, name), hint)


def _without_none(hint: Any) -> Any:
    rest = [each for each in get_args(hint) if each is not types.NoneType]
    return rest[0] if get_origin(hint) is types.UnionType else hint


def _kind(hint: Any) -> str:
    if get_origin(hint) is tuple:
        return {"integer": "integers", "number": "numbers"}.get(_kind(get_args(hint)[0]), "list of texts")
    return _WORDS.get(hint, "mapping")


def _shown(value: object) -> str:
    if value is None or value is dataclasses.MISSING or value == () or value == "":
        return ""
    if dataclasses.is_dataclass(value):  # of a mapping, whose keys have defaults of their own
        return ""
    if isinstance(value, tuple):
        return f"`[{', '.join(_shown(each).strip('`') for each in value)}]`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if (
        isinstance(value, float)
        and len(f"{value:g}") > 4
        and round(value * 255, 9).is_integer()
        and value
        and value != 1
    ):
        return f"`{round(value * 255)}/255`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


@cache
def keys_of_a_sweep() -> dict[str, list[Key]]:
    """By the heading that they stand under."""
    every = sweep_file.REQUIRED | sweep_file.OPTIONAL
    of_data = [key for key in _of_class(("dataset", "NAME"), DataConfig) if key.name != "name"]
    return {
        "The sweep": [*_of_texts((), every, sweep_file.REQUIRED)],
        "`seeds`": [*_of_texts(("seeds",), seeds.SEEDS, ("tune",))],
        "`select`": [*_of_texts(("select",), sweep_file.OF_SELECT, sweep_file.OF_SELECT)],
        "A data set": [*of_data, *_of_texts(("dataset", "NAME"), sweep_file.OF_DATASET)],
        "A model": [key for key in _of_class(("model", "NAME"), Variant) if key.name != "name"],
        "`training`": [*_of_class(("training",), Training)],
        "An entry": [*_of_texts(("regularizers", "NAME"), regularizer_entries.OF_ENTRY)],
        "A strength": [*_of_texts(("regularizers", "l2", "strength"), strength_values.SPACED)],
        "A strength, or a tuned setting, with a `budget`": [
            *_of_texts(("regularizers", "l2", "strength"), strength_values.RANGES)
        ],
        "`evaluation`": [*_of_class(("evaluation",), Evaluation)],
    }


@cache
def keys_of_a_cluster() -> dict[str, list[Key]]:
    """By the kind of cluster; what is of every kind stands with both."""
    docs, hints = attribute_docs(Cluster), get_type_hints(Cluster)
    defaults = {field.name: field.default for field in dataclasses.fields(Cluster)}
    found: dict[str, list[Key]] = {}
    for kind, readers in config_keys.KINDS.items():
        found[kind] = []
        for name in ("kind", *readers):
            field = config_keys.FIELDS.get(name, name)
            meaning, example = _parted(docs.get(field, ""))
            found[kind].append(
                Key(
                    path=(name,),
                    kind=_kind(_without_none(hints[field])),
                    default={"kind": "(required)", "tasks": "`auto`"}.get(name, _shown(defaults[field])),
                    meaning=meaning,
                    example=f"kind: {kind}" if name == "kind" else example.replace(*_ALIAS[kind]),
                )
            )
    return found


def _value(key: Key, value: str) -> dict[str, Node]:
    return parse_file(f"{{{key.name}: {value}}}", "sweep.yaml").mapping()


def read_sweep(key: Key, value: str | None = None) -> None:
    """Read a sweep with the key's example, or with another `value` of the key; raises `UserError`."""
    tree = parse_file(_SWEEP + "budget: 4" * (key.name in strength_values.RANGES), "sweep.yaml")
    over = parse_file(f"{{{key.example}}}", "example").mapping()
    if value is not None:
        over |= _value(key, value)
    sweep_file.read(_put(tree, key.path[:-1], over), "")


def _value(key: Key, value: str) -> dict[str, Node]:
    return parse_file(f"{{{key.name}: {value}}}", "sweep.yaml").mapping()


def _put(node: Node, path: tuple[str, ...], over: dict[str, Node]) -> Node:
    """The tree with other fields in the mapping at the path; of two that exclude each other the new one."""
    fields = node.mapping() if isinstance(node.value, dict | None) else {}
    if not path:
        for new, old in (("steps", "epochs"), ("repetitions", "report")):
            if new in over:
                fields.pop(old, None)
        return replace(node, value={**fields, **over})
    first, *rest = path
    name = _NAMES[node.key] if first == "NAME" else first
    child = fields.get(name, Node(where=node.where, key=name, value=None))
    return replace(node, value={**fields, name: _put(child, tuple(rest), over)})


def read_cluster(kind: str, key: Key, value: str | None = None) -> None:
    """The same of a cluster config."""
    example = parse_file(f"{{{key.example}}}", "cluster.yaml").mapping()
    given = {"kind": parse_file(f"{{kind: {kind}}}", "cluster.yaml").mapping()["kind"]} | example
    if value is not None:
        given |= _value(key, value)
    config_keys.read_cluster(replace(parse_file("", "cluster.yaml"), value=given))


def valid(key: Key, read: Callable[[str], None]) -> list[str]:
    """What the reader says that the value must be, in answer to wrong ones."""
    found: dict[str, None] = {}
    for wrong in _WRONG:
        try:
            read(wrong)
        except UserError as error:
            said = str(error).partition(": ")[2]
            refused = _REFUSED.search(said)
            if (
                refused
                and said.startswith((f"{key.name} is ", "unknown "))
                and not said.startswith(_OF_INSIDE)
            ):
                found.setdefault(refused["valid"])
    kinds = dict.fromkeys(_KINDS[said] for said in found if said in _KINDS)
    specific = [said for said in found if said not in _KINDS]
    if specific and set(kinds) <= {"text", ""}:
        return specific
    return [key.kind] * (key.kind in ("integers", "numbers")) + [
        kind for kind in kinds if kind and f"{kind}s" != key.kind
    ] + specific or [key.kind]


def sweep_keys() -> str:
    parts = []
    for heading, keys in keys_of_a_sweep().items():
        rows = [_row(key, valid(key, lambda value, key=key: read_sweep(key, value))) for key in keys]  # type: ignore[misc]
        parts.append(f"## {heading}\n\n{_table(rows)}")
    return "\n\n".join(parts)


def cluster_keys() -> str:
    parts = []
    for kind, keys in keys_of_a_cluster().items():
        rows = [
            _row(key, valid(key, lambda value, key=key, kind=kind: read_cluster(kind, key, value)))  # type: ignore[misc]
            for key in keys
        ]
        parts.append(f"## `kind: {kind}`\n\n{_table(rows)}")
    return "\n\n".join(parts)


def _row(key: Key, valid: list[str]) -> tuple[object, ...]:
    above = ".".join(key.path[:-1])
    shown = f"`{above}.{key.name}`" if above.startswith("evaluation.") else f"`{key.name}`"
    return shown, "; ".join(valid), key.default, key.meaning, f"`{key.example}`"


def _table(rows: list[tuple[object, ...]]) -> str:
    return table(("key", "type and valid values", "default", "meaning", "example"), rows)
