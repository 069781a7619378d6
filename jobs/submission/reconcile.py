"""The journal brought up to date with Slurm, by the holder of the store's lock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from jobs.slurm.node_names import expanded
from jobs.store import journal
from jobs.store.handed import Ending, Handed
from jobs.store.journal import append, read_journal, say_damaged
from jobs.store.meeting_place import node_at_fault, too_short
from jobs.store.pack_status import Packs, read_packs
from jobs.submission.continuation import deadline
from jobs.submission.hand_to_slurm import ToSlurm, clear_ended
from jobs.submission.job_outcomes import TIMEOUT, UNKNOWN, Sight, at_work, look
from jobs.submission.told_by_packs import Hosts, progress, told_by_packs
from jobs.support.readable_numbers import plural
from regularize.errors import UserError

# Time that a request needs to show in the queue after its sender died.
YOUNG_SECONDS = 10.0
# A host's clock may be ahead of Slurm's, or have been, by which a job began before it was asked for.
CLOCKS_DIFFER = timedelta(days=1)
# Accounting is written some seconds after the end.
ACCOUNT_LOOKS, ACCOUNT_SECONDS = 4, 5.0


def reconcile(way: ToSlurm) -> tuple[Sight, Packs]:
    """Find what may not have reached Slurm, write how elements ended; what is left then, and the packs.

    The packs are read after the queue: whatever has left it has left its results.

    Raises:
        UserError: a job of the sweep is in the queue, but what it trains stood in a damaged line.
    """
    store, slurm = way.store, way.slurm
    say_damaged(store.journal)
    _check_strays(way)
    _find_unsure(way)
    known = read_journal(store.journal)
    sight = look(known, slurm)
    for _ in range(ACCOUNT_LOOKS):
        if not sight.lagging:
            break
        slurm.sleep(ACCOUNT_SECONDS)
        sight = look(known, slurm)
    packs = read_packs(store)
    sight = _without_what_is_over(sight, packs, way.saved.cluster.time)
    for token, endings in _endings(sight, packs, store.jobs, _hosts(sight, way)).items():
        journal.ended(store.journal, token, endings)
    _note_silence(store.journal, sight)
    clear_ended(store, read_journal(store.journal))
    return replace(sight, journal=read_journal(store.journal), gone={}), packs


def _without_what_is_over(sight: Sight, packs: Packs, minutes: int) -> Sight:
    """Of what Slurm has no word: what can no longer be at work, or has nothing to do any more, is gone."""
    done = packs.done().keys()
    over = {
        (handed.token, index): UNKNOWN
        for handed, index in sight.unheard
        if not handed.elements
        or _all_done(handed, index, done)
        or ((since := deadline(sight.journal, handed, index, minutes)) and since < datetime.now(UTC))
    }
    return replace(sight, gone={**sight.gone, **over})


def _note_silence(path: Path, sight: Sight) -> None:
    """Write of which elements Slurm has no word, as of now, and of which it has one again."""
    silent = [(handed.token, index) for handed, index in sight.unheard]
    if new := [place for place in silent if place not in sight.journal.unheard]:
        append(path, "unheard", elements=new)
    if again := [place for place in sight.journal.unheard if place in sight.live]:
        append(path, "heard", elements=again)


def _all_done(handed: Handed, index: int, done: Collection[str]) -> bool:
    """Whether all packs of an element are done; those that are to be measured again are not told apart."""
    return not handed.measures and all(run_id in done for run_id in handed.runs(index))


def _check_strays(way: ToSlurm) -> None:
    """Nothing is handed over beside a job of which nobody knows what it trains."""
    path, strays = way.store.journal, read_journal(way.store.journal).strays
    live = at_work(strays, way.slurm)
    if jobs := sorted(job_id for job_id, yes in live.items() if yes):
        raise UserError(
            f"what job {', '.join(jobs)} in Slurm's queue trains stood in a damaged line of "
            f"{path}: wait for its end, or `scancel {' '.join(jobs)}`, then submit again"
        )
    if jobs := sorted(job_id for job_id, yes in live.items() if yes is None):
        raise UserError(
            f"what job {', '.join(jobs)} trains stood in a damaged line of {path}, and whether it has ended "
            "cannot be found out: squeue, sacct and scontrol are silent; nothing has been submitted, "
            "try again"
        )


def _find_unsure(way: ToSlurm) -> None:
    """Look for requests whose sender died or gave up before it knew the job's id, by their names."""
    store, slurm = way.store, way.slurm
    unsure = [handed for handed in read_journal(store.journal).handed if handed.unsure]
    if not unsure:
        return
    age = (datetime.now(UTC) - max(_time(handed) for handed in unsure)).total_seconds()
    slurm.sleep(min(max(0.0, YOUNG_SECONDS - age), YOUNG_SECONDS))
    names = [handed.name for handed in unsure]
    since = min(_time(handed) for handed in unsure) - CLOCKS_DIFFER
    past = slurm.accounting_by_name(names, since) or ()
    ids = {task.name: task.job_id for task in past}
    ids |= {task.name: task.job_id for task in slurm.queue_by_name(names)}
    if not ids.keys() >= set(names):  # of squeue and sacct silence is no answer
        shown = slurm.shown_by_name(names)
        if shown is None:
            raise UserError(
                f"whether Slurm has {plural(len(names), 'request')} of a submission that was cut short "
                "cannot be found out: squeue, sacct and scontrol are silent; nothing has been submitted, "
                "try again"
            )
        ids |= {task.name: task.job_id for task in shown}
    for handed in unsure:
        if job_id := ids.get(handed.name):
            way.place_pickles(handed, job_id)
            slurm.say(f"job {job_id} of a submission that was cut short is in Slurm's hands")
            append(store.journal, "submitted", token=handed.token, job_id=job_id)
        else:
            append(store.journal, "abandoned", token=handed.token, reason="Slurm never had it")


def _endings(
    sight: Sight, packs: Packs, jobs: Path, hosts: Callable[[str, int], Hosts]
) -> dict[str, dict[int, Ending]]:
    requests = {handed.token: handed for handed in sight.journal.handed}
    found: dict[str, dict[int, Ending]] = defaultdict(dict)
    for (token, index), state in sight.gone.items():
        handed, nodes = requests[token], sight.nodes.get((token, index), "")
        told = told_by_packs(handed, index, packs, hosts(token, index))
        nodes = nodes or ",".join(told.nodes)
        if not (brought_on := progress(handed, index, packs)):  # in what it has left it may say why
            job = handed.slurm_id(index)
            nodes = node if (node := node_at_fault(jobs, job)) in expanded(nodes) else nodes
            state = TIMEOUT if state == "FAILED" and too_short(jobs, job) else state
        found[token][index] = Ending(state, brought_on, nodes=nodes, raised=told.raised, good=told.good)
    return found


def _hosts(sight: Sight, way: ToSlurm) -> Callable[[str, int], Hosts]:
    """What Slurm calls the hosts of an element: nodes of its attempts by sacct, without that any node."""
    every, wide = cache(way.slurm.node_names), way.saved.cluster.nodes > 1

    def hosts(token: str, index: int) -> Hosts:
        accounted = [expanded(nodes) for nodes in sight.tried.get((token, index), ())]
        names = [name for nodes in accounted for name in nodes]
        last = expanded(sight.nodes.get((token, index), ""))
        return Hosts(names=lambda: names or every(), attempts=accounted or [last], wide=wide)

    return hosts


def _time(handed: Handed) -> datetime:
    return datetime.fromisoformat(handed.time)
