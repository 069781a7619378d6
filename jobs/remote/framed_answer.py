"""The answer within what a session prints: startup files, `LocalCommand` and the like print before and after.

Our script says a mark that nobody else knows before its own words, and behind them once more, with its exit
code. So what is around them is noise, and an answer without its end was cut short.
"""

from __future__ import annotations

import re
from collections.abc import Callable

SEPARATOR = b"\x1e"
_CODE = re.compile(rb"[0-9]{1,3}")
_MOST_CODE = 64  # bytes in which the exit code has ended
NONSENSE = 1
"""Stands for an exit code that is none."""

_NOISE_BYTES = 1 << 16  # of what came before the answer, for an error


class Frame:
    """Gives what is between the marks to `sink` as it comes; `code` is None until the end has come."""

    def __init__(self, mark: str, sink: Callable[[bytes], object]) -> None:
        self.mark, self.begun, self.noise = mark, False, b""
        self.code: int | None = None
        self._begin, self._end = (SEPARATOR + mark.encode() + end for end in (b"\n", b" "))
        self._sink, self._held = sink, b""

    def feed(self, data: bytes) -> None:
        if self.code is not None:
            return
        self._held += data
        if not self.begun:
            before, found, rest = self._held.partition(self._begin)
            if not found:
                self.noise = self._held = self._held[-_NOISE_BYTES:]
                return
            self.begun, self.noise, self._held = True, before, rest
        payload, found, rest = self._held.partition(self._end)
        if found:
            code, newline, _ = rest.partition(b"\n")
            if newline or len(rest) > _MOST_CODE:
                self.code = int(code) if _CODE.fullmatch(code) else NONSENSE
            self._pass_on(payload, found + rest)
        else:
            at = payload.rfind(SEPARATOR)
            at = at if at >= 0 and self._end.startswith(payload[at:]) else len(payload)
            self._pass_on(payload[:at], payload[at:])

    def _pass_on(self, payload: bytes, held: bytes) -> None:
        self._held = held
        if payload:
            self._sink(payload)


def within(mark: str, said: bytes) -> bytes:
    """What is between the marks, as far as it goes; all where they are not there."""
    found: list[bytes] = []
    frame = Frame(mark, found.append)
    frame.feed(said)
    return b"".join(found) if frame.begun else said
