"""What was handed to the scheduler: `journal.jsonl`, one JSON object a line, appended and never changed.

A line `submitting` is on disk before Slurm is asked, a line `submitted` with the job's id after. Where
the second is missing, the job, if there is one, is found by its name. Only the holder of the
store's lock writes, but for `cancel` while a submission on this machine holds it: its tasks look for that
line. Each line has its checksum. One that was torn by a crash or is damaged says nothing: what it would
have told is asked again.

Events: submitting, submitted, abandoned (there is no such job), ended (of some elements, how), asked
(by a person, to train everything), cancelled and retried (runs), blamed (a node, for what failed there alone
before any other was tried), unheard and heard (elements of which Slurm
had no word), told (a person, of failures or of the end), said (that lines are damaged); of workers of this
machine died (one did, while it trained these runs) and began (a submission, with which their count begins
anew).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from jobs.store.handed import Ending, Handed
from regularize.errors import UserError
from regularize.opened import read_whole
from regularize.path_parts import check_parts
from regularize.store import naming_failures
from regularize.typed import checked
from regularize.whole_files import parsed, sealed, unsealed, warn

MOST_BYTES = 2_000_000_000


class Death(NamedTuple):
    """A worker of this machine that ended with packs left: how, and what it was training, if anything.

    `given_up`: not tried again, as it was not the first that ended so. `log` is a file in the store's logs.
    """

    pid: int
    how: str
    pack: str
    runs: tuple[str, ...]
    log: str
    given_up: bool
    time: str

    @property
    def said(self) -> str:
        """
        >>> Death(7, "was killed by signal 9", "ab", ("r",), "worker-0.log", False, "").said
        'worker process 7 was killed by signal 9 while it trained pack ab'
        """
        where = f" while it trained pack {self.pack}" if self.pack else ""
        return f"worker process {self.pid} {self.how}{where}"


@dataclass(frozen=True, kw_only=True)
class Journal:
    """All lines together. `cancelled` runs are left out until a person asks for everything, or for them.

    `asked` is the last line that did. `retried` is for each run the last line that said to forget
    its failures, and that line's time; `forgiven` the last line that did so of any. `blamed` is for each node
    the last line that did so. `ended_by_us` are the
    elements (token, index) that were ended for the sake of cancelled runs in them; their others go on.
    `damaged` are the lines of which nothing is known and nobody has said so; `strays` the jobs of which a
    damaged line knew what they train. `deaths` are those of this machine's workers since the last submission
    began. `unheard` are the elements of which Slurm has had no word, and since when; `told` the kinds of news
    that a person had since the last of `asked` and `retried`.
    """

    handed: tuple[Handed, ...] = ()
    asked: int = 0
    cancelled: frozenset[str] = frozenset()
    ended_by_us: frozenset[tuple[str, int]] = frozenset()
    retried: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    forgiven: int = 0
    blamed: Mapping[str, int] = field(default_factory=dict)
    damaged: tuple[int, ...] = ()
    strays: tuple[str, ...] = ()
    deaths: tuple[Death, ...] = ()
    unheard: Mapping[tuple[str, int], str] = field(default_factory=dict)
    told: frozenset[str] = frozenset()

    @property
    def arrays(self) -> list[Handed]:
        return [handed for handed in self.handed if handed.elements]

    @property
    def open(self) -> list[Handed]:
        return [handed for handed in self.handed if handed.open]


def read_journal(path: Path) -> Journal:
    """The journal of a store; an empty one before anything was handed over.

    Raises:
        UserError: the file system does not give it.
    """
    try:
        lines = read_whole(path, MOST_BYTES).split(b"\n")
    except FileNotFoundError:
        return Journal()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    journal = Journal()
    handed: dict[str, list[Handed]] = {}  # by token, which a line that was written twice has twice
    for number, line in enumerate(lines, 1):
        try:
            journal = _after(journal, handed, unsealed(parsed(line)), number) if line else journal
        except (ValueError, KeyError, TypeError, AttributeError):
            journal = replace(journal, damaged=(*journal.damaged, number))
    every = (each for same in handed.values() for each in same)
    return replace(journal, handed=tuple(sorted(every, key=lambda each: each.line)))


def journal_size(path: Path) -> int:
    """Bytes, 0 before there is one; it only grows."""
    try:
        return path.lstat().st_size
    except OSError:  # `read_journal` says why
        return 0


def say_damaged(path: Path) -> None:
    """Name the lines that are damaged, once, by the holder of the store's lock."""
    if lines := read_journal(path).damaged:
        append(path, "said", damaged=lines)
        warn(damage(path, lines))


def damage(path: Path, lines: Iterable[int]) -> str:
    """What to say of them."""
    return (
        f"{path}: damaged and left out: line {', '.join(map(str, lines))}; what was said there of jobs is "
        "asked of Slurm, runs that were cancelled there are wanted again"
    )


def append(path: Path, event: str, **values: Any) -> None:
    """Add a line that is on disk when this returns.

    Raises:
        UserError: the file cannot be written.
    """
    line = json.dumps(sealed({"event": event, "time": _now(), **values}), separators=(",", ":"))
    with naming_failures(path):
        _add(path, line)


