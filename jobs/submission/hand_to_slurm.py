"""One request to Slurm through submitit, between its two lines in the journal."""

from __future__ import annotations

import io
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError, JobPaths

from jobs.cluster.cluster_config import MOST_HEARTBEAT, Cluster
from jobs.code_copy.own_copy import copy_for_jobs, hold, lines
from jobs.planning.job_arrays import Slices
from jobs.slurm import interpreter
from jobs.slurm.client import FIRST_WAIT, LONGEST_WAIT, Slurm, passing
from jobs.slurm.environment import submitting
from jobs.slurm.parsable_executor import ParsableExecutor
from jobs.slurm.refusals import hint, too_many
from jobs.slurm.sbatch_request import REPLACED, parameters, small, takes_logs
from jobs.store import journal
from jobs.store.handed import Element, Handed
from jobs.store.journal import Journal, append
from jobs.store.submitted_settings import Saved
from jobs.submission.bad_nodes import bad_nodes
from jobs.submission.last_words import last_words
from jobs.support.own_folder import own_folder
from jobs.worker.one_pack import HEARTBEAT
from jobs.worker.slurm_task import Task, prologue, srun_args, teardown
from regularize.errors import UserError
from regularize.store import Store
from regularize.whole_files import naming_failures, naming_full_disk

_OF_A_JOB = re.compile(r"(\d+(?:_\d+)?)(?:(?:_\d+_result|_submitted)\.pkl|-\d+)")
LATER = "now+10minutes"
BEATS_A_SECOND = 50  # of all packs together, each a file or two on the store's file system
_STRAY = re.compile(r"[0-9a-f]{32}\.pkl|\.submission_file_[0-9a-f]{32}\.sh")


class RefusedError(UserError):
    """Slurm has said no, or was not asked: there is no such job."""


class TooManyError(RefusedError):
    """It has as many jobs in the queue as it allows, of this user or of others."""


def array_of(
    sweep: str, elements: Sequence[Slices], memory: int | None, minutes: int | None = None
) -> Handed:
    """The request for an array, not yet made."""
    packs = [pack for element in elements for slice_ in element for pack in slice_]
    return Handed(
        token=(token := _token()),
        name=_name(sweep, token),
        elements=tuple(_ids(element) for element in elements),
        memory=memory,
        minutes=minutes,
        begun={pack.pack_id: pack.share for pack in packs if pack.share},
        measures={
            settings: [pack.pack_id for pack in packs if pack.measures == settings]
            for settings in sorted({pack.measures for pack in packs if pack.measures})
        },
    )


def follow_up_of(sweep: str, after: Sequence[str], minutes: int) -> Handed:
    """The request for a follow-up of so many `minutes` once the jobs `after` have ended, not yet made.

    Without any it begins `LATER` from now, when Slurm may have a word again of what it is silent of.
    """
    token = _token()
    return Handed(token=token, name=_name(sweep, token), after=tuple(after), minutes=minutes)


