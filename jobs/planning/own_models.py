"""Modules and techniques of one's own tried before they are trained.

In another process (`regularize/own_trial.py`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from jobs.cluster.cluster_config import Cluster
from jobs.sweep.regularizer_entries import Entry
from jobs.sweep.sweep_file import DatasetGrid, Sweep
from regularize import models
from regularize.config import RunConfig
from regularize.data.source import Facts
from regularize.errors import UserError

TRIAL_SECONDS = 300.0
_WORTH_IT = 1.1  # times as fast: less may be chance, and side by side a run's float32 rounding is another
_PRINTED_BYTES = 1 << 16
_MARK = "REGULARIZE_TRIAL"
_HERE = "(tried here, where it may not be as it is where it trains)"


@dataclass(frozen=True)
class Trial:
    """Of a model on a data set: see `regularize.own_trial.Found`."""

    model: str
    error: str = ""
    missing: bool = False
    begins: bool = False
    alone: str = ""
    gain: float = 0.0
    said: tuple[str, ...] = ()


def trials(
    sweep: Sweep,
    facts: Mapping[str, Facts],
    cluster: Cluster | None = None,
    names: Collection[str] | None = None,
) -> Iterator[Trial]:
    """Of every model, or of those of these names, on every data set whose facts are known.

    Modules of one's own are tried with every entry, others with those that have techniques of one's own.
    """
    for name in sweep.models if names is None else [name for name in sweep.models if name in names]:
        for grid in sweep.datasets:
            known, entries = facts.get(grid.sizes[0].name), _own_entries(name, grid)
            if known is not None and entries:
                packs = cluster is not None and _may_pack(cluster)
                timed = cluster.usual_runs if cluster and packs and cluster.pack_own_models is None else 0
                yield _tried(name, _asked(name, grid, entries, sweep, known, packs=packs, timed=timed))


def has_own(sweep: Sweep) -> bool:
    """Whether there is anything to try."""
    return any(_own_entries(name, grid) for name in sweep.models for grid in sweep.datasets)


def _own_entries(name: str, grid: DatasetGrid) -> list[Entry]:
    """Those to try on the model."""
    own = [entry for entry in grid.entries if any(":" in each for each in entry.techniques)]
    return own if models.packable(name) else list(grid.entries)


def side_by_side(sweep: Sweep, facts: Mapping[str, Facts], cluster: Cluster) -> Collection[str]:
    """The modules of one's own that train side by side: as the cluster config asks, and where they can.

    By `auto` also only where that is faster, for all their data sets.
    """
    if not _may_pack(cluster):
        return ()
    own = [name for name in sweep.models if not models.packable(name)]
    found = list(trials(sweep, facts, cluster, own))
    left_out = {each.model for each in found if each.error or each.alone or _slower(each, cluster)}
    return {each.model for each in found} - left_out


def refuse_failing(
    sweep: Sweep,
    facts: Mapping[str, Facts],
    cluster: Cluster,
    names: Collection[str],
    say: Callable[[str], object],
) -> None:
    """Try modules of one's own before they are trained: those of these names.

    An error is only said where it may be one of this machine: GPUs train, or something is not to be found on
    a login node, which the nodes may have.

    Raises:
        UserError: some cannot be trained, each in a line.
    """
    notes, errors = dict[str, None](), dict[str, None]()
    for trial in trials(sweep, facts, cluster, names):
        if trial.error and (cluster.gpus_asked or (trial.missing and cluster.kind == "slurm")):
            notes[f"{trial.error} {_HERE}"] = None
        elif trial.error:
            (notes if trial.begins else errors)[trial.error] = None
    if errors:
        raise UserError("\n  ".join(errors) + "; nothing has been submitted")
    for note in notes:
        say(note)


def said_of(sweep: Sweep, facts: Mapping[str, Facts], cluster: Cluster | None = None) -> Iterator[str]:
    """What is to be known of modules of one's own, in sentences."""
    for trial in trials(sweep, facts, cluster):
        if trial.error:
            yield f"{trial.error} {_HERE}"
        yield from trial.said
        if trial.alone:
            yield f"model {trial.model}: its runs train one by one, as {trial.alone}"
        if trial.gain and cluster:
            number, gain = cluster.usual_runs, _rounded(trial.gain)
            yield f"model {trial.model}: its runs train " + (
                f"one by one, as {number} side by side are {gain} times as fast, tried here"
                if _slower(trial, cluster)
                else f"{number} side by side, {gain} times as fast as one by one, tried here"
            )


