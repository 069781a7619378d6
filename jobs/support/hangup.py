"""When whoever waits for a command has gone: the terminal was closed, or the ssh that it answers to is lost.

The system's word for it is SIGHUP. A command behind ssh has no terminal and is sent none: there, the end
of its standard input, which the laptop holds open as long as the command runs, means the same.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

AGAIN_SECONDS = 1.0
_watching = threading.Event()


@contextmanager
def interrupted_by_hangup() -> Iterator[None]:
    """For waiting on behalf of a person: it ends as by Ctrl-C once nobody is there. In the main thread.

    With nohup it goes on: whoever started it so wants that.

    Raises:
        KeyboardInterrupt: at most once.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what is done in leaving is done
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN and not _watching.is_set():
        yield
        return
    before = signal.signal(signal.SIGHUP, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def hang_up_at_end_of(stream: int) -> None:
    """From the end of the file descriptor on, this process is sent SIGHUP, and what it says goes nowhere.

    Whatever does not wait for SIGHUP goes on to its end, as with nohup: a submission is completed.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _watching.set()
    threading.Thread(target=_watch, args=(stream,), daemon=True).start()


def _watch(stream: int) -> None:
    with suppress(OSError):  # as good as an end
        while os.read(stream, 4096):
            pass
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    while True:  # the waiting may begin later
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(AGAIN_SECONDS)