@dataclass(frozen=True)
class ToSlurm:
    """The way of a store's requests to Slurm; `follow_up` is what the job after the arrays runs.

    `own_code` is what the sweep names as `module:name`: jobs import nothing else of anybody's own, and its
    modules are kept for them, as this code is. None where nothing new is handed over.
    """

    store: Store
    saved: Saved
    slurm: Slurm
    follow_up: Callable[[], None]
    own_code: Sequence[str] | None = None

    @property
    def without(self) -> Sequence[str]:
        """Nodes that are left out of requests."""
        return sorted(bad_nodes(journal.read_journal(self.store.journal)))

    @cached_property
    def code(self) -> Path:
        """The copy of the code that jobs import from."""
        return copy_for_jobs(self.store.folder.parent, self.own_code or (), self.slurm.say)

    def hand_over(self, handed: Handed, parallel: int | None = None) -> str:
        """Ask Slurm for it; the id of the job.

        `parallel` is how many elements may run at once, None without a limit.

        Raises:
            RefusedError: Slurm refuses; the journal says that it was abandoned.
            UserError: Slurm does not answer, or not in words that are understood, or the disk is full. It
                may have taken the job all the same: the journal leaves that open, and `reconcile` finds out.
        """
        store = self.store
        if not takes_logs(store.folder):
            raise RefusedError(f"store is {str(store.folder)!r}, but {REPLACED}: take another folder")
        try:
            with naming_failures(store.logs):
                store.logs.mkdir(parents=True, exist_ok=True)  # Slurm makes no folder
            own_folder(store.jobs)
            hold(self.code, handed.name)
            self._python(handed)
        except UserError as error:
            raise RefusedError(str(error)) from None
        journal.submitting(store.journal, handed)
        try:
            with naming_full_disk(store.jobs):
                job_id = self._submitted(handed, parallel)
        except RefusedError as error:
            append(store.journal, "abandoned", token=handed.token, reason=str(error))
            raise
        finally:
            clear_stray(store)
        append(store.journal, "submitted", token=handed.token, job_id=job_id)
        return job_id

    def place_pickles(self, handed: Handed, job_id: str) -> None:
        """Write what submitit reads in the job, where a crash kept it from doing so."""
        function = self._function(handed)
        for index in range(handed.jobs):
            call = DelayedSubmission(function, *handed.elements[index : index + 1])
            name = replace(handed, job_id=job_id).slurm_id(index)
            path = JobPaths(own_folder(self.store.jobs), name).submitted_pickle
            if not path.exists():
                call.set_timeout(handed.minutes or self.saved.cluster.time, 0)
                temporary = path.with_suffix(".new")
                call.dump(temporary)
                temporary.replace(path)

    def _submitted(self, handed: Handed, parallel: int | None) -> str:
        """The job's id. Where Slurm refuses it without the bad nodes, it may go there again."""
        if without := self.without:
            try:
                return self._asked(handed, parallel, without)
            except TooManyError:
                raise  # whatever nodes it asks for
            except RefusedError:
                pass
        job_id = self._asked(handed, parallel, ())
        if without:
            self.slurm.say(
                f"job {job_id} may go to {', '.join(without)}, where attempts achieved nothing: Slurm "
                "refuses a request that leaves it out"
            )
        return job_id

    def _asked(self, handed: Handed, parallel: int | None, without: Sequence[str]) -> str:
        """The job's id, after as many attempts as it takes while Slurm does not answer."""
        cluster, slurm = self.saved.cluster, self.slurm
        executor = ParsableExecutor(folder=self.store.jobs, python=self._python(handed))
        asked = _parameters(cluster, handed, parallel, without, self.store)
        setup = [*asked.get("setup", ()), *lines(self.code)]
        executor.update_parameters(**{**asked, "setup": setup})
        waited, wait = 0.0, FIRST_WAIT
        while True:
            began = slurm.clock()
            try:
                return self._sbatch(executor, handed)
            except FailedSubmissionError as error:
                raise UserError(f"Slurm's answer has no job's id: {_line(error)}") from None
            except FailedJobError as error:
                said = _line(error)
            if not said:
                raise UserError("sbatch has failed without a word")
            if not passing(said):
                todo = hint(said)
                kind = TooManyError if too_many(said) else RefusedError
                raise kind(f"Slurm refused the jobs: {said}" + (f" → {todo}" if todo else ""))
            waited += slurm.clock() - began
            if waited >= slurm.patience:
                raise UserError(f"Slurm has not answered for {waited:.0f} s: {said}")
            slurm.say(f"Slurm does not answer ({said}); trying again in {wait:.0f} s")
            slurm.sleep(wait)
            waited, wait = waited + wait, min(2 * wait, LONGEST_WAIT)
            # It may have taken the job all the same, and only its answer was lost.
            if found := slurm.queue_by_name([handed.name]):
                self.place_pickles(handed, found[0].job_id)
                return found[0].job_id

    def _python(self, handed: Handed) -> str | None:
        if not handed.elements:
            return interpreter.of_follow_up(self.saved.cluster)
        return interpreter.of_tasks(self.saved.cluster, self.store.folder.parent, self.saved.data_root)

    def _sbatch(self, executor: ParsableExecutor, handed: Handed) -> str:
        function = self._function(handed)
        with submitting(), redirect_stderr(io.StringIO()):  # where submitit prints what its exception says
            if handed.elements:
                (job, *_) = executor.map_array(function, handed.elements)
            else:
                job = executor.submit(function)
        return str(job.job_id).partition("_")[0]

    def _function(self, handed: Handed) -> Callable[..., None]:
        if not handed.elements:
            return self.follow_up
        cluster = self.saved.cluster
        return Task(
            folder=self.store.folder,
            data_root=self.saved.data_root,
            threads=cluster.threads,
            mode=cluster.mode,
            minutes=handed.minutes or cluster.time,
            signal_seconds=cluster.signal_seconds,
            checkpoint_minutes=cluster.checkpoint_minutes,
            heartbeat_seconds=heartbeat(cluster, handed.elements),
            scratch=cluster.scratch,
            needs_gpu=bool(cluster.gpus_asked) and not cluster.allow_cpu,
            max_failures=cluster.max_failures,
            own_code=None if self.own_code is None else tuple(self.own_code),
        )


