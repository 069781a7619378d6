"""Nodes on which attempts end without having achieved anything, while those elsewhere do. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from jobs.store.journal import Journal

FRUITLESS = 2  # attempts on a node that achieved nothing
# Ends that are the fault of a node, or may be.
_OF_A_NODE = ("FAILED", "NODE_FAIL", "BOOT_FAIL", "LAUNCH_FAILED")


def bad_nodes(journal: Journal) -> dict[str, int]:
    """Nodes to leave out of the next request, and how many attempts there achieved nothing.

    None where nothing was achieved anywhere, but on several nodes: then it is not the nodes. What was before
    a retry of all runs of an attempt is forgotten.
    """
    fruitless, fruitful = Counter[str](), set[str]()
    for handed in journal.arrays:
        for index, ending in handed.endings.items():
            if not ending.nodes or "," in ending.nodes or "[" in ending.nodes:
                continue  # which of several it was is not known
            if ending.progress:
                fruitful.add(ending.nodes)
            elif ending.state in _OF_A_NODE and not _forgotten(journal, handed.runs(index), ending.line):
                fruitless[ending.nodes] += 1
    bad = {node: count for node, count in fruitless.items() if count >= FRUITLESS and node not in fruitful}
    return bad if fruitful or len(fruitless) == 1 else {}


def _forgotten(journal: Journal, runs: Iterable[str], line: int) -> bool:
    return all(line <= journal.retried.get(run_id, (0, ""))[0] for run_id in runs)


def bad_node_lines(journal: Journal) -> list[str]:
    """What to say of them."""
    return [
        f"node {node} is left out of the next request: {count} attempts there achieved nothing"
        for node, count in bad_nodes(journal).items()
    ]
