"""The sweep's folder on shared storage: every file name, and the one door to its tables.

Free of torch. Schemas are in `schemas.py`, a pack's files in `pack_files.py`; how a file is written whole,
and known to be, in `whole_files.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from regularize.origin import ORIGIN, git_commit
from regularize.pack_files import VERIFIED, PackPaths, PackStatus
from regularize.path_parts import path_part
from regularize.schemas import (
    CORRUPTIONS,
    METRICS,
    PREDICTIONS,
    RESULTS,
    ROBUSTNESS,
    RUNS,
    SCHEMA_VERSION,
    SPECTRA,
)
from regularize.tables import (
    DamagedFileError,
    open_table,
    read_table,
    table_metadata,
    write_batches,
    write_table,
)
from regularize.whole_files import (
    naming_failures,
    read_json,
    write_bytes,
    write_json,
    write_text,
    write_whole,
)

__all__ = [
    "CORRUPTIONS",
    "METRICS",
    "ORIGIN",
    "PREDICTIONS",
    "RESULTS",
    "ROBUSTNESS",
    "RUNS",
    "SCHEMA_VERSION",
    "SPECTRA",
    "DamagedFileError",
    "PackPaths",
    "PackStatus",
    "git_commit",
    "naming_failures",
    "open_table",
    "read_json",
    "read_table",
    "table_metadata",
    "write_batches",
    "write_bytes",
    "write_json",
    "write_table",
    "write_text",
    "write_whole",
]


@dataclass(frozen=True)
class Store:
    """A sweep's folder; the one home of its paths."""

    folder: Path

    @property
    def sweep(self) -> Path:
        return self.folder / "sweep.yaml"

    @property
    def provenance(self) -> Path:
        return self.folder / "provenance.json"

    def diff(self, digest: str) -> Path:
        """What differed from the commit in a submission; by its hash."""
        return self.folder / f"{path_part(digest)}.diff"

    @property
    def runs(self) -> Path:
        return self.folder / "runs.parquet"

    @property
    def submission(self) -> Path:
        """Cluster and data root of the last submission."""
        return self.folder / "submission.json"

    @property
    def journal(self) -> Path:
        return self.folder / "journal.jsonl"

    @property
    def stopped(self) -> Path:
        """Why no further pack is begun, where a worker has found that all fail alike."""
        return self.folder / "stopped.json"

    @property
    def verified(self) -> Path:
        """Of a store that `sync` brought: which files were found whole, at which size and time."""
        return self.folder / VERIFIED

    @property
    def lock(self) -> Path:
        return self.folder / "submit.lock"

    @property
    def techniques(self) -> Path:
        """What people call the techniques that are not the project's, by their names in runs."""
        return self.folder / "techniques.json"

    @property
    def looks(self) -> Path:
        """When report results were compared, and what the sweep was then."""
        return self.folder / "looks.json"

    @property
    def looks_there(self) -> Path:
        """Of a store that `sync` brought: `looks` of the cluster, beside those here."""
        return self.folder / "looks.cluster.json"

    @property
    def packs(self) -> Path:
        return self.folder / "packs"

    @property
    def jobs(self) -> Path:
        """What jobs and tasks are to run, as submitit keeps it: their submitter's alone."""
        return self.folder / "jobs"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def tables(self) -> Path:
        """The packs' tables brought together, `runs` and `selection`: what analysis reads."""
        return self.folder / "tables"

    @property
    def figures(self) -> Path:
        return self.folder / "figures"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    def code(self, name: str) -> Path:
        """The sources of that name, by `regularize.code_identity`: an archive."""
        return self.folder / "code" / f"{path_part(name)}.zip"

    def data(self, name: str) -> Path:
        """What is said of the data set whose content has that hash: plain values."""
        return self.folder / "data" / f"{path_part(name)}.json"

    @property
    def accepted(self) -> Path:
        """Which other code and data were accepted beside those of today, and how."""
        return self.folder / "accepted.json"

    @property
    def replaced(self) -> Path:
        """Packs that were trained again since their code or data had changed, by pack id and number."""
        return self.folder / "replaced"

    def pack(self, pack_id: str) -> PackPaths:
        return PackPaths(self.packs / path_part(pack_id))

    def table(self, name: str) -> Path:
        return self.tables / f"{path_part(name)}.parquet"
