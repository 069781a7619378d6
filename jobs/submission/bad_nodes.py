"""Nodes on which attempts end without having achieved anything, while those elsewhere do. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from jobs.slurm.node_names import expanded
from jobs.store.handed import Ending, Handed
from jobs.store.journal import Journal
from jobs.support.readable_numbers import plural
from regularize.config import pack_id

FRUITLESS = 2  # attempts on a node that achieved nothing, or packs that raised an error there
# Ends that are the fault of a node, or may be.
_OF_A_NODE = ("FAILED", "NODE_FAIL", "BOOT_FAIL", "LAUNCH_FAILED")


class Bad(NamedTuple):
    """How many attempts on a node achieved nothing, and how many packs raised errors there.

    `known` is the line of the journal by which it was bad.
    """

    attempts: int
    raised: int
    known: int


@dataclass
class _Fruitless:
    """On one node since something was achieved there: place and line of all that achieved nothing."""

    lines: list[tuple[int, int]] = field(default_factory=list)
    attempts: int = 0


def bad_nodes(journal: Journal) -> dict[str, Bad]:
    """Nodes to leave out of the next request.

    At least `FRUITLESS` attempts there have achieved nothing, and none something since. Besides, since the
    first of them something was achieved on another node, or this node alone fails (one attempt elsewhere does
    not count against it where something was achieved before). Where all fail alike, it is not the nodes. Of a
    job on several it may have been each. What was before the last retry is forgotten.

    A pack that raises an error is as an attempt where others are trained elsewhere, unless it has raised one
    there, too; or where the journal has blamed the node, and none has failed on another since.
    """
    fruitful: dict[str, int] = {}  # the last place in that order, by node
    fruitless: dict[str, _Fruitless] = defaultdict(_Fruitless)
    everywhere = 0  # fruitless attempts since the last one anywhere that was not
    last_error: dict[str, int] = {}  # its line, by node
    raised = errors(journal)
    for place, (handed, index, ending) in enumerate(_in_order(journal)):
        nodes, forgiven = expanded(ending.nodes), ending.line <= journal.forgiven
        erring = [(node, pack) for node, pack in ending.raised if node]
        if good := _good(ending, nodes, erring):
            everywhere = 0
            for node in good:
                fruitless.pop(node, None)
                if not forgiven:
                    fruitful[node] = place
        elif nodes and not ending.progress and ending.state in _OF_A_NODE and not forgiven:
            everywhere += 1
            for node in nodes:
                fruitless[node].attempts += 1
                fruitless[node].lines.append((place, ending.line))
        for node, pack in erring:
            last_error[node] = ending.line
            runs = _runs(handed, index, pack)
            if not forgiven and all(set(raised[run_id]) == {node} for run_id in runs):
                fruitless[node].lines.append((place, ending.line))

    def to_blame(node: str, found: _Fruitless) -> bool:
        elsewhere = any(last >= found.lines[0][0] for other, last in fruitful.items() if other != node)
        alone = everywhere - found.attempts < (FRUITLESS if fruitful else 1)
        others = max((line for other, line in last_error.items() if other != node), default=0)
        untried = journal.blamed.get(node, 0) > max(others, journal.forgiven)
        return elsewhere or untried or (found.attempts >= FRUITLESS and alone)

    return {
        node: Bad(found.attempts, len(found.lines) - found.attempts, found.lines[FRUITLESS - 1][1])
        for node, found in fruitless.items()
        if len(found.lines) >= FRUITLESS and to_blame(node, found)
    }


def _good(ending: Ending, nodes: Sequence[str], erring: Sequence[object]) -> Sequence[str]:
    """The nodes on which something was achieved."""
    if ending.good is not None:
        return ending.good
    return nodes if ending.progress and not erring else ()


def errors(journal: Journal) -> dict[str, list[str]]:
    """Of runs whose packs raised errors since the last retry, the nodes that may be at fault, or nothing."""
    found: dict[str, list[str]] = defaultdict(list)
    for handed, index, ending in _in_order(journal):
        for node, pack in ending.raised:
            for run_id in _runs(handed, index, pack):
                if ending.line > journal.forgiven:
                    found[run_id].append(node)
    return found


def _runs(handed: Handed, index: int, pack: str) -> Iterable[str]:
    packs = (runs for slice_ in handed.elements[index] for runs in slice_)
    return next((runs for runs in packs if pack_id(runs) == pack), ())


def _in_order(journal: Journal) -> Iterator[tuple[Handed, int, Ending]]:
    """How elements ended, as nearly in that order as is known: those of one array in that of their start."""
    found = [
        (ending.line, handed.line, index, handed, ending)
        for handed in journal.arrays
        for index, ending in handed.endings.items()
    ]
    for _, _, index, handed, ending in sorted(found, key=lambda each: each[:3]):
        yield handed, index, ending


def bad_node_lines(journal: Journal) -> list[str]:
    """What to say of them."""
    return [
        f"node {node} is left out of the next request: {_why(bad)}"
        for node, bad in bad_nodes(journal).items()
    ]


def _why(bad: Bad) -> str:
    attempts = f"{plural(bad.attempts, 'attempt')} there achieved nothing" if bad.attempts else ""
    raised = f"{plural(bad.raised, 'pack')} failed there, and those elsewhere did not" if bad.raised else ""
    return ", and ".join(filter(None, (attempts, raised)))
