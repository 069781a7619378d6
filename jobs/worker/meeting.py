"""How the ranks of a job find each other: at a free port of rank 0, told through the store.

Neither address nor port is anybody else's: what the user's shell or the site says of `MASTER_ADDR` and
`MASTER_PORT` means other programs. Whoever comes shows the token of the job. What is known to fail ends the
wait at once, on every rank, in the words of the one that it fails on.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.store.meeting_place import Meeting, Place
from regularize.errors import UserError, in_a_line

if TYPE_CHECKING:
    from submitit.core.job_environment import JobEnvironment
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

_LOG = logging.getLogger("regularize.meeting")  # below the one that a worker's log is of

START_SECONDS = 300.0  # for all ranks to have started
REACH_SECONDS = 10.0  # for rank 0 to be reached, once it has said where it is
LEAVE_SECONDS = 3.0  # that a rank which cannot come gives the others to hear of it
_LOOK_SECONDS = 0.25
# The log that `srun` writes to, and from which byte on, as the job's script says.
LAUNCH_LOG, LAUNCH_FROM = "REGULARIZE_LAUNCH_LOG", "REGULARIZE_LAUNCH_FROM"
_LATE = "not all ranks started within"
_NO_LAUNCH = "Slurm could not start all ranks"
_NOT_LAUNCHED = re.compile(r"srun: error: (.*launch.* failed.*)")
_ANSWER_SECONDS = 5.0


def tell_torch(here: JobEnvironment) -> None:
    """Say of this rank in the environment what torch's programs say there, and nothing that others have."""
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        os.environ.pop(name, None)
    ours = {"RANK": here.global_rank, "WORLD_SIZE": here.num_tasks, "LOCAL_RANK": here.local_rank}
    os.environ.update({name: str(value) for name, value in ours.items()})


class ToldToStopError(Exception):
    """A signal came while the ranks waited for each other."""


@contextmanager
def telling(place: Place, here: JobEnvironment) -> Iterator[None]:
    """Tell the other ranks, which would wait, of what keeps this one from coming."""
    try:
        yield
    except Exception as error:
        if not place.absence():
            with suppress(UserError):
                why = _line(error)
                itself = why.startswith((_named(here), _LATE))
                said = why if itself else f"{_named(here)} cannot start: {why}"
                place.stay_away(said, "" if _elsewhere(why) else _node_name())
                time.sleep(LEAVE_SECONDS)  # Slurm ends them when this one has ended
        raise


@contextmanager
def met(place: Place, here: JobEnvironment, stop: Callable[[], bool]) -> Iterator[None]:
    """Be one of the ranks of the job's process group.

    Raises:
        ToldToStopError: `stop` says so before all are there.
        UserError: this rank, or another, cannot come, or not all have come in time.
    """
    from regularize.distributed import check_interfaces, process_group

    check_interfaces()
    began = time.time()

    def check(late: str) -> None:
        if why := place.absence():
            raise UserError(why)
        if here.global_rank == 0 and (why := _not_launched()):
            raise UserError(f"{_NO_LAUNCH}: {why}; does each node see {place.folder}?")
        if stop():
            raise ToldToStopError("it was told to stop")
        if time.time() - began > START_SECONDS:
            raise UserError(f"{_LATE} {START_SECONDS / 60:g} minutes: {late}")

    wait = _wait_at_home if here.global_rank == 0 else _go_there
    store = wait(place, here, check)
    with process_group(store, here.global_rank, here.num_tasks):
        place.close()
        yield


