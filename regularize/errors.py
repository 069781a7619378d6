"""The errors that a user can cause, as opposed to our own broken invariants."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend. The command line prints it without a traceback, exit code 2."""


class NoSpaceError(UserError):
    """A disk or a quota is full: nothing can be written, whatever is tried next."""


def require(condition: bool, name: str, value: object, valid: str) -> None:
    """Raise `UserError`, as `epochs is 0, but must be at least 1`, unless the condition holds."""
    if not condition:
        raise UserError(f"{name} is {value!r}, but must be {valid}")


def unknown(kind: str, name: object, choices: Iterable[str]) -> str:
    """An error on a name that nothing has.

    >>> unknown("regularizer", "l3", ["l1", "dropout"])
    "unknown regularizer 'l3'; one of: dropout, l1; did you mean 'l1'?"
    """
    return f"unknown {kind} {name!r}; {one_of(name, choices)}"


def one_of(value: object, choices: Iterable[str]) -> str:
    """The tail of an error on a wrong choice: the valid ones, and the likely one.

    >>> one_of("l3", ["l1", "dropout"])
    "one of: dropout, l1; did you mean 'l1'?"
    """
    names = sorted(str(choice) for choice in choices)
    close = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"one of: {', '.join(names)}{hint}"


def in_a_line(error: BaseException) -> str:
    """The first line of what an error says; of nccl's, which names no cause, with the cause below it.

    >>> in_a_line(RuntimeError("NCCL error in: utils.cpp:77\\nncclSystemError: …\\nLast error:\\nno socket"))
    'NCCL error in: utils.cpp:77: no socket'
    """
    first, _, more = str(error).strip().partition("\n")
    cause = more.partition("Last error:")[2].strip().partition("\n")[0]
    return f"{first}: {cause}" if cause else first


RAISED = (Exception, SystemExit)
"""By code of somebody else: a script without a guard ends the process that imports it, and without a word."""
