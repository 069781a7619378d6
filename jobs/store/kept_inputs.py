"""The code and the data that results of a store come from, and which others were accepted beside today's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regularize.code_identity import Code
from regularize.errors import UserError
from regularize.opened import read_whole
from regularize.store import Store, read_json, write_bytes, write_json
from regularize.typed import checked
from regularize.whole_files import set_aside, warn

KEPT, PROVED = "kept", "proved equal"


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """That results of `kind` (code or data) `name` are taken beside those of `today`, and how so."""

    kind: str
    name: str
    today: str
    how: str
    runs: int
    time: str


def keep_code(store: Store, code: Code) -> None:
    """Where the newest copy is the same to the letter its name is taken, which takes .3 s to work out."""
    if (newest := _newest_code(store)) and kept_code(store, newest) == code:
        code.take_name(newest)
    elif kept_code(store, code.name) is None:
        _anew(store.code(code.name))
        write_bytes(store.code(code.name), code.to_bytes())


def kept_code(store: Store, name: str) -> Code | None:
    """The sources of that name; None where they were not kept, or are damaged."""
    with suppress(OSError, ValueError):
        return Code.from_bytes(read_whole(store.code(name)))
    return None


def _newest_code(store: Store) -> str:
    """The name of the copy that was written last; empty where there is none that was written as it."""
    with suppress(OSError, ValueError):
        copies = store.code("").parent.glob(f"{'[0-9a-f]' * 16}.zip")
        newest = max(copies, key=lambda path: path.stat().st_mtime)
        return newest.stem if read_whole(newest).endswith(newest.stem.encode()) else ""
    return ""


def keep_data(store: Store, name: str, facts: Mapping[str, Any]) -> None:
    if not kept_data(store, name):
        _anew(store.data(name))
        write_json(store.data(name), dict(facts))


def _anew(path: Path) -> None:
    """What a file says is known today: nothing is lost with it."""
    if path.exists():
        warn(f"{path} was damaged: it is written anew")


def kept_data(store: Store, name: str) -> dict[str, Any]:
    """What was kept of it: name, and numbers of images and classes; nothing where that is damaged."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        value = read_json(store.data(name))
        return {"name": str(value["name"])} | {key: int(value[key]) for key in ("train", "test", "classes")}
    return {}


def accepted(store: Store) -> list[Accepted]:
    """In the order in which they were accepted; a damaged file says nothing, which is said."""
    found = _accepted(store)
    if found is None:
        warn(f"{store.accepted} is damaged: which other code or data was accepted is asked again")
    return found or []


def _accepted(store: Store) -> list[Accepted] | None:
    """None where the file is damaged.

    Raises:
        UserError: the file system does not give it.
    """
    try:
        return [checked(Accepted(**entry)) for entry in read_json(store.accepted)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{store.accepted} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):
        return None


def accept(store: Store, kind: str, names: Iterable[str], today: str, how: str, runs: int) -> None:
    now, before = datetime.now(UTC).isoformat(timespec="seconds"), _accepted(store)
    if before is None:
        set_aside(store.accepted)
        warn(f"{store.accepted} was damaged: it is set aside, and a new one begins")
    more = [Accepted(kind=kind, name=name, today=today, how=how, runs=runs, time=now) for name in names]
    write_json(store.accepted, [asdict(entry) for entry in [*(before or []), *more]])
