"""Code of somebody's own, which a sweep names as `module:name`: what of it may run, and where it is found.

The one door through which such a name becomes a thing. A store says what was trained, and stores travel: of
what only a store names nothing is imported. Names are trusted by whoever starts a command (docs/security.md),
and all processes that it starts trust the same ones. Outside the command line everything is, as a program
that calls this package is the user's own, but for what `analysis.open` draws.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from regularize.errors import UserError

FORM = re.compile(r"([A-Za-z_]\w*\.)*[A-Za-z_]\w*:[A-Za-z_]\w*", re.ASCII)
EVERYTHING = "*"
TRUSTED = "REGULARIZE_TRUSTED_CODE"
"""The names, for the processes that are started: unset is everything."""

COPIED = "REGULARIZE_COPIED_CODE"
"""Set in jobs, which import from copies of all that their submission named."""
_added: list[str] = []  # to Python's path: the folder that one stood in when something was last looked for
SAFE_PATH = "PYTHONSAFEPATH"  # of Python: `-m` and `-c` do not put the folder that one stands in first


@contextmanager
def only_trusted(names: Iterable[str] = ()) -> Iterator[None]:
    """This process and those that it starts import only these names, and no file that lies in its folder."""
    before = {key: os.environ.get(key) for key in (TRUSTED, SAFE_PATH)}
    os.environ[SAFE_PATH] = "1"
    trust_only(names)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key, None) if value is None else os.environ.update({key: value})


def trust_only(names: Iterable[str]) -> None:
    os.environ[TRUSTED] = " ".join(dict.fromkeys(names))


def trust(names: Iterable[str]) -> None:
    """These, too."""
    if TRUSTED in os.environ:
        trust_only([*os.environ[TRUSTED].split(), *names])


def of_others(names: Iterable[str]) -> list[str]:
    """Those of the form `module:name` that are not trusted."""
    trusted = os.environ.get(TRUSTED, EVERYTHING).split()
    return [] if EVERYTHING in trusted else [name for name in names if ":" in name and name not in trusted]


def check_trusted(names: Iterable[str], what: str = "model") -> None:
    """
    Raises:
        UserError: one of them is not trusted.
    """
    for name in of_others(names):
        raise UserError(
            f"{what} {name} is code of the store's maker, and to import it would run it: "
            "--trust-model (trust_model=True of `analysis.open`) does; your own sweep file in the folder's "
            "place does, too"
        )


def look_here_too() -> None:
    """Let Python find what `search_path` has, from now on: what is named may import more as it runs."""
    for folder in _added:
        if folder in sys.path:
            sys.path.remove(folder)
    _added[:] = search_path()[len(sys.path) :]
    sys.path += _added


def search_path() -> list[str]:
    """Python's path, and after it the folder that one stands in; jobs have copies of what lies there."""
    here = str(Path.cwd())
    there = COPIED in os.environ or here in sys.path or "" in sys.path
    return [*sys.path, *[here] * (not there)]
