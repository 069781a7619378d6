"""What is to be drawn of a store, part by part: each of its problems, and all of them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from analysis.figures import FIGURES, SHOWN_SCORES, Drawn, draw
from analysis.figures.save import save
from analysis.figures.subject import Subject, subjects, together
from analysis.scores import DEFAULT
from analysis.tables import Tables
from regularize.cores import cores
from regularize.errors import UserError
from regularize.store import Store

Part = Mapping[str, Drawn]  # by the name of the figure
_MOST_WORKERS = 2  # each takes up to 0.6 GB; with the process that asks for them, all stay below 2
_PROBLEMS_A_WORKER = 2  # at least, of figures from tables: fewer are drawn before a worker has started


@dataclass(frozen=True, kw_only=True)
class Request:
    """The figures `names` of every problem, or of the run `run_id` alone."""

    store: Store
    names: Sequence[str]
    run_id: str | None
    data_root: Path | None
    layer: str
    scores: Sequence[str] = SHOWN_SCORES

    def subjects(self) -> list[Subject]:
        return subjects(Tables(self.store), self.run_id, self.data_root, self.layer)

    def draw(self) -> Drawn:
        """Draw everything, figure by figure; what takes long in several processes.

        Raises:
            UserError: there is nothing to draw yet, or no such run; one of the processes was killed.
        """
        problems = range(len(self.subjects()))
        quick = all(FIGURES[name].needs == "tables" for name in self.names)
        workers = min(len(problems) // (_PROBLEMS_A_WORKER if quick else 1), cores(), _MOST_WORKERS)
        if workers < 2:
            return self._joined(map(self.part, [*problems, None]))
        # Not by fork: a library's threads may hold locks, which a copy of the process would wait for.
        try:
            with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
                return self._joined(pool.map(self.part, [*problems, None]))
        except BrokenProcessPool:
            raise UserError(
                f"one of {workers} processes that drew figures was killed, as happens where memory is short; "
                "try with more of it, or a few figures at a time (`regularize figures SWEEP NAME`)"
            ) from None

    def part(self, problem: int | None) -> Part:
        """Draw what belongs to one problem, or with None to all of them.

        What has been read for its figures is shared by them, and forgotten with the part.
        """
        scope = "sweep" if problem is None else "problem"
        names = [name for name in self.names if FIGURES[name].scope == scope]
        if not names:
            return {}
        found = self.subjects()
        subject = together(found) if problem is None else found[problem]
        return {name: self._drawn(name, subject) for name in names}

    def _drawn(self, name: str, subject: Subject) -> Drawn:
        found = Drawn()
        for score in self.scores if FIGURES[name].by_score else [DEFAULT]:
            mine = replace(subject, score=score)
            try:
                found.paths += [save(drawing, self.store.figures) for drawing in draw(name, mine)]
            except UserError as reason:
                found.missing[mine.name(name)] = str(reason)
        return found

    def _joined(self, parts: Iterable[Part]) -> Drawn:
        whole, parts = Drawn(), list(parts)
        for name in self.names:
            for part in parts:
                if name in part:
                    whole.paths += part[name].paths
                    whole.missing |= part[name].missing
        return whole
