"""What one task executes: its packs one after the other, each to its end or to a checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.store.kept_inputs import keep_code
from jobs.store.lease import Fence, LeaseLostError, lease
from jobs.store.pack_status import read_pack
from jobs.store.runs_table import read_runs
from jobs.store.stopped import stop_if_alike, stopped
from jobs.worker.one_pack import HEARTBEAT, Ending, Train, attempt
from jobs.worker.stopping import never
from regularize.code_identity import code_of
from regularize.config import RunConfig, pack_id
from regularize.errors import UserError
from regularize.evaluation.measurement import meets
from regularize.store import PackPaths, Store

if TYPE_CHECKING:
    from regularize.distributed import Ranks


def train_packs(
    store: Store,
    packs: Sequence[Sequence[str]],
    train: Train,
    *,
    data_root: Path | None,
    stop: Callable[[], bool],
    late: Callable[[], bool] = never,
    cancelled: Callable[[Sequence[str]], bool] = never,
    job: str = "",
    max_failures: int | None = None,
    heartbeat_seconds: float = HEARTBEAT,
) -> bool:
    """Train packs (lists of run ids); False if some are left, but for those `cancelled`.

    A pack that raises is recorded as failed, with its traceback in `error.txt`, and the next one is
    begun; but ranks that train together end then, as they no longer know of each other where
    they are, unless they have found it out together. A pack that another worker has in hand is left to
    it. Once it is `late` no further pack is begun. Packs that failed in this `job` before it was requeued
    are not tried again. Within a pack runs are in the order of their ids, whoever planned it: the run axis
    of a checkpoint has no names. Leases are touched as often as packs say how far they are, or less often.
    Once `max_failures` runs on end have failed alike, whoever trained them, no further pack is begun.

    Raises:
        LeaseLostError: another worker has taken over a pack of ranks that train together.
        NoSpaceError: the store's disk is full.
        RuntimeError: another rank is gone.
    """
    from regularize.distributed import Ranks

    ranks = Ranks.here()
    configs = _configs(store, packs)
    for sources in {config.sources for config in configs.values()}:
        code_of(*sources)  # now: what is edited while packs train is not what trains them
    begun, kept = False, set[str]()
    for position, runs in enumerate(packs):
        paths = store.pack(pack_id(runs))
        mine = [configs[run_id] for run_id in sorted(runs)]
        if ranks.any(_ended(paths, mine, job) or cancelled(runs)):
            continue
        if ranks.any(stop() or (begun and late())):
            return False
        if why := _given_up(store, ranks, max_failures):
            print(f"no further pack is begun: {why}", file=sys.stderr, flush=True)
            return True
        begun = True
        if paths.folder.is_symlink():
            raise UserError(f"{paths.folder} is a link: nothing is written where it leads")
        taken = lease(paths.lease, stop, _say(paths), heartbeat_seconds) if ranks.first else nullcontext()
        with taken as held:
            if ranks.any(ranks.first and held is None):
                if ranks.any(stop()):
                    return False
                continue
            if ranks.any(_ended(paths, mine, job)):  # by whoever had it until now
                continue
            if ranks.first:
                paths.error.unlink(missing_ok=True)
                if (code := code_of(*mine[0].sources)).name not in kept:
                    keep_code(store, code)  # may have other libraries than who submitted it
                    kept.add(code.name)
            ranks.wait()
            ends = partial(_any, Fence(held) if held else never, stop, partial(cancelled, runs))
            try:
                ending = attempt(train, mine, paths, data_root, ends, job)
                if ranks.first and ending != Ending.WHOLE and max_failures:
                    stop_if_alike(store, max_failures)
            except LeaseLostError as error:
                if ranks.world > 1:
                    raise
                _say(paths)(f"{error}: it is left alone")
                ending = Ending.WHOLE
        if (ending == Ending.FAILED and ranks.world > 1) or ranks.any(stop()):
            return all(
                _ended(store.pack(pack_id(left)), [configs[run_id] for run_id in left], job)
                for left in packs[position:]
            )
    return True


def _given_up(store: Store, ranks: Ranks, max_failures: int | None) -> str:
    """Why no further pack is to be begun; empty where one is."""
    why = stopped(store) if max_failures and ranks.first else None
    return (why.reason if why else "another rank has found why") if ranks.any(why is not None) else ""


def _any(*questions: Callable[[], bool]) -> bool:
    return any(question() for question in questions)


def _say(paths: PackPaths) -> Callable[[str], None]:
    return lambda text: print(f"pack {paths.folder.name}: {text}", file=sys.stderr, flush=True)


def _configs(store: Store, packs: Sequence[Sequence[str]]) -> dict[str, RunConfig]:
    """The packs' runs; those that are no longer planned are measured as the others of their pack."""
    from jobs.sweep.run_grid import from_table

    run_ids = {run_id for runs in packs for run_id in runs}
    table = read_runs(store, run_ids=run_ids)
    configs = from_table(table)
    planned = set(table.filter(table["planned"])["run_id"].to_pylist())
    for runs in packs:
        asked = [configs[run_id].evaluation for run_id in runs if run_id in planned]
        # Runs on tune seeds ask for less than others, beside which they are in packs of before.
        evaluation = min(asked or [configs[runs[0]].evaluation], key=lambda each: each.for_choice)
        for run_id in runs:
            configs[run_id] = replace(configs[run_id], evaluation=evaluation)
    return configs


def _ended(paths: PackPaths, runs: Sequence[RunConfig], job: str) -> bool:
    """Whether a pack is done and measured as is wanted, or failed in this very job."""
    with suppress(ValueError):
        if status := read_pack(paths):
            here = bool(job) and _without_process(status.job) == _without_process(job)
            if status.state == "done" and meets(status.evaluation, runs[0].evaluation.text):
                return True
            return here and (status.state == "failed" or status.measuring_failed)
    return False


def _without_process(job: str) -> str:
    return job.rpartition("_")[0]
