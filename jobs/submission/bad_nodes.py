"""Nodes on which attempts end without having achieved anything, while those elsewhere do. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from jobs.slurm.node_names import expanded
from jobs.store.handed import Ending
from jobs.store.journal import Journal

FRUITLESS = 2  # attempts on a node that achieved nothing
# Ends that are the fault of a node, or may be.
_OF_A_NODE = ("FAILED", "NODE_FAIL", "BOOT_FAIL", "LAUNCH_FAILED")


class Bad(NamedTuple):
    """How many attempts on a node achieved nothing, and the line of the journal by which that was known."""

    attempts: int
    known: int


def bad_nodes(journal: Journal) -> dict[str, Bad]:
    """Nodes to leave out of the next request.

    At least `FRUITLESS` attempts there have achieved nothing, and none something since. Besides, since the
    first of them something was achieved on another node, or this node alone fails (one attempt elsewhere does
    not count against it where something was achieved before). Where all fail alike, it is not the nodes. Of a
    job on several it may have been each. What was before the last retry is forgotten.
    """
    fruitful: dict[str, int] = {}  # the last line, by node
    fruitless: dict[str, list[int]] = defaultdict(list)  # the lines since, by node
    everywhere = 0  # fruitless attempts since the last one anywhere that was not
    for ending in _in_order(journal):
        nodes = expanded(ending.nodes)
        if nodes and ending.progress:
            everywhere = 0
            for node in nodes:
                fruitful[node] = ending.line
                fruitless.pop(node, None)
        elif nodes and ending.state in _OF_A_NODE and ending.line > journal.forgiven:
            everywhere += 1
            for node in nodes:
                fruitless[node].append(ending.line)

    def to_blame(node: str, lines: list[int]) -> bool:
        elsewhere = any(last >= lines[0] for other, last in fruitful.items() if other != node)
        return elsewhere or everywhere - len(lines) < (FRUITLESS if fruitful else 1)

    found = {node: lines for node, lines in fruitless.items() if len(lines) >= FRUITLESS}
    return {
        node: Bad(len(lines), lines[FRUITLESS - 1]) for node, lines in found.items() if to_blame(node, lines)
    }


def _in_order(journal: Journal) -> Iterator[Ending]:
    """How elements ended, as nearly in that order as is known: those of one array in that of their start."""
    found = [
        (ending.line, handed.line, index, ending)
        for handed in journal.arrays
        for index, ending in handed.endings.items()
    ]
    return (ending for *_, ending in sorted(found, key=lambda each: each[:3]))


def bad_node_lines(journal: Journal) -> list[str]:
    """What to say of them."""
    return [
        f"node {node} is left out of the next request: {bad.attempts} attempts there achieved nothing"
        for node, bad in bad_nodes(journal).items()
    ]
