"""What pages ask of the interface that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from jobs.watch.picture import Picture, Run
from jobs.watch.seed_groups import Group
from jobs.watch.watch_source import Source

Severity = Literal["information", "warning", "error"]


class Home(Protocol):
    """`watch.app.WatchApp`, as far as pages know it."""

    source: Source
    picture: Picture | None
    groups: list[Group]
    paused: bool

    def tick(self) -> None: ...

    def say(self, message: str, severity: Severity = "information") -> None: ...

    async def open_runs(self, regularizer: str, dataset: str) -> None: ...

    async def open_run(self, run_id: str) -> None: ...

    async def open_log(self, runs: Sequence[Run]) -> None: ...

    async def ask(self, verb: str, runs: Sequence[Run]) -> None: ...
