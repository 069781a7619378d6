"""What is said in reports and exports, which people publish: no folders and machines of theirs.

Of a path from the root or from a home folder only its last part stays. Names of hosts are left out where they
stand for themselves, in columns and facts.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

HOST_COLUMNS = frozenset({"host"})
_PATH = re.compile(
    r"(?<![\w./~:-])(?:~[\w.-]*|file://|[A-Za-z]:)?[/\\](?:[^\s/\\:*?\"'<>|,;()\[\]]+[/\\])+(?=[^\s/\\])"
)
_WITH_PLACES: ContextVar[bool] = ContextVar("with_places", default=False)


@contextmanager
def with_places(asked: bool) -> Iterator[None]:
    """Within, paths and hosts stay as they are, if that is `asked` for."""
    token = _WITH_PLACES.set(asked)
    try:
        yield
    finally:
        _WITH_PLACES.reset(token)


def hides_places() -> bool:
    return not _WITH_PLACES.get()


def published(text: str, mark: str = "…/") -> str:
    """A text that may be published: paths by their last part, and neither this user's name nor this host's.

    >>> published("submit --store=/home/alice/secret /data/x.yaml")
    'submit --store=…/secret …/x.yaml'
    """
    if not hides_places():
        return text
    text = _PATH.sub(mark, text)
    for name, instead in _own_names():
        text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", instead, text)
    return text


def _own_names() -> Iterator[tuple[str, str]]:
    """Where they are names that stand for nothing else."""
    host = socket.gethostname()
    if "." in host or any(map(str.isdigit, host)):
        yield host, "(host)"
    with suppress(OSError, KeyError):  # a user without a passwd entry
        if (user := getpass.getuser()) not in ("root", "user", "admin") and len(user) > 3:
            yield user, "(user)"
    if (home := os.path.expanduser("~")) not in ("/", "/root", "~"):  # noqa: PTH111
        yield home, "~"