def _rounded(gain: float) -> str:
    return f"{gain:.1f}" if gain >= 1 else f"{gain:.2f}"


def _slower(trial: Trial, cluster: Cluster) -> bool:
    """Whether its runs train one by one, where that is left to what is faster."""
    return cluster.pack_own_models is None and trial.gain < _WORTH_IT


def _may_pack(cluster: Cluster) -> bool:
    if cluster.pack_own_models is None and cluster.gpus_asked:
        return False  # what is faster on a GPU is not told by a CPU
    return cluster.pack_own_models is not False and cluster.mode == "spread"


def _asked(
    name: str,
    grid: DatasetGrid,
    entries: Sequence[Entry],
    sweep: Sweep,
    known: Facts,
    *,
    packs: bool,
    timed: int,
) -> str:
    first = sweep.datasets[0].sizes[0]  # data sets of one shape are one question
    runs = [
        RunConfig(
            data=first,
            model=name,
            regularizer=entry.name,
            terms=entry.candidates[0],
            training=next(iter(grid.settings(entry)))[1].training,
            evaluation=sweep.evaluation,
        ).to_json()
        for entry in entries
    ]
    return json.dumps(
        {"runs": runs, "shape": known.shape, "classes": known.classes, "packs": packs, "timed": timed}
    )


@lru_cache(maxsize=16)
def _tried(name: str, asked: str) -> Trial:
    try:
        code, answer, printed = _ended(asked)
    except subprocess.TimeoutExpired:
        late = f"model {name} cannot be tried: it took more than {TRIAL_SECONDS:g} s"
        return Trial(name, error=late, begins=True)
    if code or not answer:  # a module may end its process, with 0, too
        last = printed.strip().rpartition("\n")[2] or f"the process ended with {code}"
        return Trial(name, error=f"model {name} cannot be tried: {last}", missing=True)
    found = json.loads(answer)
    return Trial(name, **{**found, "said": tuple(found["said"])})


def _ended(asked: str) -> tuple[int, str, str]:
    """The trial's exit code, its answer, and the end of what was printed; nothing that it began goes on.

    Raises:
        subprocess.TimeoutExpired: it takes too long.
    """
    mark = uuid.uuid4().hex
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), _MARK: mark}
    command = [sys.executable, "-P", "-W", "ignore", "-m", "regularize.own_trial", f"{TRIAL_SECONDS:.0f}"]
    with tempfile.TemporaryFile() as question, tempfile.TemporaryFile() as answer:
        question.write(asked.encode())
        question.seek(0)
        process = subprocess.Popen(
            command,
            stdin=question,
            stdout=answer,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        printed = bytearray()
        listener = threading.Thread(target=_listen, args=(process.stderr, printed), daemon=True)
        listener.start()
        try:
            code = process.wait(TRIAL_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with it whatever it has started
            process.wait()
            _end_marked(f"{_MARK}={mark}".encode())
            listener.join(1.0)
        answer.seek(0)
        return code, answer.read().decode(), printed.decode(errors="replace")


def _end_marked(mark: bytes) -> None:
    """End what has left the session, such as a library's server, by its environment (in `/proc`)."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)


def _listen(pipe: IO[bytes], printed: bytearray) -> None:
    """Keep the end of what is printed, however much that is."""
    with pipe:
        while part := os.read(pipe.fileno(), 1 << 16):
            printed += part
            del printed[:-_PRINTED_BYTES]
