"""One look at a sweep on Slurm, and everything handed over that can be: by a person, or by the follow-up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobs.cluster.cluster_config import Cluster
from jobs.planning.job_arrays import cut, make_elements, parallelism
from jobs.planning.packing import Pack
from jobs.planning.plan import IN_HAND, Plan
from jobs.planning.prepare_submission import Submission, next_plan, warn
from jobs.slurm.accounts import with_one_account
from jobs.slurm.client import Slurm
from jobs.slurm.least import follow_up_below, for_follow_up, training_below
from jobs.slurm.limits import Limits
from jobs.slurm.sbatch_request import parameters, script, small, small_minutes
from jobs.store import provenance
from jobs.store.handed import Handed
from jobs.store.journal import append
from jobs.store.stopped import stopped
from jobs.submission.continuation import CONTINUES, silence
from jobs.submission.hand_to_slurm import RefusedError, TooManyError, ToSlurm, array_of, follow_up_of
from jobs.submission.job_outcomes import Sight
from jobs.submission.reconcile import reconcile
from jobs.submission.retries import Verdict, judge
from jobs.submission.stop_or_go_on import stop_or_go_on
from regularize.data import Facts
from regularize.errors import UserError

UNLIMITED = 1_000_000


class NoRoomError(UserError):
    """Slurm lets one have no further job in the queue."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one look at the sweep has led to."""

    plan: Plan
    jobs: Sequence[str]  # ids of the arrays that were handed over
    at_work: bool  # whether arrays are queued or running
    followed: bool  # whether a follow-up waits for all of them
    silence: Sequence[str] = ()  # what there is to say of jobs of which Slurm has no word
    unfollowed: str = ""  # why no follow-up can be

    @property
    def left_out(self) -> Counter[str]:
        """How many runs are not handed over although nobody has them, by the reason."""
        return Counter(reason for reason in self.plan.held.values() if reason != IN_HAND)

    @property
    def waiting(self) -> int:
        """How many runs are handed over once jobs have ended, as `max_jobs` are at work."""
        return 0 if self.jobs else self.plan.to_do + len(self.plan.again.runs)


def submit_ready(submission: Submission, facts: Mapping[str, Facts], way: ToSlurm) -> Turn:
    """Hand over all that is neither done, in hand nor left out, and a follow-up if none suffices.

    To be called by the holder of the store's lock.

    Raises:
        UserError: Slurm refuses, and then none of it is in the queue; or it does not answer, and then the
            next turn finds what it has taken.
    """
    slurm = way.slurm
    cluster = with_one_account(submission.cluster, slurm)
    way = replace(way, saved=replace(way.saved, cluster=cluster))
    sight, packs = reconcile(way)
    sight = stop_or_go_on(submission.store, cluster, sight, packs, slurm)
    warn(submission, packs)
    verdict = judge(sight.journal, packs, cluster)
    limits = slurm.limits(cluster)
    apart = for_follow_up(cluster) != cluster
    next_limits = slurm.limits(for_follow_up(cluster)) if apart else limits
    minutes = small_minutes(cluster, next_limits.max_time)
    _refuse_time(limits.beyond(cluster.time), limits, parameters(cluster, name="rs-check"), slurm)
    if cluster.follow_up:
        follows = small(cluster, name="rs-check", minutes=minutes)
        _refuse_time(next_limits.beyond(minutes, "time of follow_up"), next_limits, follows, slurm)
    _refuse_too_little(cluster, limits, next_limits)
    room = _room(limits, cluster.max_jobs, sight)
    without = {**verdict.left_out, **dict.fromkeys(sight.live_runs(), IN_HAND)}
    if room < UNLIMITED:  # packs are cut for the jobs that there will be
        cluster = replace(cluster, max_jobs=max(1, room))
    submission_now = replace(submission, cluster=cluster)
    plan = next_plan(submission_now, packs, facts, without)
    why = stopped(submission.store)
    if why and why.holds(at_work=bool(sight.live_arrays())):  # a sweep that has grown, too
        without = dict.fromkeys((run.run_id for run in plan.runs), why.reason) | without
        plan = next_plan(submission_now, packs, facts, without)
    if plan.slices and limits.room == 0:
        raise NoRoomError(
            f"Slurm lets you have {limits.max_submit_jobs} jobs in the queue, and {limits.queued_now} are "
            "there: nothing has been submitted"
        )
    arrays = list(_arrays(submission, plan, verdict, limits, room)) if room else []
    unfollowed = "" if cluster.follow_up else "the cluster config says `follow_up: false`"
    unfollowed = unfollowed or slurm.refused_to_follow_up(cluster)
    room_next = UNLIMITED if next_limits.room is None else next_limits.room
    places = room_next - (0 if apart else sum(array.jobs for array in arrays))
    jobs, followed = _hand_over(submission, arrays, sight, places, way, None if unfollowed else minutes)
    at_work = bool(jobs or sight.live_arrays())
    told = silence(sight, packs.done(), submission.cluster.time)
    return Turn(plan=plan, jobs=jobs, at_work=at_work, followed=followed, silence=told, unfollowed=unfollowed)


