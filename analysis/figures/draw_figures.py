"""What is to be drawn of a store, part by part: each of its problems, and all of them together.

What is read of a problem's tables is shared by the figures of that part, and forgotten with it. Figures that
run networks, which take longest, are parts of their own: a single problem, too, keeps several cores at work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from analysis.figures.catalogue import FIGURES, SHOWN_SCORES, Drawn, draw, kind_of
from analysis.figures.parts.interrupts import deaf, ending_children, results
from analysis.figures.parts.save import Drawing, save
from analysis.figures.parts.subject import Subject, subjects, together
from analysis.notation.methods import telling_apart
from analysis.statistics.scores import DEFAULT, score
from analysis.tables.pooled_inputs import pooled
from analysis.tables.region import Region
from analysis.tables.store_tables import Tables
from regularize.cores import cores, one_thread
from regularize.errors import UserError
from regularize.rare_collections import rarely_collected
from regularize.store import Store, read_json

Task = tuple[int | None, tuple[str, ...]]  # the number of a problem, None for all; names of figures
Part = Mapping[str, Drawn]  # by the name of the figure
_MOST_WORKERS = 2  # each takes up to 0.6 GB; with the process that asks for them, all stay below 2
_PROBLEMS_A_WORKER = 2  # at least, of figures from tables: fewer are drawn before a worker has started


def draw_all(
    store: Store,
    names: Sequence[str] = (),
    run_id: str | None = None,
    data_root: Path | None = None,
    layer: str = "penultimate",
    scores: Sequence[str] = (),
    region: Region | None = None,
    look: Look | None = None,
) -> Drawn:
    """Draw figures into `store.figures`: those named, else all; of the run `run_id`, else comparisons.

    Figures that compare by a score are drawn for each of `scores` (see `analysis.statistics.scores`), with
    the `region` of practical equivalence, if one is given; `look` says what is shown of them, and how large.

    Raises:
        UserError: unknown name, score or run, a figure that compares asked of one run, nothing to draw yet.
    """
    for each in scores:
        score(each)
    names = tuple(names) or tuple(name for name, kind in FIGURES.items() if run_id is None or kind.one_run)
    _check(names, run_id)
    return Request(
        store=store,
        names=names,
        run_id=run_id,
        data_root=data_root,
        layer=layer,
        scores=tuple(scores) or SHOWN_SCORES,
        region=region,
        look=look or Look(),
    ).draw()


def summary(path: Path) -> str:
    """The plain sentence that belongs to a figure's file."""
    return str(read_json(path.with_suffix(".json"))["summary"])


@dataclass(frozen=True, kw_only=True)
class Look:
    """Which entries of the sweep (with the baseline; none for all) and data sets figures show, how wide the
    page's text is in inches (None for two columns), whether they are written as SVG, too, or only as a `page`
    shows them."""

    techniques: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    width: float | None = None
    svg: bool = False
    page: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """The figures `names` of every problem, or of the run `run_id` alone."""

    store: Store
    names: tuple[str, ...]
    run_id: str | None
    data_root: Path | None
    layer: str
    scores: tuple[str, ...] = SHOWN_SCORES
    region: Region | None = None
    look: Look = Look()

    def subjects(self) -> list[Subject]:
        return subjects(
            Tables(self.store, self.region),
            self.run_id,
            self.data_root,
            self.layer,
            techniques=self.look.techniques,
            datasets=self.look.datasets,
        )

    def draw(self) -> Drawn:
        """Draw everything, figure by figure; what takes long in several processes.

        Raises:
            UserError: there is nothing to draw yet, or no such run; one of the processes was killed.
        """
        for kept in (_kept_subjects, _pooled):  # of the tables as they were
            kept.cache_clear()
        problems = range(len(_kept_subjects(self)))
        tasks = list(self._tasks(problems))
        quick = all(kind_of(name).needs == "tables" for name in self.names)
        workers = min(len(problems) // _PROBLEMS_A_WORKER if quick else len(tasks), cores(), _MOST_WORKERS)
        if workers < 2:
            return self._joined(map(self.part, tasks))
        # Not by fork: a library's threads may hold locks, which a copy of the process would wait for.
        try:
            with ProcessPoolExecutor(workers, get_context("spawn")) as pool, ending_children():
                with deaf():
                    parts = [pool.submit(self.part, task) for task in tasks]
                return self._joined(results(parts))
        except BrokenProcessPool:
            raise UserError(
                f"one of {workers} processes that drew figures was killed, as happens where memory is short; "
                "try with more of it, or a few figures at a time (`regularize figures SWEEP NAME`)"
            ) from None

    def _tasks(self, problems: range) -> Iterator[Task]:
        of_problem = [name for name in self.names if kind_of(name).scope == "problem"]
        networks = [name for name in of_problem if kind_of(name).needs == "networks"]
        rest = tuple(name for name in of_problem if name not in networks)
        together = tuple(name for name in self.names if name not in of_problem)
        # That of all problems first, since it takes longest: last, one process would wait for the other.
        tasks = [(None, together), *((problem, rest) for problem in problems)]
        yield from (task for task in tasks if task[1])
        yield from ((problem, (name,)) for problem in problems for name in networks)

    def part(self, task: Task) -> Part:
        """Draw the figures of one problem that a task names, or with None those of all problems.

        By one thread: the other cores have processes of their own, and sums are always taken in the same
        order, whatever the machine.
        """
        problem, names = task
        networks = kind_of(names[0]).needs == "networks"
        # Tables are read once by each process, and the networks of a problem loaded once.
        found = _kept_subjects(self)
        subject = together(found) if problem is None else found[problem]
        if not networks:  # what figures read of a comparison is forgotten with its part
            subject = replace(subject, comparisons=[replace(each) for each in subject.comparisons])
        tables = found[0].comparison.tables if found else Tables(self.store)
        words = telling_apart(tables.entries, tables.words, tables.baseline)
        with one_thread(torch=networks), rarely_collected(), words:
            return {name: self._drawn(name, subject) for name in names}

    def _drawn(self, name: str, subject: Subject) -> Drawn:
        found, note = Drawn(), _pooled(self.store)
        for by in self.scores if kind_of(name).by_score else [DEFAULT]:
            mine = replace(subject, score=by)
            try:
                drawings = (_saying(drawing, note) for drawing in draw(name, mine, self.look.width))
                found.paths += [
                    save(each, self.store.figures, svg=self.look.svg, page=self.look.page)
                    for each in drawings
                ]
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


def _saying(drawing: Drawing, note: str) -> Drawing:
    """With one more sentence in its caption."""
    return replace(drawing, caption=f"{drawing.caption} {note}") if note else drawing


@lru_cache(maxsize=1)
def _pooled(store: Store) -> str:
    return pooled(Tables(store))


@lru_cache(maxsize=1)
def _kept_subjects(request: Request) -> list[Subject]:
    return request.subjects()


def _check(names: Sequence[str], run_id: str | None) -> None:
    for name in names:
        kind = kind_of(name)
        if run_id is not None and not kind.one_run:
            single = [other for other, kind in FIGURES.items() if kind.one_run]
            raise UserError(f"figure {name!r} compares runs; of one run: {', '.join(single)}")
