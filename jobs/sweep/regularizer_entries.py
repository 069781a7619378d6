"""The sweep's `regularizers`: from words, grids and combinations to checked terms."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from jobs.sweep.dialects import FIRST, NOW
from jobs.sweep.drawn_settings import draw
from jobs.sweep.own_training import OWN, Own, own_training, usual_start
from jobs.sweep.strength_values import Range, read_numbers, read_range
from jobs.sweep.tuned_settings import Axis, Shared, built
from jobs.sweep.yaml_checks import Node, overlaid
from regularize.config import Term
from regularize.errors import UserError, unknown
from regularize.named_objects import is_named
from regularize.regularizers import REGULARIZERS, Technique, full_name, technique

MOST_CANDIDATES = 10_000  # of one entry: a product grows fast
OF_ENTRY = {
    "technique": "The technique of an entry under a name of its own. "
    "Example: `technique: l2, strength: 5e-3`.",
    "compose": "Several techniques at once, each with a mapping of its own beside this key. "
    "Example: `compose: [l2, dropout], l2: {strength: 5e-4}, dropout: {p: 0.5}`.",
    "points": "Combinations of strengths one by one, in place of all that lists give. "
    "Example: `technique: elastic_net, points: [{l1: 1e-5, l2: 1e-4}, {l1: 1e-4, l2: 1e-3}]`.",
    **OWN,
}
"""What an entry may have beside the strengths and options of its techniques."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,63}")
_COMPOSABLE = [name for name in REGULARIZERS if name != "none"]

Terms = tuple[Term, ...]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One word of the sweep's `regularizers`, and the terms it stands for at each strength.

    There is at least one candidate; the only one of technique `none` is the empty tuple. `own` is what its
    training has otherwise. With a budget, `drawn` are the settings to try; else every candidate is tried with
    every tuned setting.
    """

    name: str
    candidates: tuple[Terms, ...]
    own: Own = ()
    drawn: tuple[tuple[Terms, Shared], ...] = ()

    @property
    def techniques(self) -> tuple[str, ...]:
        """The same at every strength."""
        return tuple(term.technique for term in self.candidates[0])


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How many `settings` each entry is tried at, drawn from its strengths and the `axes` that all share."""

    settings: int
    training: Node
    axes: Mapping[str, Axis]
    dialect: int


class _Candidate(NamedTuple):
    where: str
    entry: str
    terms: Terms
    shared: Shared | None = None


def read_entries(
    regularizers: Node,
    changes: Node | None = None,
    budget: Budget | None = None,
    training: Mapping[str, Node] | None = None,
    varied: Collection[str] = (),
    dialect: int = NOW,
) -> tuple[Entry, ...]:
    """The entries in the order of the file, with the `changes` that one dataset makes to them.

    An entry is a technique by its own name, one under another name (`technique: l2`), or several at
    once (`compose: [l2, dropout]`, then a mapping for each). Strengths are as in `read_numbers`; of
    several lists the product is taken; `points` lists combinations instead. An entry may train otherwise than
    `training` says, see `own_training`. With a budget so many settings are drawn, also from ranges.

    Raises:
        UserError: whatever is not valid, two candidates that are the same run, and a fraction of what acts in
            whole numbers, which would train as another run does.
    """
    fields = regularizers.mapping()
    if not fields:
        raise regularizers.error("regularizers is empty; name at least one, such as none")
    _refuse_alike(fields)
    changed = {} if changes is None else changes.mapping(fields)
    entries: list[Entry] = []
    seen: dict[str, _Candidate] = {}
    for name, node in fields.items():
        node = _with_changes(node, changed[name]) if name in changed else node
        alone = _without(node, *OWN)
        candidates = _drawn(name, alone, budget) if budget else _candidates(name, alone)
        usual = usual_start(term.technique for term in candidates[0].terms) if dialect > FIRST else None
        own = own_training(node, training or {}, varied, usual)
        for candidate in candidates:
            if dialect > FIRST:
                _refuse_fractions(candidate)
            _refuse_repeated(candidate, own, seen)
        entries.append(
            Entry(
                name=name,
                candidates=tuple(dict.fromkeys(candidate.terms for candidate in candidates)),
                own=own,
                drawn=tuple((each.terms, each.shared) for each in candidates if each.shared),
            )
        )
    return tuple(entries)