def _add(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    with os.fdopen(number, "ab+") as file:
        if file.tell() and not _ends_whole(file):
            line = f"\n{line}"
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def submitting(path: Path, handed: Handed) -> None:
    """Write that Slurm is about to be asked for `handed`."""
    given: dict[str, Any] = {"elements": handed.elements, "after": handed.after}
    given |= {
        "memory": handed.memory,
        "minutes": handed.minutes,
        "begun": dict(handed.begun),
        "measures": dict(handed.measures),
    }
    filled = {key: value for key, value in given.items() if value}
    append(path, "submitting", token=handed.token, name=handed.name, **filled)


def ended(path: Path, token: str, endings: Mapping[int, Ending]) -> None:
    append(
        path,
        "ended",
        token=token,
        elements={str(i): _written(ending) for i, ending in endings.items()},
    )


def _written(ending: Ending) -> Sequence[Any]:
    given = (ending.state, ending.progress, ending.nodes)
    if ending.good is not None:
        return (*given, ending.raised, ending.good)
    return (*given, ending.raised) if ending.raised else given


def _after(journal: Journal, handed: dict[str, list[Handed]], event: Mapping[str, Any], line: int) -> Journal:
    """The journal after one line more; what it says of something handed over is entered into `handed`."""
    match event["event"]:
        case "submitting":
            new = _handed(event, line)
            handed.setdefault(new.token, []).append(new)
            return journal
        case "submitted" if str(event["token"]) not in handed:
            return replace(journal, strays=(*journal.strays, _job_id(event)))
        case "submitted" | "abandoned" | "ended" as kind:
            same = handed.get(str(event["token"]), [])
            changes = _changes(kind, same, event, line)
            same[:] = [replace(each, **changes) for each in same]
            return journal
        case "asked":
            return replace(journal, asked=line, cancelled=frozenset(), told=frozenset())
        case "cancelled":
            ours = journal.ended_by_us.union((token, index) for token, index in event["elements"])
            return replace(journal, cancelled=journal.cancelled.union(event["runs"]), ended_by_us=ours)
        case "retried":
            again = dict.fromkeys(event["runs"], (line, str(event["time"])))
            cancelled = journal.cancelled.difference(again)
            retried = {**journal.retried, **again}
            return replace(journal, cancelled=cancelled, retried=retried, forgiven=line, told=frozenset())
        case "blamed":
            return replace(journal, blamed={**journal.blamed, str(event["node"]): line})
        case "told":
            return replace(journal, told=journal.told | {str(event["kind"])})
        case "died":
            values = {**event, "runs": tuple(event["runs"])}
            death = checked(Death(**{name: values[name] for name in Death._fields}))
            check_parts([death.log, *death.runs, *filter(None, (death.pack,))])
            return replace(journal, deaths=(*journal.deaths, death))
        case "began":
            return replace(journal, deaths=())
        case "unheard":
            since = dict.fromkeys(_places(event), str(event["time"]))
            return replace(journal, unheard={**since, **journal.unheard})
        case "heard":
            heard = set(_places(event))
            left = {place: since for place, since in journal.unheard.items() if place not in heard}
            return replace(journal, unheard=left)
        case "said":
            return replace(journal, damaged=tuple(n for n in journal.damaged if n not in event["damaged"]))
        case str():
            return journal  # of a later version
        case _:
            raise ValueError(event)


def _places(event: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [(str(token), int(index)) for token, index in event["elements"]]


def _handed(event: Mapping[str, Any], line: int) -> Handed:
    elements = tuple(
        tuple(tuple(tuple(pack) for pack in slice_) for slice_ in element)
        for element in event.get("elements", ())
    )
    handed = Handed(
        token=event["token"],
        name=event["name"],
        time=event["time"],
        line=line,
        elements=elements,
        after=tuple(event.get("after", ())),
        memory=event.get("memory"),
        minutes=event.get("minutes"),
        begun=event.get("begun", {}),
        measures=event.get("measures", {}),
    )
    check_parts([handed.token, *filter(None, (handed.name,)), *handed.begun])
    for element in range(len(elements)):
        check_parts(handed.runs(element))
    return checked(handed)


def _job_id(event: Mapping[str, Any]) -> str:
    check_parts([job_id := str(event["job_id"])])
    return job_id


def _changes(kind: str, before: Sequence[Handed], event: Mapping[str, Any], line: int) -> dict[str, Any]:
    if kind == "submitted":
        return {"job_id": _job_id(event)}
    if kind == "abandoned":
        return {"abandoned": True}
    new = {int(i): _ending(line, *values) for i, values in event["elements"].items()}
    return {"endings": {**(before[0].endings if before else {}), **new}}


def _ending(
    line: int,
    state: str,
    progress: bool,
    nodes: str = "",
    raised: Iterable[tuple[str, str]] = (),
    good: Iterable[str] | None = None,
) -> Ending:
    pairs = tuple((str(node), str(pack_id)) for node, pack_id in raised)
    check_parts([pack_id for _, pack_id in pairs])
    return checked(Ending(state, progress, line, nodes, pairs, None if good is None else tuple(good)))


def _ends_whole(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
