"""submitit's executor for Slurm, which takes the job's id from a line of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import submitit
from submitit.core.core import Job
from submitit.core.utils import DelayedSubmission, FailedSubmissionError, JobPaths

from jobs.slurm.job_ids import answered


class ParsableExecutor(submitit.SlurmExecutor):
    """submitit would take the first number behind the word "job" in what a site prints before the answer."""

    def _make_submission_file_text(self, command: str, uid: str) -> str:
        """Nothing yet: submitit would write it in the locale's encoding, which may lack a character."""
        self._script = super()._make_submission_file_text(command, uid)
        return ""

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:
        """With the script written: in the encoding of the names of files, as its paths are, or in UTF-8."""
        try:
            script = os.fsencode(self._script)
        except UnicodeEncodeError:
            script = self._script.encode("utf-8", "surrogateescape")
        submission_file_path.write_bytes(script)
        return ["sbatch", "--parsable", str(submission_file_path)]

    @staticmethod
    def _get_job_id_from_submission_command(string: bytes | str) -> str:
        try:
            return answered(string if isinstance(string, str) else string.decode(errors="replace"))
        except ValueError as error:
            raise FailedSubmissionError(str(error)) from None

    def _internal_process_submissions(self, delayed_submissions: list[DelayedSubmission]) -> list[Job[Any]]:
        """As submitit's, which makes an array by an executor of its own class."""
        if len(delayed_submissions) == 1:
            return super()._internal_process_submissions(delayed_submissions)
        folder = JobPaths.get_first_id_independent_folder(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        pickles = [folder / f"{uuid4().hex}.pkl" for _ in delayed_submissions]
        for call, pickle in zip(delayed_submissions, pickles, strict=True):
            call.set_timeout(self.parameters.get("time", 5), self.max_num_timeout)
            call.dump(pickle)
        array = type(self)(self.folder, self.max_num_timeout, python=self.python)
        array.parameters = {**self.parameters, "map_count": len(delayed_submissions)}
        self._throttle()
        first: Job[Any] = array._submit_command(self._submitit_command_str)
        tasks = list(range(first.num_tasks))
        ids = (f"{first.job_id}_{index}" for index in range(len(pickles)))
        jobs: list[Job[Any]] = [submitit.SlurmJob(folder=self.folder, job_id=i, tasks=tasks) for i in ids]
        for job, pickle in zip(jobs, pickles, strict=True):
            job.paths.move_temporary_file(pickle, "submitted_pickle")
        return jobs
