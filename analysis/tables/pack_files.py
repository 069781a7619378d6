"""The files of all packs: which there are, which there should be, and where each run's rows are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from regularize.errors import UserError
from regularize.store import PackPaths, PackStatus, Store, read_table


@dataclass(frozen=True)
class PackFiles:
    """Every file of every pack, in order, from one listing of each folder."""

    paths: tuple[Path, ...]

    @classmethod
    def of(cls, store: Store) -> PackFiles:
        try:
            folders = [entry.path for entry in os.scandir(store.packs) if entry.is_dir(follow_symlinks=False)]
            return cls(tuple(sorted(Path(entry.path) for folder in folders for entry in os.scandir(folder))))
        except FileNotFoundError:
            return cls(())
        except OSError as error:  # a file in its place, a link to itself, no permission
            raise UserError(f"{error.filename} cannot be read: {error.strerror}") from None

    def table(self, name: str) -> list[Path]:
        """The packs' files of the table `name` (metrics, results or predictions)."""
        return [path for path in self.paths if path == getattr(PackPaths(path.parent), name)]

    def damaged(self) -> list[Path]:
        """Files that were set aside and have not been written anew since."""
        there = set(self.paths)
        return [
            path for path in self.paths if path.suffix == ".damaged" and path.with_suffix("") not in there
        ]

    def gone(self) -> list[Path]:
        """Files of packs that are done which are not there, nor set aside, or not of the size they had."""
        found, aside = [], {path.with_suffix("") for path in self.damaged()}
        for path in self.paths:
            paths = PackPaths(path.parent)
            if path != paths.status:
                continue
            with suppress(OSError, ValueError, TypeError, KeyError):  # `submit` says what is wrong with it
                status = PackStatus.read(path)
                names = paths.missing(status) if status.state == "done" else ()
                found += [path.with_name(name) for name in names if path.with_name(name) not in aside]
        return found


@dataclass(frozen=True)
class Part:
    """Where the rows of one run are."""

    path: Path
    rows: int


def parts(paths: Iterable[Path], owners: Mapping[str, Part]) -> dict[str, Part]:
    """Where each run's rows are among `paths`, by `run_id`.

    A run that was trained in two packs counts once: from the pack of its `owners` entry if that
    has it, so that all tables speak of the same training, else from the first.
    """
    found: dict[str, Part] = {}
    for path in paths:
        for count in read_table(path, ["run_id"])["run_id"].value_counts().to_pylist():
            owner = owners.get(count["values"])
            if count["values"] not in found or (owner and owner.path.parent == path.parent):
                found[count["values"]] = Part(path, count["counts"])
    return found
