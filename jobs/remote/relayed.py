"""What a command says on another machine, on this one's streams as it comes: text and colours, no more."""

from __future__ import annotations

import codecs
import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TextIO

from jobs.support.plain_text import PlainStream, coloured

_MOST_HELD = 1 << 16  # bytes of a line that does not end
_TICK = 0.1


class Relayed:
    """Writes whole lines, so that nothing hides in the place where two parts meet."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream.beneath if isinstance(stream, PlainStream) else stream
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""

    def feed(self, data: bytes) -> None:
        self._held += self._decoder.decode(data)
        lines, newline, rest = self._held.rpartition("\n")
        if newline or len(rest) > _MOST_HELD:
            self._held = rest if newline else ""
            self._write(lines + newline if newline else rest)

    def end(self) -> None:
        """Write the line that has no end."""
        self._write(self._held + self._decoder.decode(b"", final=True))
        self._held = ""

    @contextmanager
    def pipe(self) -> Iterator[IO[bytes]]:
        """A pipe to it for a program. What it leaves behind may hold that open, and is not waited for."""
        reading, writing = os.pipe()
        over = threading.Event()
        thread = threading.Thread(target=self._read, args=(reading, over), daemon=True)
        thread.start()
        try:
            with os.fdopen(writing, "wb") as stream:
                yield stream
        finally:
            over.set()
            thread.join()
            os.close(reading)
            self.end()

    def _read(self, reading: int, over: threading.Event) -> None:
        while True:
            last = over.is_set()  # before looking: what was said by then is there
            if select.select([reading], [], [], 0 if last else _TICK)[0]:
                data = os.read(reading, _MOST_HELD)
                if not data:
                    return
                self.feed(data)
            elif last:
                return

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(coloured(text))
            self._stream.flush()