def heartbeat(cluster: Cluster, elements: Sequence[Element]) -> float:
    """Seconds between two words of a pack: a metadata server has to bear those of all that train at once."""
    at_once = min(len(elements), cluster.array_parallelism or len(elements))
    packs = at_once * (1 if cluster.mode == "ddp" else max(map(len, elements), default=1))
    adapted = min(max(HEARTBEAT, packs / BEATS_A_SECOND), float(MOST_HEARTBEAT))
    return cluster.heartbeat_seconds or adapted


def clear_stray(store: Store) -> None:
    """Remove submitit's files that belong to no job."""
    if store.jobs.is_dir():
        for path in store.jobs.iterdir():
            if _STRAY.fullmatch(path.name):
                path.unlink(missing_ok=True)


def clear_ended(store: Store, known: Journal) -> None:
    """Remove submitit's pickles of jobs that have ended, and what their ranks said to each other."""
    ended = {handed.slurm_id(index) for handed in known.handed for index in handed.endings}
    if ended and store.jobs.is_dir():
        for path in store.jobs.iterdir():
            job = _OF_A_JOB.fullmatch(path.name)
            if job and job[1] in ended and path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif job and job[1] in ended:
                path.unlink(missing_ok=True)


def _line(error: Exception) -> str:
    return "; ".join(line.removeprefix("sbatch: error: ") for line in str(error).splitlines())


def _parameters(
    cluster: Cluster, handed: Handed, parallel: int | None, without: Sequence[str], store: Store
) -> dict[str, Any]:
    logs, mode = store.logs, cluster.mode if handed.elements else "spread"
    name = "%A_%a" if handed.jobs > 1 else "%j"
    if not handed.elements:
        begin = None if handed.after else LATER
        asked = small(
            cluster,
            name=handed.name,
            minutes=handed.minutes,
            after=handed.after,
            begin=begin,
            without=without,
        )
    else:
        asked = parameters(
            cluster,
            name=handed.name,
            memory=handed.memory,
            minutes=handed.minutes,
            parallel=parallel,
            without=without,
        )
        # submitit writes logs beside what it runs; of two outputs, Slurm takes the latter.
        asked["srun_args"] = [*srun_args(mode), "--output", str(logs / f"{name}_%t_log.out")]
    asked["additional_parameters"] |= {"output": str(logs / f"{name}_0_log.out")}
    first = () if handed.elements else last_words(cluster.notify, store.folder.name, str(logs))
    setup = [*first, *asked.get("setup", ()), *prologue(mode, logs)]
    return {**asked, "setup": setup, "teardown": teardown(mode, store.jobs)}


def _ids(element: Slices) -> Element:
    return tuple(tuple(pack.runs for pack in slice_) for slice_ in element)


def _token() -> str:
    return uuid.uuid4().hex[:8]


def _name(sweep: str, token: str) -> str:
    return f"rs-{sweep}-{token}"
