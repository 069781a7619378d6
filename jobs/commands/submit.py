"""A sweep → a finished store: on this machine now, or by jobs of Slurm that go on by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from jobs.planning.bound_ranks import with_ranks
from jobs.planning.kernel_paths import check_ways
from jobs.planning.last_choice import last_choice
from jobs.planning.own_models import has_own, refuse_failing
from jobs.planning.plan import IN_HAND
from jobs.planning.prepare_submission import Submission
from jobs.planning.sweep_data import prepare_data
from jobs.planning.sweep_inputs import changed_in, keep, keep_inputs, put_aside, refuse
from jobs.planning.tuning import wanted_runs
from jobs.status.run_states import processes_here
from jobs.store.changed_inputs import Changed
from jobs.store.changed_ways import KEEP, RETRAIN, VERIFY
from jobs.store.kept_inputs import PROVED, accept
from jobs.store.pack_status import Packs, read_packs
from jobs.store.submit_lock import submit_lock
from jobs.submission.runs_in_hand import without
from jobs.support.readable_numbers import plural
from regularize.data import Facts
from regularize.errors import UserError
from regularize.own_code import check_trusted

VERIFIED_RUNS = 3  # of each other code


def submit(submission: Submission) -> bool:
    """Train what the sweep wants and the store does not have; False, having said why, if something failed.

    On this machine it returns when nothing is left to do, on Slurm when the jobs are in the queue.

    Raises:
        UserError: something is missing, refused, or at work already, or results in the store are of other
            code or data and nobody has said what becomes of them; nothing has been started.
        KeyboardInterrupt: the tasks on this machine have been told to checkpoint.
    """
    check_ways(submission.sweep, submission.cluster)
    submission = _of_so_many_ranks(submission)
    settle_changes(submission)
    if submission.cluster.kind == "local":
        from jobs.local.run_sweep import run_here

        return run_here(submission)
    from jobs.submission.submit_to_slurm import submit_by_hand

    return submit_by_hand(submission)


def _of_so_many_ranks(submission: Submission) -> Submission:
    """With the number of ranks in those runs of which it is a part."""
    if submission.cluster.ranks_together == 1:
        return submission
    check_trusted(submission.own_code)
    facts = prepare_data(submission.sweep, submission.data_root, lambda _: None)
    sweep, said = with_ranks(submission.sweep, submission.cluster, facts)
    for sentence in said:
        submission.say(sentence)
    return replace(submission, sweep=sweep)


def settle_changes(submission: Submission) -> None:
    """Do with results of other code and data what was asked for, and keep what today's are.

    Raises:
        UserError: there are some, and nothing was asked for, or they do not prove equal; or a module or
            technique of one's own cannot be trained; or the sweep, of a store that somebody else made, names
            code that is not trusted.
    """
    sweep, store, root = submission.sweep, submission.store, submission.data_root
    check_trusted(submission.own_code)
    facts = prepare_data(sweep, root, lambda _: None)
    packs = read_packs(store)
    changed = changed_in(sweep, store, packs, root, facts)
    refuse([change for change in changed if change.kind not in submission.changed])
    _try_own_models(submission, packs, facts, changed)
    for way, act in ((KEEP, keep), (RETRAIN, put_aside)):
        if chosen := [change for change in changed if submission.changed[change.kind] == way]:
            with submit_lock(store.lock):
                if act is put_aside:
                    _check_idle(submission, chosen)
                act(store, chosen)
            for change in chosen:
                submission.say(change.said)
    _prove([change for change in changed if submission.changed[change.kind] == VERIFY], submission)
    keep_inputs(sweep, store, root, facts)


def _try_own_models(
    submission: Submission, packs: Packs, facts: Mapping[str, Facts], changed: Sequence[Changed]
) -> None:
    """Try those of which runs are left to train.

    Raises:
        UserError: one cannot be trained.
    """
    sweep = submission.sweep
    if not has_own(sweep):
        return
    again = {i for each in changed if submission.changed[each.kind] == RETRAIN for i in each.runs}
    done = packs.done().keys() - again
    parts = wanted_runs(sweep, packs, last_choice(submission.store, sweep), facts)
    wanted = [run.config for part in parts for run in part]
    left = {config.model for config in wanted if config.run_id not in done}
    refuse_failing(sweep, facts, submission.cluster, left, submission.say)


def _check_idle(submission: Submission, changed: Sequence[Changed]) -> None:
    """
    Raises:
        UserError: some of these runs are in somebody's hands.
    """
    packs = read_packs(submission.store)
    held = without(submission.store, packs, submission.cluster)
    ids = {run_id for change in changed for run_id in change.runs}
    busy = [run_id for run_id in ids if held.get(run_id) == IN_HAND]
    if busy or processes_here(packs, datetime.now(UTC)):
        raise UserError("runs of other code or data are queued or running: `regularize cancel` them first")


def _prove(changed: Sequence[Changed], submission: Submission) -> None:
    from jobs.verification.train_again import drawn, verify

    store = submission.store
    for change in changed:
        done = read_packs(store).done()
        runs = drawn((run_id for run_id in change.runs if run_id in done), VERIFIED_RUNS)
        if not runs:
            raise UserError(f"{change.said}; none of them is finished, so that nothing can be compared")
        for found in verify(store, submission.saved, runs, submission.console):
            if found.differs:
                raise UserError(
                    f"{change.said}; run {found.run_id} trained again differs, first in {found.differs}: "
                    "nothing has been submitted"
                )
        accept(store, change.kind, [change.name], change.today, PROVED, len(change.runs))
        submission.say(f"{change.said}; {plural(len(runs), 'run')} trained again gave the same bits")
