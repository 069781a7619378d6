"""Where the ranks of a job meet, as files beside what submitit keeps of it. Free of torch.

The folder has the job's name and how often it was requeued: no attempt reads what another has left. Rank 0
keeps a free port open, says where, and removes the file when all are there; a rank that cannot come says why;
a rank that has left work says that the job is to be queued again.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from jobs.support.own_folder import own_folder
from regularize.typed import checked
from regularize.whole_files import read_json, write_json, write_text

MEETING = "meeting.json"
_ABSENT, _ABSENT_ON, _AGAIN, _TOO_SHORT = "absent", "absent-on", "again", "too-short"


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """What rank 0 says: how to reach it, what proves that it is this job's, how many of the ranks are there.

    `since` is when it began to wait, in seconds since 1970.
    """

    host: str
    addresses: tuple[str, ...]
    port: int
    token: str
    here: int
    ranks: int
    since: float


class Place:
    """The folder of one attempt at a job within `jobs`, which all its ranks see; made by who comes first.

    `job` is 13, or 13_4 of an array. Once it is gone nobody looks any more: what is written then is an error,
    and does not bring it back.
    """

    def __init__(self, jobs: Path, job: str) -> None:
        requeues = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
        self.folder = own_folder(jobs / f"{job}-{requeues}")

    def open(self, meeting: Meeting) -> None:
        write_json(self.folder / MEETING, asdict(meeting), make_folder=False)

    def close(self) -> None:
        (self.folder / MEETING).unlink(missing_ok=True)

    def meeting(self) -> Meeting | None:
        """What rank 0 says; None before that, and after it."""
        self._look_again()
        return read_meeting(self.folder / MEETING)

    def stay_away(self, why: str, node: str = "") -> None:
        """Tell the other ranks that one cannot come; and who looks later, on which node, if that is known."""
        self._leave(_ABSENT_ON, node)
        self._leave(_ABSENT, why)

    def absence(self) -> str:
        """Why a rank cannot come; empty while none has said so."""
        self._look_again()
        with suppress(OSError):
            return (self.folder / _ABSENT).read_text(encoding="utf-8")
        return ""

    def queue_again(self) -> None:
        """Have the job's script requeue it."""
        self._leave(_AGAIN)

    def say_too_short(self) -> None:
        """Have more time asked for in the next request."""
        self._leave(_TOO_SHORT)

    def _leave(self, name: str, text: str = "") -> None:
        write_text(self.folder / name, text, make_folder=False)

    def _look_again(self) -> None:
        """Listing a folder makes a network file system look again."""
        with suppress(OSError):
            list(self.folder.iterdir())


def read_meeting(path: Path) -> Meeting | None:
    """What rank 0 says; None where it is not there, or makes no sense."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        value = read_json(path)
        return checked(Meeting(**value | {"addresses": tuple(value["addresses"])}))
    return None


def meetings(jobs: Path) -> dict[str, Meeting]:
    """What the ranks of jobs wait for, by the job's id, as far as is known."""
    found = (
        (path.parent.name.rpartition("-")[0], read_meeting(path)) for path in jobs.glob(f"*-*/{MEETING}")
    )
    known = [(job, each) for job, each in found if each]
    return dict(sorted(known, key=lambda pair: pair[1].since))


def node_at_fault(jobs: Path, job: str) -> str:
    """The node of a rank that could not come, by the last attempt at a job; empty where that is not known."""
    with suppress(OSError, ValueError):
        return (_last_folder(jobs, job) / _ABSENT_ON).read_text(encoding="utf-8").strip()
    return ""


def too_short(jobs: Path, job: str) -> bool:
    """Whether a job says that its time was too short, attempt after attempt."""
    return (_last_folder(jobs, job) / _TOO_SHORT).exists()


def _last_folder(jobs: Path, job: str) -> Path:
    numbers = [path.name.rpartition("-")[2] for path in jobs.glob(f"{job}-*")]
    return jobs / f"{job}-{max((int(number) for number in numbers if number.isdecimal()), default=0)}"


def again_in_shell(jobs: Path, job: str) -> Sequence[str]:
    """Lines of a job's script that set `code` to 75 where a rank has asked to queue it again.

    `job` is the job's id in the words of the shell.
    """
    folder = f'{shlex.quote(str(jobs))}/{job}-"${{SLURM_RESTART_COUNT:-0}}"'
    return (f"ls {folder} > /dev/null 2>&1 || true", f"[ -e {folder}/{_AGAIN} ] && code=75")
