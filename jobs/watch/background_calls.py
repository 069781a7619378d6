"""Calls that may block for ever, away from the interface."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from textual.app import App

from regularize.errors import UserError

T = TypeVar("T")


def in_background(
    app: App[None],
    call: Callable[[], T],
    then: Callable[[T], None],
    fail: Callable[[str], None],
) -> None:
    """`call` in a thread, then `then` with its value, or `fail` with what went wrong, in the app's.

    The thread is a daemon: one that waits for a lost host must not keep the program from ending,
    as those of an executor would.
    """

    def work() -> None:
        try:
            value = call()
        except UserError as error:
            _deliver(app, fail, str(error))
        except Exception as error:  # shown, with its kind: the interface outlives whatever a source does
            _deliver(app, fail, f"{type(error).__name__}: {error}")
        else:
            _deliver(app, then, value)

    threading.Thread(target=work, daemon=True).start()


def _deliver(app: App[None], tell: Callable[[T], None], value: T) -> None:
    if app.is_running:
        app.call_later(tell, value)