def _refuse_alike(fields: Mapping[str, Node]) -> None:
    """Legends show `l2` and `L2` as the same, and disks of a Mac or Windows take their files for the same."""
    seen: dict[str, str] = {}
    for name, node in fields.items():
        first = seen.setdefault(name.casefold(), name)
        if first != name:
            raise node.error(
                f"the entries {first} and {name} differ in capital letters alone; rename one, with "
                "`technique:` in it, such as l2_strong: {technique: l2}"
            )


def _with_changes(entry: Node, change: Node) -> Node:
    fields = entry.mapping()
    for key, child in change.mapping().items():
        if key in ("technique", "compose"):
            raise child.error(f"{key} cannot differ between datasets; make another entry")
        inside = "compose" in fields and key != "points" and key in fields
        fields[key] = overlaid(fields[key], child) if inside else child
    return replace(entry, value=fields)


def _refuse_fractions(candidate: _Candidate) -> None:
    for term in candidate.terms:
        row = technique(term.technique)
        for name, value in term.strengths:
            if row.strengths[name].whole and not value.is_integer():
                raise UserError(
                    f"{candidate.where}: {name} of {candidate.entry} is {value:.12g}, but must be a whole "
                    "number, as it acts as one"
                )


def _refuse_repeated(candidate: _Candidate, own: Own, seen: dict[str, _Candidate]) -> None:
    # As many digits as in RunConfig.strength, the text by which a strength is chosen.
    digest = [(t.technique, t.options, [(n, f"{v:.12g}") for n, v in t.strengths]) for t in candidate.terms]
    first = seen.setdefault(repr((digest, own, candidate.shared)), candidate)
    if first is not candidate:
        strengths = " ".join(f"{n}={v:.12g}" for t in candidate.terms for n, v in t.strengths)
        raise UserError(
            f"{candidate.where}: {candidate.entry!r}{' at ' * bool(strengths)}{strengths} "
            f"is the same run as {first.entry!r} in {first.where}"
        )


def _candidates(name: str, node: Node) -> list[_Candidate]:
    fields = node.mapping()
    blocks = _blocks(name, node)
    if "points" not in fields:
        return [_Candidate(node.where, name, terms) for terms in _product(blocks, node)]
    found: list[_Candidate] = []
    for point in fields["points"].distinct():
        parts = point.mapping(blocks) if "compose" in fields else dict.fromkeys(blocks, point)
        merged = blocks | {
            technique: _at_point(technique, blocks[technique], p) for technique, p in parts.items()
        }
        found += [_Candidate(point.where, name, terms) for terms in _product(merged, point)]
    return found


def _drawn(name: str, node: Node, budget: Budget) -> list[_Candidate]:
    """As many settings as the budget allows: strengths together with what all techniques share."""
    fields = node.mapping()
    if "points" in fields:
        raise fields["points"].error(
            "points are tried one and all, but a budget draws: list strengths instead"
        )
    blocks = {technique: block for technique, block in _blocks(name, node).items() if technique != "none"}
    grids = {technique: _parameters(technique, block, budget) for technique, block in blocks.items()}
    places = [(technique, strength) for technique, (strengths, _) in grids.items() for strength in strengths]
    axes = [*(grids[technique][0][strength] for technique, strength in places), *budget.axes.values()]
    candidates = []
    for point in draw(axes, budget.settings, name):
        numbers = dict(zip(places, point, strict=False))
        terms = []
        for each, (strengths, options) in grids.items():
            own = {strength: numbers[each, strength] for strength in strengths}
            with blocks[each].located():
                terms.append(Term.build(each, {**options, **own}))
        shared = {
            key: replace(axis.place, key=key, value=value) if isinstance(axis, Range) else value
            for (key, axis), value in zip(budget.axes.items(), point[len(places) :], strict=True)
        }
        candidates.append(_Candidate(node.where, name, tuple(terms), built(budget.training, shared)))
    return candidates


