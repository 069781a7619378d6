"""Before its first step: whether all ranks of a pack have the same data, code, versions and settings.

What differs from node to node, a copy of the data or a build of torch, would be trained with as if it were
one.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from regularize.code_identity import code_of
from regularize.config import RunConfig
from regularize.distributed import Ranks
from regularize.errors import UserError
from regularize.trainer import Trainer

_MOST = 3  # differences in one line


class RanksError(UserError):
    """All ranks of a pack have found together that they cannot train it: each knows where the others are."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a rank says of itself: what must be equal, by what it is called, or why it cannot begin."""

    host: str
    facts: Mapping[str, str]
    error: str = ""


def begun_alike(ranks: Ranks, runs: Sequence[RunConfig], begin: Callable[[], Trainer]) -> Trainer:
    """What `begin` makes on each rank, once all have made it of the same.

    Raises:
        RanksError: on every rank; it says which node differs in what, or which one cannot begin.
    """
    if ranks.world == 1:
        return begin()
    try:
        made = begin()
    except Exception as error:
        _agreed(ranks, Told(host=platform.node(), facts={}, error=f"{type(error).__name__}: {error}"))
        raise
    _agreed(ranks, Told(host=platform.node(), facts=_facts(made, runs)))
    return made


def _agreed(ranks: Ranks, mine: Told) -> None:
    said = [Told(**json.loads(each)) for each in ranks.hear(json.dumps(vars(mine)).encode())]
    if failed := [(number, told) for number, told in enumerate(said) if told.error]:
        if len({told.error for told in said}) == 1:
            raise RanksError(mine.error)
        which = "; ".join(f"{told.host} (rank {number}): {told.error}" for number, told in failed[:_MOST])
        raise RanksError(f"not every rank can begin: {which}")
    if differing := differences(said):
        raise RanksError(f"the ranks of this pack are not alike: {differing}")


def differences(said: Sequence[Told]) -> str:
    """In one line, what is not the same on all ranks, and which nodes have which; `` if nothing.

    >>> told = [Told(host=host, facts={"torch": v}) for host, v in (("a", "2.9"), ("a", "2.9"), ("b", "2.8"))]
    >>> differences(told)
    'torch is 2.9 on a (ranks 0, 1), 2.8 on b (rank 2)'
    """
    names = dict.fromkeys(name for told in said for name in told.facts)
    found = []
    for name in names:
        by_value: dict[str, dict[str, list[int]]] = {}
        for number, told in enumerate(said):
            by_value.setdefault(told.facts.get(name, "none"), {}).setdefault(told.host, []).append(number)
        if len(by_value) > 1:
            having = (f"{value} on {_places(places)}" for value, places in by_value.items())
            found.append(f"{name} is {', '.join(having)}")
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return "; ".join([*found[:_MOST], *more])


def _places(ranks_by_host: Mapping[str, Sequence[int]]) -> str:
    return " and ".join(
        f"{host} ({'rank' if len(ranks) == 1 else 'ranks'} {', '.join(map(str, ranks))})"
        for host, ranks in ranks_by_host.items()
    )


def _facts(trainer: Trainer, runs: Sequence[RunConfig]) -> dict[str, str]:
    labels, dataset = trainer.batches.labels, runs[0].data.name
    count = " + ".join(f"{len(labels[part]):,}" for part in ("train", "test"))
    descriptions = json.dumps([run.to_json() for run in runs], sort_keys=True)
    code = code_of(*runs[0].sources)
    return {
        f"the content of data set {dataset}": f"{trainer.data} ({count} examples)",
        "torch": torch.__version__,
        "numpy": np.__version__,
        "Python": platform.python_version(),
        "the number of threads": str(torch.get_num_threads()),
        "what it trains on": trainer.ranks.device.type,
        "the kernels": trainer.kernels[-1],
        "the instruction set of torch": torch.backends.cpu.get_cpu_capability(),
        "the pack": f"{trainer.paths.folder.name}/{hashlib.sha256(descriptions.encode()).hexdigest()[:8]}",
        **{f"the code of {path}": digest for path, digest in code.digests.items()},
    }
