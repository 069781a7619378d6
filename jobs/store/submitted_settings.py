"""What a store remembers of how it was submitted, so that jobs and later commands go on in the same way."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.cluster.cluster_config import Cluster, from_json
from jobs.store.planned_runs import nothing_submitted
from jobs.sweep.dialects import FIRST, NOW
from regularize.errors import UserError
from regularize.opened import read_whole
from regularize.store import DamagedFileError, Store, read_json, write_json, write_text

if TYPE_CHECKING:
    from jobs.sweep.sweep_file import Sweep

DIALECT = "dialect"
"""What the words of the sweep mean, see `jobs.sweep.dialects`."""


@dataclass(frozen=True, kw_only=True)
class Saved:
    """The cluster and the data root of the last submission; its sweep is `sweep.yaml`, overrides applied."""

    cluster: Cluster
    data_root: Path | None


def save(store: Store, sweep: Sweep, saved: Saved) -> None:
    from jobs.sweep.run_grid import report_count

    write_text(store.sweep, sweep.text)
    root = str(saved.data_root) if saved.data_root else None
    settings = {"cluster": saved.cluster.to_json(), "data_root": root, "sweep": _digest(sweep.text.encode())}
    runs, ranks = report_count(sweep), dict(sweep.ranks)
    planned = {"report_runs": runs, "ranks": ranks, DIALECT: sweep.dialect}
    write_json(store.submission, settings | planned)


def report_runs(store: Store) -> int:
    """How many report runs the sweep has once strengths are chosen; 0 where the store does not say."""
    with suppress(OSError, ValueError, KeyError, TypeError):  # which loading says
        return int(read_json(store.submission)["report_runs"])
    return 0


def load(store: Store) -> Saved:
    """
    Raises:
        UserError: nothing was submitted to the store, or its file is damaged.
    """
    with suppress(FileNotFoundError):
        try:
            value = read_json(store.submission)
            root = value["data_root"]
            return Saved(cluster=from_json(value["cluster"]), data_root=Path(root) if root else None)
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedFileError(store.submission, str(error)) from None
    raise nothing_submitted(store.submission)


def load_saved_sweep(store: Store) -> Sweep:
    """The sweep as it was last submitted.

    Raises:
        DamagedFileError: its file is not what was written then.
        UserError: a later version submitted it.
    """
    from jobs.sweep.sweep_file import load_sweep

    ranks: dict[str, int] = {}
    meant = dialect(store)
    with suppress(OSError, ValueError, KeyError, TypeError):  # which loading says, or `load`
        settings = read_json(store.submission)
        if settings["sweep"] != _digest(read_whole(store.sweep)):
            raise DamagedFileError(store.sweep, "it is not what was submitted last")
        ranks = {str(name): int(number) for name, number in settings.get("ranks", {}).items()}
    return replace(load_sweep(store.sweep, dialect_of=lambda _: meant), ranks=ranks)


def dialect(store: Store) -> int:
    """That of what was submitted; today's where nothing was. Where its file cannot be read, its runs tell.

    Raises:
        UserError: a later version submitted it.
    """
    with suppress(OSError, ValueError, TypeError, AttributeError):  # which submitting writes anew
        settings = read_json(store.submission)
        before = NOW if settings.get("few_validate") else FIRST  # stores of before dialects had numbers
        found = int(settings.get(DIALECT, before))
        if found <= NOW:
            return max(found, FIRST)
        raise UserError(f"{store.folder} was submitted by a later version of regularize; go on with that one")
    return FIRST if _few_beside_a_tenth(store) else NOW


def _few_beside_a_tenth(store: Store) -> bool:
    """Whether a run has few examples of each class and no word on validation, as none has today."""
    if not store.runs.exists():  # a new store, as most plans have: nothing heavy is imported for it
        return False
    from jobs.store.runs_table import read_runs

    with suppress(OSError, UserError, ValueError, KeyError):  # it is damaged, which reading it says
        for text in read_runs(store, ["config"])["config"].to_pylist():
            data = json.loads(text)["data"]
            if data["per_class"] is not None and data["validation"] is None:
                return True
    return False


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