def _refuse_time(why: str, limits: Limits, request: dict[str, Any], slurm: Slurm) -> None:
    """Refuse a time limit with which a job would never start, if there is a `why`; where it is a limit of the
    user's, Slurm is asked.

    What Slurm takes then is handed over and said, as a limit that it does not deny makes jobs wait for ever.
    """
    if why and (limits.sure or slurm.test_only(script("true", "logs", request)).code):
        raise UserError(why)
    if why:
        slurm.say(f"{why}: Slurm takes such jobs, and may never start them")


def _refuse_too_little(cluster: Cluster, limits: Limits, next_limits: Limits) -> None:
    """Refuse jobs that Slurm would take and, as they ask for less than their quality of service wants, never
    start; `next_limits` are those of the follow-up.
    """
    if why := training_below(cluster, limits.least):
        raise UserError(f"jobs of {cluster.name}: {why}; ask for more, or set another `qos:`")
    if cluster.follow_up:
        why, todo = follow_up_below(cluster, next_limits.least)
        if why:
            raise UserError(f"the job that follows: {why}; {todo}, or `follow_up: false`")


def _room(limits: Limits, max_jobs: int | None, sight: Sight) -> int:
    """How many elements may be handed over; of two places or more, one is kept for the follow-up."""
    room = UNLIMITED if limits.room is None else max(limits.room - 1, min(limits.room, 1))
    if max_jobs is None:
        return room
    arrays = {handed.token for handed in sight.live_arrays()}
    return min(room, max(0, max_jobs - sum(token in arrays for token, _ in sight.live)))


def _arrays(
    submission: Submission, plan: Plan, verdict: Verdict, limits: Limits, room: int
) -> Iterable[Handed]:
    """The requests for the plan's packs, those that need more memory or time apart, in `room` elements."""
    levels = _levels(plan.packs, verdict, submission.cluster, room)
    for number, ((level, minutes), packs) in enumerate(levels, 1):
        elements = make_elements(packs, submission.cluster, room - (len(levels) - number))
        room -= len(elements)
        for array in cut(elements, limits.max_array_size):
            yield array_of(
                submission.sweep.name, array, level or None, min(minutes, limits.max_time or minutes)
            )


def _levels(
    packs: Iterable[Pack], verdict: Verdict, cluster: Cluster, room: int
) -> list[tuple[tuple[int, int], list[Pack]]]:
    """Packs by the memory and minutes they need, most first; where there is room for fewer, with more."""
    found: dict[tuple[int, int], list[Pack]] = defaultdict(list)
    for pack in packs:
        memory = max(verdict.memory.get(run_id, cluster.memory or 0) for run_id in pack.runs)
        found[memory, max(verdict.minutes.get(run_id, cluster.time) for run_id in pack.runs)].append(pack)
    levels = sorted(found.items(), reverse=True)
    while len(levels) > room:
        ((memory, minutes), most), ((_, others_minutes), rest), *others = levels
        levels = [((memory, max(minutes, others_minutes)), most + rest), *others]
    return levels


def _hand_over(
    submission: Submission,
    arrays: Sequence[Handed],
    sight: Sight,
    places: int,
    way: ToSlurm,
    follow: int | None,
) -> tuple[list[str], bool]:
    """Hand over all of it, or nothing if a part is refused; `follow` are the minutes of a follow-up, None
    where there is to be none, and `places` are left for it, as far as is known: of limits of its own the
    arrays may take some, too.

    The arrays' ids, and whether a follow-up waits for all at work.
    """
    store, parallel = submission.store, parallelism(submission.cluster.array_parallelism, len(arrays) or 1)
    accepted: list[tuple[str, str]] = []
    try:
        for array in arrays:
            job_id = way.hand_over(array, parallel)
            accepted.append((array.token, job_id))
        jobs = [job_id for _, job_id in accepted]
        followed = follow is not None and _follow(submission, jobs, sight, places, way, follow)
    except RefusedError as error:
        way.slurm.cancel([job_id for _, job_id in accepted])
        for token, _ in accepted:
            append(
                store.journal, "abandoned", token=token, reason="another part of the submission was refused"
            )
        kind = NoRoomError if isinstance(error, TooManyError) else RefusedError
        raise kind(f"{error}; nothing has been submitted") from None
    except UserError as error:  # what Slurm has taken stays in its hands
        raise type(error)(f"{error}; {CONTINUES} with what Slurm has taken by then") from None
    if jobs:
        provenance.record(store, submission.overrides, jobs)
    return jobs, followed


def _follow(
    submission: Submission, jobs: Sequence[str], sight: Sight, places: int, way: ToSlurm, minutes: int
) -> bool:
    """See to it that a follow-up waits for all that is at work; False if nothing is, or no place is left."""
    work = [*(str(handed.job_id) for handed in sight.live_arrays()), *jobs]
    waiting = [handed for handed, task in sight.follow_ups() if task.state == "PENDING"]
    silent = any(handed.elements for handed, _ in sight.unheard)
    if not work and not silent:
        return False
    if any(set(work) <= set(handed.after) for handed in waiting):
        return True
    if places < 1:
        return False
    try:
        way.hand_over(follow_up_of(submission.sweep.name, work, minutes))
    except TooManyError:  # others' jobs count to the limits of groups, too
        return False
    way.slurm.cancel([str(handed.job_id) for handed in waiting])
    return True