def _blocks(name: str, node: Node) -> dict[str, Node]:
    """The parameters of each technique of an entry."""
    fields = node.mapping()
    kind = fields.get("compose", fields.get("technique"))
    if kind is None:
        if is_named(name):
            raise node.error(f"{name!r} cannot name an entry; give it one, with `technique: {name}` in it")
        with node.located():
            return {full_name(name): _without(node, *OF_ENTRY)}
    if not _NAME.fullmatch(name):
        raise node.error(f"{name!r} cannot name an entry; use up to 64 letters, digits, _, + and -")
    if name in REGULARIZERS and kind.value != name:
        raise node.error(f"{name!r} is a technique; give this entry another name")
    if "compose" not in fields:
        return {_technique(kind): _without(node, *OF_ENTRY)}
    techniques = {item.text(): item for item in kind.distinct()}
    node.mapping(["compose", "points", *techniques])
    blocks = {
        _technique(item): fields.get(name, replace(item, key=name, value=None))
        for name, item in techniques.items()
    }
    if "none" in blocks:
        raise techniques["none"].error(unknown("regularizer", "none", _COMPOSABLE))
    if len(blocks) < len(techniques):
        raise kind.error("compose names one technique twice, once by its short name")
    if len(keeping := [name for name in blocks if technique(name).keeps]) > 1:
        raise kind.error(f"compose has {' and '.join(keeping)}: each says which weights are evaluated")
    return blocks


def _technique(node: Node) -> str:
    """What a technique is called in runs, known by now to be one."""
    with node.located():
        technique(node.text())
        return full_name(node.text())


def _without(node: Node, *keys: str) -> Node:
    return replace(node, value={key: child for key, child in node.mapping().items() if key not in keys})


def _at_point(name: str, block: Node, point: Node) -> Node:
    """A technique's parameters at one of the `points`, which set strengths alone."""
    row = technique(name)
    for key, child in point.mapping().items():
        if row.canonical(key) in row.options:
            raise child.error(f"{key} is an option, not a strength; give it once, beside points")
        if key in block.mapping():
            raise child.error(f"{key} is given here and beside points, in {block.mapping()[key].where}")
    return replace(overlaid(block, point), where=point.where)


def _product(blocks: Mapping[str, Node], node: Node) -> list[Terms]:
    """Every combination of the strengths of all techniques."""
    grids = {technique: _grid(technique, block) for technique, block in blocks.items()}
    count = math.prod(len(numbers) for strengths, _ in grids.values() for numbers in strengths.values())
    if count > MOST_CANDIDATES:
        raise node.error(f"{count} combinations of strengths, but at most {MOST_CANDIDATES} are allowed")
    terms = [_terms(name, blocks[name], *grid) for name, grid in grids.items() if name != "none"]
    return list(itertools.product(*terms))


def _terms(
    name: str, block: Node, strengths: Mapping[str, list[float]], options: Mapping[str, Any]
) -> list[Term]:
    points = (
        dict(zip(strengths, numbers, strict=True)) for numbers in itertools.product(*strengths.values())
    )
    with block.located():
        return [Term.build(name, {**options, **point}) for point in points]


def _grid(name: str, block: Node) -> tuple[dict[str, list[float]], dict[str, Any]]:
    strengths, options = _parameters(name, block)
    return {key: numbers for key, numbers in strengths.items() if not isinstance(numbers, Range)}, options


def _parameters(
    name: str, block: Node, budget: Budget | None = None
) -> tuple[dict[str, list[float] | Range], dict[str, Any]]:
    """The numbers of each strength, or its range where a budget draws, and the options, of one technique."""
    row = technique(name)
    strengths: dict[str, list[float] | Range] = {}
    options: dict[str, Any] = {}
    for key, child in block.mapping().items():
        parameter = row.canonical(key)
        if not (row.strengths or row.options):
            raise child.error(f"{name} has no parameters, so not {key!r} either")
        if parameter in strengths:
            raise child.error(f"{parameter!r} is given twice, once as 'strength'")
        if parameter not in row.strengths:
            with child.located():
                options[parameter] = row.check(key, child.plain())
        elif budget and (between := read_range(child, whole=_whole(row, parameter, budget))):
            for end in (between.low, between.high):
                _checked(row, parameter, child, end)
            strengths[parameter] = between
        else:
            strengths[parameter] = [
                _checked(row, parameter, place, number) for place, number in read_numbers(child)
            ]
    return strengths, options


def _whole(row: Technique, name: str, budget: Budget) -> bool:
    return row.strengths[name].whole and budget.dialect > FIRST


def _checked(row: Technique, name: str, place: Node, number: float) -> float:
    with place.located():
        checked: float = row.check(name, number)
        return checked
