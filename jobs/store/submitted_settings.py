"""What a store remembers of how it was submitted, so that jobs and later commands go on in the same way."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.cluster.cluster_config import Cluster, from_json
from jobs.store.planned_runs import nothing_submitted
from regularize.opened import read_whole
from regularize.store import DamagedFileError, Store, read_json, write_json, write_text

if TYPE_CHECKING:
    from jobs.sweep.sweep_file import Sweep


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
    write_json(store.submission, settings | {"report_runs": report_count(sweep), "ranks": dict(sweep.ranks)})


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
    """
    from jobs.sweep.sweep_file import load_sweep

    ranks: dict[str, int] = {}
    with suppress(OSError, ValueError, KeyError, TypeError):  # which loading says, or `load`
        settings = read_json(store.submission)
        if settings["sweep"] != _digest(read_whole(store.sweep)):
            raise DamagedFileError(store.sweep, "it is not what was submitted last")
        ranks = {str(name): int(number) for name, number in settings.get("ranks", {}).items()}
    return replace(load_sweep(store.sweep), ranks=ranks)


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
