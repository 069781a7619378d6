"""What a pack leaves on disk: its files by name, what its status says, and whether all is there.

Free of torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regularize.path_parts import check_parts
from regularize.typed import checked
from regularize.whole_files import names_in, read_json, stats_in, write_json

VERIFIED = "verified.json"
"""Of a store that `sync` brought, in the sweep's folder: which files were found whole."""


@dataclass(frozen=True, kw_only=True)
class PackStatus:
    """What `status.json` says of a pack; written at its start, every few seconds, and at its end.

    `state` is running, interrupted (a checkpoint waits to be continued), done or failed; a done
    pack's runs are done but for those in `diverged`. Times are UTC, ISO 8601.
    """

    state: str
    runs: tuple[str, ...]
    step: int
    steps: int
    epoch: int
    epochs: int
    seconds: float  # training time so far, over all attempts
    started_at: str
    updated_at: str
    host: str
    pid: int
    diverged: tuple[str, ...] = ()
    diverged_at: Mapping[str, int] = dataclasses.field(default_factory=dict)  # of these, the step
    scores: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)
    """By run: the best and the last validation accuracy of its curve, in [0, 1]."""
    did_nothing: tuple[str, ...] = ()  # of a finished pack: runs with a penalty without effect
    evaluation_seconds: float = 0.0  # beside `seconds`
    job: str = ""  # what trains it on a cluster, as its log is named: array, element, process
    files: Mapping[str, int] = dataclasses.field(default_factory=dict)  # of a done pack: bytes by name
    code: str = ""  # that has trained it (`regularize.code_identity`), joined by + where it is several
    data: str = ""  # content of its data set (`Dataset.content_hash`)
    evaluation: str = ""  # of a done pack: the `Evaluation.text` that its tables were measured by
    curves: str = ""  # the text that its curves are by, where it has been measured again since
    ranks: int = 1  # that train it together
    memory: int = 0  # bytes of its job on this node at most, by the kernel; 0 where it does not count
    measuring_failed: bool = False  # measuring it again, by other settings, raised an error

    def write(self, path: Path) -> None:
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path: Path) -> PackStatus:
        return cls.from_json(read_json(path))

    @classmethod
    def from_json(cls, value: Any) -> PackStatus:
        """
        Raises:
            ValueError, TypeError, KeyError: it is no status.
        """
        lists = [value["runs"], value["diverged"], value.get("did_nothing", ())]
        names = ("runs", "diverged", "did_nothing")
        status = checked(cls(**value | {name: tuple(each) for name, each in zip(names, lists, strict=True)}))
        check_parts([*status.runs, *filter(None, (status.job,))])
        return status


@dataclass(frozen=True)
class PackPaths:
    """The files of one pack."""

    folder: Path

    @property
    def status(self) -> Path:
        return self.folder / "status.json"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.parquet"

    @property
    def curves(self) -> Path:
        """The metrics so far, there only until the pack is done."""
        return self.folder / "curves.parquet"

    @property
    def results(self) -> Path:
        return self.folder / "results.parquet"

    @property
    def predictions(self) -> Path:
        return self.folder / "predictions.parquet"

    @property
    def spectra(self) -> Path:
        return self.folder / "spectra.parquet"

    @property
    def robustness(self) -> Path:
        """There only where the sweep asks for it."""
        return self.folder / "robustness.parquet"

    @property
    def corruptions(self) -> Path:
        """There only where the sweep asks for it."""
        return self.folder / "corruptions.parquet"

    @property
    def weights(self) -> Path:
        return self.folder / "weights.pt"

    @property
    def snapshots(self) -> Path:
        """There only where the sweep asks for it."""
        return self.folder / "snapshots.pt"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @property
    def previous_checkpoint(self) -> Path:
        return self.folder / "checkpoint.previous.pt"

    @property
    def next_checkpoint(self) -> Path:
        """There only while checkpoints change places."""
        return self.folder / "checkpoint.next.pt"

    @property
    def damaged_checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt.damaged"

    @property
    def error(self) -> Path:
        return self.folder / "error.txt"

    @property
    def lease(self) -> Path:
        """Who trains it, there only meanwhile."""
        return self.folder / "lease"

    def kept(self) -> Iterator[tuple[str, int]]:
        """What a pack that is done keeps: the names of its tables and networks, and their bytes."""
        names = ("metrics", "results", "predictions", "spectra", "robustness", "corruptions", "weights")
        for path in (getattr(self, name) for name in (*names, "snapshots")):
            with suppress(FileNotFoundError):
                yield path.name, path.stat().st_size

    def missing(
        self,
        status: PackStatus,
        there: Mapping[str, int | None] | None = None,
        *,
        brought: bool | None = None,
        sizes: bool = True,
    ) -> list[str]:
        """Of a pack that is done, the files that are gone, set aside as damaged, or not of their size.

        Cheap: nothing is read. A store that `sync` brought has networks only where they were asked for.

        Args:
            there: the files that there are and their bytes, None where these are not known.
            brought: whether `sync` brought the store, where that is known.
            sizes: whether to ask for the bytes of each file.
        """
        if there is None and sizes:
            there = {name: stat.st_size for name, stat in stats_in(self.folder).items()}
        elif there is None:
            there = dict.fromkeys(names_in(self.folder))
        wanted: dict[str, int | None] = dict.fromkeys((self.results.name, self.metrics.name))  # always
        wanted |= dict.fromkeys(name.removesuffix(".damaged") for name in there if name.endswith(".damaged"))
        wanted |= status.files
        if brought is None:
            brought = (self.folder.parent.parent / VERIFIED).exists()
        if brought:
            wanted = {
                name: size for name, size in wanted.items() if name in there or not name.endswith(".pt")
            }
        return sorted(
            name
            for name, size in wanted.items()
            if name not in there or (size is not None and there[name] not in (None, size))
        )
