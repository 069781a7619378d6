"""The environment in which Slurm's programs are run.

Inside a job Slurm's variables describe that job, and its programs take them for options: sbatch would
ask for the same nodes, memory and CPU binding again. Everything that starts one of its programs starts
it without them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_PREFIXES = (
    "SLURM_", "SBATCH_", "SALLOC_", "SRUN_", "SQUEUE_", "SACCT_", "SINFO_", "SCANCEL_", "SCONTROL_",
    "SLURMD_", "PMI_", "PMIX_", "PMI2_", "CPU_BIND", "MEM_BIND", "GPU_BIND", "SUBMITIT_",
)  # fmt: skip
# Which cluster is meant, and who one is: chosen by the user or the site, not left by a job.
_KEPT = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT", "SLURM_SACK_KEY")
# Ranges of indices in full, times with their zone, messages in English.
_READING = {"SLURM_BITSTR_LEN": "0", "SLURM_TIME_FORMAT": "%Y-%m-%dT%H:%M:%S%z", "LC_ALL": "C"}


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what a job left in it."""
    return {key: value for key, value in environment.items() if key in _KEPT or not key.startswith(_PREFIXES)}


def reading(environment: Mapping[str, str]) -> dict[str, str]:
    """The clean environment, with which Slurm's programs print what the parsers read."""
    return {**clean(environment), **_READING}


@contextmanager
def submitting() -> Iterator[None]:
    """A clean `os.environ` while submitting: submitit runs sbatch in it, and the job inherits it."""
    before = dict(os.environ)
    kept = clean(before)
    for key in before.keys() - kept.keys():
        del os.environ[key]
    try:
        yield
    finally:
        os.environ.update(before)
