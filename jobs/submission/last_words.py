"""Lines of the follow-up's batch script for when its process ends without a word, as it was killed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from jobs.submission.continuation import CONTINUES, GIVE_MORE
from jobs.support.told import HOOK_SECONDS
from jobs.worker.slurm_task import INTERRUPTED
from regularize.own_code import SAFE_PATH, TRUSTED

TOLD = 76
"""Exit code of a follow-up that cannot go on and has said so."""


def last_words(notify: Sequence[str], sweep: str, logs: str) -> list[str]:
    """What stands first in the script, and is done at its end, whatever it ended in.

    Where the process has not said itself why, the job is queued again, once, without its node, if there are
    others: what swallows jobs swallows this one, too. Else who is not looking is told of it; but not of
    scancel, or of a requeue by others, nor where all was done or said before the time was up. When Slurm
    tells all of the job to end, the script begins nothing more but this.
    """
    stays = "was to be queued again, which Slurm did not do"
    killed = f"was killed, as by Slurm for its memory ({GIVE_MORE['OUT_OF_MEMORY']})"
    late = f"has reached its time limit ({GIVE_MORE['TIMEOUT']})"
    return [
        *_ELSEWHERE,
        "last_words() {",
        "    code=$?",
        "    trap '' TERM",
        "    set +eu +o pipefail",
        '    case "$code" in',
        f"        0|{TOLD}|143) why= ;;",
        f"        {INTERRUPTED}) why={shlex.quote(stays)} ;;",
        f"        137) why={shlex.quote(killed)} ;;",
        '        *) why="ended with exit code $code" ;;',
        "    esac",
        '    job=$(scontrol --oneliner show job "$SLURM_JOB_ID" 2> /dev/null)',
        '    case "$job" in',
        f'        *" Reason=TimeLimit "*) case "$code" in 0|{TOLD}) ;; *) why={shlex.quote(late)} ;; esac ;;',
        '        *" PreemptTime=2"*) [ "$code" -ne 143 ] || why="was preempted, and is not queued again" ;;',
        '        *) [ -z "$why" ] || elsewhere ;;',
        "    esac",
        *(_tell(notify, sweep, logs) if notify else ()),
        "}",
        "trap last_words EXIT",
        "trap 'exit 143' TERM",
    ]


# Whether there are others is asked of Slurm, of this script with all that it asks for. Slurm ends the script
# of a job that is requeued: with a signal that the script, and what it starts, has to withstand until then.
_ELSEWHERE = (
    "elsewhere() {",
    '    [ "${SLURM_RESTART_COUNT:-0}" -eq 0 ] || return',
    "    without=$(echo \"$job\" | sed -n 's/.* ExcNodeList=\\([^ ()]*\\).*/\\1/p')",
    '    without="${without:+$without,}$SLURMD_NODENAME"',
    '    sbatch --test-only "--exclude=$without" "$0" > /dev/null 2>&1 || return',
    '    scontrol requeue "$SLURM_JOB_ID" || return',
    '    scontrol update "JobId=$SLURM_JOB_ID" "ExcNodeList=$without"',
    "    why=",
    "    sleep 60",
    "}",
)


def _tell(notify: Sequence[str], sweep: str, logs: str) -> list[str]:
    """Lines that tell; `timeout` lets what it starts be ended by TERM again, hence the shell behind it."""
    begins = shlex.quote(f"{sweep} is stopped: job ")
    ends = f"{shlex.quote(f' ({logs}/')}$SLURM_JOB_ID{shlex.quote(f'_0_log.out); {CONTINUES}')}"
    patient = f'timeout --signal=KILL {HOOK_SECONDS:.0f} sh -c \'trap "" TERM; exec "$@"\' sh'
    return [
        f'    [ -z "$why" ] || env -u {SAFE_PATH} -u {TRUSTED} {patient} '
        f'{shlex.join(notify)} {begins}"$SLURM_JOB_ID, which was to go on, $why"{ends} '
        '< /dev/null > /dev/null 2>&1 || echo "warning: notify: exit code $?"',
    ]
