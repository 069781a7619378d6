"""What the packs of a store say of themselves, read without trusting it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from regularize.awaited import each_of
from regularize.errors import UserError
from regularize.opened import read_end
from regularize.store import PackPaths, PackStatus, Store

STATES = ("running", "interrupted", "done", "failed")


@dataclass(frozen=True)
class Packs:
    """Statuses by pack id, and what is wrong with those that cannot be read, by pack id.

    `folders` says, of those packs that `remembered_packs` can know again by it, what changes with the folder.
    """

    statuses: Mapping[str, PackStatus] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def done(self) -> Mapping[str, bool]:
        """The finished runs, each with whether it diverged."""
        return self._done

    @cached_property
    def _done(self) -> dict[str, bool]:
        return {
            run_id: run_id in status.diverged
            for status in self.statuses.values()
            if status.state == "done"
            for run_id in status.runs
        }

    @cached_property
    def measured(self) -> Mapping[str, str]:
        """For the finished runs the `Evaluation.text` that they were measured by."""
        return {
            run_id: status.evaluation
            for status in self.statuses.values()
            if status.state == "done"
            for run_id in status.runs
        }


def read_packs(
    store: Store,
    before: Packs | None = None,
    changing: Collection[str] = (),
    by_name: Collection[str] = (),
) -> Packs:
    """Every pack that was begun; those done `before` are not read again, unless they are `changing`.

    Those `by_name` are whole where no file's name is missing, whatever the sizes: `read_pack`.
    """
    known = before.statuses if before else {}
    folders, brought = _folders(store.packs), store.verified.exists()

    def look(folder: Path) -> tuple[str, PackStatus | str | None]:
        return _status_or_why_not(folder, brought, sizes=folder.name not in by_name)

    stay = {
        folder.name: known[folder.name]
        for folder in folders
        if folder.name in known and known[folder.name].state == "done" and folder.name not in changing
    }
    found: dict[str, PackStatus | str | None] = {
        **stay,
        **dict(each_of([f for f in folders if f.name not in stay], look)),
    }
    ordered = [(folder.name, found[folder.name]) for folder in folders]
    return Packs(
        {name: status for name, status in ordered if isinstance(status, PackStatus)},
        {name: why for name, why in ordered if isinstance(why, str)},
    )


def _status_or_why_not(folder: Path, brought: bool, sizes: bool) -> tuple[str, PackStatus | str | None]:
    """A pack by its id: its status, why it cannot be read, or None before it was begun."""
    try:
        return folder.name, read_pack(PackPaths(folder), brought, sizes=sizes)
    except ValueError as error:
        return folder.name, str(error)


def read_pack(paths: PackPaths, brought: bool | None = None, *, sizes: bool = True) -> PackStatus | None:
    """A pack's status; None before it was begun. `brought` is whether `sync` brought it, where that is known.

    A pack that says it is done but of whose files one is gone, of another size, or was set aside as
    damaged, counts as failed: it has to be trained again.

    Args:
        sizes: whether to look at these; without, a folder is listed, which is one round trip and not one
            for each file.

    Raises:
        ValueError: the file says nothing that makes sense.
    """
    try:
        status = PackStatus.read(paths.status)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{paths.status} cannot be read: {error}") from None
    numbers = (status.step, status.steps, status.epoch, status.epochs, status.pid, status.seconds)
    if status.state not in STATES or not all(isinstance(number, int | float) for number in numbers):
        raise ValueError(f"{paths.status} is not a status that this version knows")
    lacking = status.state == "done" and paths.missing(status, brought=brought, sizes=sizes)
    return replace(status, state="failed", step=0) if lacking else status


def lacks_files(status: PackStatus) -> bool:
    """Whether a pack counts as failed for its files alone: only a done one says by what it was measured."""
    return status.state == "failed" and bool(status.evaluation)


def failure(paths: PackPaths) -> str:
    """In one line, why a failed pack failed."""
    try:
        lines = read_end(paths.error).strip().splitlines()
    except OSError:
        missing = list[str]()
        with suppress(OSError, ValueError, TypeError, KeyError):
            missing = paths.missing(PackStatus.read(paths.status))
        return f"{', '.join(missing) or 'what it kept'} is missing or damaged"
    return lines[-1] if lines else "it left no message"


def diverged_at(packs: Packs) -> dict[str, int]:
    """For the runs that diverged, at which step; packs of earlier versions did not say."""
    return {i: step for status in packs.statuses.values() for i, step in status.diverged_at.items()}


def diverged(step: int | None) -> str:
    """
    >>> diverged(4), diverged(None)
    ('diverged at step 4', 'diverged')
    """
    return "diverged" if step is None else f"diverged at step {step:,}"


def share(status: PackStatus) -> float:
    """The share of a pack's steps that is done, in [0, 1]."""
    return status.step / status.steps if status.steps else 0.0


def ended_order(status: PackStatus) -> tuple[str, bool]:
    """By what to order packs that have ended; of those of one second, what went well last."""
    return status.updated_at, status.state == "done"


def _folders(packs: Path) -> list[Path]:
    try:
        entries = (entry for entry in os.scandir(packs) if entry.is_dir(follow_symlinks=False))
        return [Path(entry.path) for entry in sorted(entries, key=lambda entry: entry.name)]
    except FileNotFoundError:
        return []
    except OSError as error:  # a file in its place, a link to itself, no permission
        raise UserError(f"{packs} cannot be read: {error.strerror}") from None
