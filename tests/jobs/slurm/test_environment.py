from __future__ import annotations

import os

import pytest

from jobs.slurm.environment import clean, submitting

JOBS = {
    "SLURM_JOB_ID": "3",
    "SLURM_NTASKS": "4",
    "SBATCH_QOS": "x",
    "SUBMITIT_EXECUTOR": "slurm",
    "PMIX_RANK": "1",
}
USERS = {"SLURM_CONF": "/etc/slurm.conf", "SLURM_CLUSTERS": "beta", "SLURM_JWT": "token", "PATH": "/bin"}


def test_what_a_job_left_goes_and_what_the_user_chose_stays() -> None:
    assert clean(JOBS | USERS) == USERS


def test_a_submission_is_clean_and_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in (JOBS | USERS).items():
        monkeypatch.setenv(key, value)
    before = dict(os.environ)
    with submitting():
        assert not JOBS.keys() & os.environ.keys()
        assert os.environ["SLURM_CONF"] == "/etc/slurm.conf"
    assert dict(os.environ) == before
