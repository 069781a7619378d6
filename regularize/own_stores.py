"""Which own code this user has submitted to which store: what may be imported later, when it is looked at.

    ${XDG_STATE_HOME:-~/.local/state}/regularize/submitted.json     {"<store>": ["module:name", …]}

Outside of stores, since those travel: whoever makes one could write into it whatever is to be believed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from regularize.errors import UserError
from regularize.store import Store, read_json, write_json
from regularize.whole_files import warn


def submitted(store: Store) -> list[str]:
    """What this user has submitted to it; nothing where that is not known."""
    with suppress(OSError, ValueError, TypeError, AttributeError, RuntimeError):
        return [str(name) for name in _read().get(_key(store), ())]
    return []


def note(store: Store, names: Sequence[str]) -> None:
    """Know from now on that this user submits them."""
    if set(names) <= set(submitted(store)):
        return
    known: dict[str, Any] = {}
    with suppress(OSError, ValueError, AttributeError, RuntimeError):
        known = _read()
    try:
        write_json(_file(), {**known, _key(store): sorted({*submitted(store), *names})})
    except (UserError, RuntimeError) as error:
        warn(f"{error}; figures of this sweep's networks will ask for --trust-model")


def _read() -> dict[str, Any]:
    return dict(read_json(_file()))


def _file() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(home, "regularize", "submitted.json")


def _key(store: Store) -> str:
    return str(store.folder.resolve())