def _wait_at_home(place: Place, here: JobEnvironment, check: Callable[[str], None]) -> TCPStore:
    """Open a free port and wait for the others."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    token, ranks, began, told = secrets.token_hex(16), here.num_tasks, time.time(), 0
    store.set(token, "")  # as a key: none that does not know it finds it
    while True:
        missing = [rank for rank in range(1, ranks) if not store.check([f"{rank}/{token}"])]
        if not missing:
            store.set("all here", "")
            return store
        if told != ranks - len(missing):
            told = ranks - len(missing)
            place.open(
                Meeting(
                    host=platform.node(),
                    addresses=_addresses(here),
                    port=store.port,
                    token=token,
                    here=told,
                    ranks=ranks,
                    since=began,
                )
            )
            _LOG.info("waiting for %d of %d ranks", len(missing), ranks)
        check(_late(missing, ranks))
        time.sleep(_LOOK_SECONDS)


def _go_there(place: Place, here: JobEnvironment, check: Callable[[str], None]) -> TCPStore:
    """Find rank 0, show the token, and wait until all are there."""
    seen, last = 0.0, ""
    while True:
        if meeting := place.meeting():
            seen = seen or time.monotonic()
            store, last = _reached(meeting)
            if store:
                break
            if time.monotonic() - seen > REACH_SECONDS:
                raise UserError(f"{_named(here)} cannot reach rank 0 on {meeting.host}: {last}")
        check("rank 0 has not said where it is")
        time.sleep(_LOOK_SECONDS)
    store.set(f"{here.global_rank}/{meeting.token}", "")
    while not store.check(["all here"]):
        meeting = place.meeting() or meeting
        check(f"{meeting.ranks - meeting.here} of {meeting.ranks} are missing")
        time.sleep(_LOOK_SECONDS)
    return store


def _reached(meeting: Meeting) -> tuple[TCPStore | None, str]:
    """The store of rank 0, or why it cannot be had: not there, or another job's at a port of before."""
    from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]

    why = []
    for address in meeting.addresses:
        try:
            with socket.create_connection((address, meeting.port), timeout=_ANSWER_SECONDS):
                pass
        except socket.gaierror as error:
            why.append(f"this node does not know the name {address} ({error.strerror})")
            continue
        except OSError as error:
            why.append(f"{address} port {meeting.port}: {error.strerror or error}")
            continue
        limit = timedelta(seconds=_ANSWER_SECONDS)
        with suppress(DistError):  # something else, which has that port by now
            store = TCPStore(address, meeting.port, is_master=False, timeout=limit)
            if store.check([meeting.token]):
                return store, ""
        why.append(f"at {address} port {meeting.port} is another program")
    return None, "; ".join(why)


def _not_launched() -> str:
    """What `srun` has said of a rank that it could not start; of the others it ends none for that."""
    with suppress(OSError, ValueError, KeyError), Path(os.environ[LAUNCH_LOG]).open("rb") as log:
        log.seek(int(os.environ[LAUNCH_FROM]))
        if found := _NOT_LAUNCHED.search(log.read().decode(errors="replace")):
            return found[1]
    return ""


def _elsewhere(why: str) -> bool:
    """Whether what keeps the ranks from meeting is on another node, one cannot tell which."""
    return why.startswith((_LATE, _NO_LAUNCH))


def _node_name() -> str:
    """What Slurm calls this node."""
    return os.environ.get("SLURMD_NODENAME") or platform.node()


def _late(missing: list[int], ranks: int) -> str:
    named = ", ".join(map(str, missing[:8])) + (" …" if len(missing) > 8 else "")
    return f"{len(missing)} of {ranks} are missing (rank {named}); the log of each says how far it came"


def _addresses(here: JobEnvironment) -> tuple[str, ...]:
    """Names and numbers of this node by which other nodes may reach it; those first that Slurm uses."""
    found = [_node_name(), platform.node()]
    with suppress(OSError):
        known = socket.getaddrinfo(platform.node(), None, type=socket.SOCK_STREAM)
        found += [str(address[0]) for *_, address in known]
    alone = here.num_nodes == 1
    return tuple(dict.fromkeys(each for each in found if alone or not each.startswith(("127.", "::1"))))


def _named(here: JobEnvironment) -> str:
    return f"rank {here.global_rank} on {platform.node()}"


def _line(error: Exception) -> str:
    text = in_a_line(error)
    return text if isinstance(error, UserError | ToldToStopError) else f"{type(error).__name__}: {text}"
