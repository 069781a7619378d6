"""A sweep → a finished store: on this machine now, or by jobs of Slurm that go on by themselves."""

from __future__ import annotations

from jobs.planning.prepare_submission import Submission


def submit(submission: Submission) -> bool:
    """Train what the sweep wants and the store does not have; False, having said why, if something failed.

    On this machine it returns when nothing is left to do, on Slurm when the jobs are in the queue.

    Raises:
        UserError: something is missing, refused, or at work already; nothing has been started.
        KeyboardInterrupt: the tasks on this machine have been told to checkpoint.
    """
    if submission.cluster.kind == "local":
        from jobs.local.run_sweep import run_here

        return run_here(submission)
    from jobs.submission.submit_to_slurm import submit_by_hand

    return submit_by_hand(submission)
