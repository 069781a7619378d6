"""Names of nodes as Slurm writes them together."""

from __future__ import annotations

import re
from functools import lru_cache

_NAMES = re.compile(r"(?:[^,\[\]]|\[[^\[\]]*\])+")
_RANGE = re.compile(r"([^,\[\]]*)\[([\d,-]+)\](.*)")


@lru_cache(maxsize=4096)
def expanded(nodes: str) -> tuple[str, ...]:
    """Each node's name, in their order; none where no node was given to a job.

    >>> expanded("n1"), expanded("n[08-10,12],login")
    (('n1',), ('n08', 'n09', 'n10', 'n12', 'login'))
    >>> expanded("r[1-2]n[1-2]")
    ('r1n1', 'r1n2', 'r2n1', 'r2n2')
    >>> expanded(""), expanded("None assigned")
    ((), ())
    """
    if " " in nodes:
        return ()
    return tuple(name for each in _NAMES.findall(nodes) for name in _expanded(each))


def _expanded(names: str) -> list[str]:
    if not (found := _RANGE.fullmatch(names)):
        return [names]
    before, numbers, after = found.groups()
    rest = _expanded(after)
    return [
        f"{before}{number}{end}" for each in numbers.split(",") for number in _numbers(each) for end in rest
    ]


def _numbers(text: str) -> list[str]:
    first, _, last = text.partition("-")
    if not last:
        return [first]
    return [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]
