"""Sweeps that nobody trained, as a source shows them: the same every time."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from jobs.status.overview import Queue
from jobs.watch.picture import Failures, Pack, Picture, Run
from jobs.watch.run_detail import Attempt, Detail, Piece, Point
from regularize.errors import UserError

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
DATASETS = ("mnist", "fashion_mnist", "cifar10", "cifar100")
STRENGTHS = {
    "none": [""],
    "l1": [f"{10.0**-n:g}" for n in (6, 5, 4, 3)],
    "l2": [f"{10.0**-n:g}" for n in (5, 4, 3, 2)],
    "elastic_net": [f"l1={10.0**-n:g} l2={10.0**-m:g}" for n in (5, 4) for m in (4, 3)],
    "soft_svb": [f"{10.0**-n:g}" for n in (3, 2, 1)],
    "hard_svb": [f"{e:g}" for e in (0.01, 0.05, 0.5)],
    "jacobian": [f"{10.0**-n:g}" for n in (3, 2, 1)],
    "dropout": [f"{p:g}" for p in (0.1, 0.3, 0.5)],
    "confidence_penalty": [f"{b:g}" for b in (0.1, 1)],
    "label_smoothing": [f"{e:g}" for e in (0.05, 0.1, 0.2)],
    "input_noise": [f"{s:g}" for s in (0.1, 0.2)],
    "weight_noise": [f"{s:g}" for s in (0.01, 0.05)],
    "all_combined": [f"l2=0.0005 p=0.5 jacobian={10.0**-n:g}" for n in (2, 1)],
}
MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 512.00 MiB"
SHAPE = "ValueError: jacobian needs logits that depend on one example alone, but layer bn1 mixes the batch"
TRACEBACK = """\
Traceback (most recent call last):
  File "jobs/worker/one_pack.py", line 61, in attempt
    train_pack(runs, paths, stop=stop)
  File "regularize/train_pack.py", line 46, in train_pack
    trainer.advance()
"""


def picture(count: int, time: datetime = NOW) -> Picture:
    """A sweep of so many runs, a third of the way through."""
    runs = _runs(count)
    failed = [(message, [run for run in runs if run.note == message]) for message in (MEMORY, SHAPE)]
    return Picture(
        sweep="broad-benchmark",
        place="hpc",
        time=time,
        runs=runs,
        active=tuple(_packs(runs)),
        queue=_queue(runs),
        failures=tuple(
            Failures(
                message=message,
                runs=len(alike),
                packs=math.ceil(len(alike) / 5),
                path=f"packs/{alike[0].run_id}/error.txt",
                traceback=f"{TRACEBACK}{message}",
            )
            for message, alike in failed
            if alike
        ),
        speed=412.0 if runs else None,
        seconds_left=12_340.0 if runs else None,
    )


def _runs(count: int) -> tuple[Run, ...]:
    if not count:
        return ()
    settings = [(r, s, d) for r, strengths in STRENGTHS.items() for d in DATASETS for s in strengths]
    settings = settings[: max(1, count // 5)]
    each = math.ceil(count / len(settings))
    draw = random.Random(3)
    made = [
        _run(number, setting, number % each, number // each / len(settings), draw)
        for number, setting in enumerate(setting for setting in settings for _ in range(each))
    ]
    return tuple(made[:count])


def _run(number: int, setting: tuple[str, str, str], seed: int, place: float, draw: random.Random) -> Run:
    regularizer, strength, dataset = setting
    luck = draw.random()
    state, share, note = _state(regularizer, dataset, place, luck)
    job = "" if state == "planned" else f"{4711 + int(2 * place)}_{number // 8}"
    return Run(
        run_id=f"{number * 2654435761 % 2**64:016x}"[:12],
        phase="tune",
        dataset=dataset,
        regularizer=regularizer,
        strength=strength,
        seed=seed,
        state=state,
        share=round(share, 3),
        job=job,
        note=note,
        last=(last := _accuracy(dataset, share, number) if state in ("done", "running") else None),
        best=None if last is None else round(last + 0.004, 4),
    )


def _accuracy(dataset: str, share: float, number: int) -> float:
    """As it rises while one trains; what is reached is the data set's."""
    reached = {"mnist": 0.98, "fashion_mnist": 0.89, "cifar10": 0.66, "cifar100": 0.35}.get(dataset, 0.9)
    return round(reached * (0.4 + 0.6 * math.sqrt(share)) - 0.001 * (number % 7), 4)


def _state(regularizer: str, dataset: str, place: float, luck: float) -> tuple[str, float, str]:
    if regularizer == "hard_svb" and dataset == "cifar100" and luck < 0.5:
        return "failed", 0.2, MEMORY
    if regularizer == "jacobian" and dataset == "mnist" and luck < 0.1:
        return "failed", 0.0, SHAPE
    if place < 0.42:
        return ("diverged", 1.0, "") if luck < 0.01 else ("done", 1.0, "")
    if place < 0.55:
        if luck < 0.5:
            return "running", 2 * luck, f"epoch {int(100 * luck)} of 50 on n{1 + int(20 * luck)}"
        return ("done", 1.0, "") if luck < 0.97 else ("interrupted", 0.6, "requeued: node n7 was lost")
    if place < 0.9:
        return "queued", 0.0, "Priority"
    return "planned", 0.0, ""


def _packs(runs: Sequence[Run]) -> list[Pack]:
    jobs = dict.fromkeys(run.job for run in runs if run.state == "running")
    return [
        Pack(
            pack_id=f"pack{number}",
            runs=8,
            epoch=(7 * number) % 50 + 1,
            epochs=50,
            share=((7 * number) % 50 + 1) / 50,
            host=f"n{number % 12 + 1}",
            job=job,
            age=2.0 if number else 95.0,
            seconds_left=200.0 + 37 * number,
        )
        for number, job in enumerate(list(jobs)[:16])
    ]


def _queue(runs: Sequence[Run]) -> tuple[Queue, ...]:
    waiting = sum(run.state == "queued" for run in runs)
    if not waiting:
        return ()
    queue = Queue(
        job_id="4712",
        state="PENDING",
        reason="Priority",
        elements=math.ceil(waiting / 8),
        runs=waiting,
        start="2026-03-14T16:20:00+00:00",
    )
    return (queue,)


def detail(run: Run) -> Detail:
    """Half a training, with curves as they usually are."""
    points = [
        Point(
            split,
            epoch,
            round(1 - gap - 0.6 * math.exp(-epoch / 6), 4),
            round(4 * gap + 2 * math.exp(-epoch / 5), 4),
        )
        for epoch in range(1, 31)
        for split, gap in (("train", 0.01), ("validation", 0.06), ("test", 0.08))
    ]
    return Detail(
        run_id=run.run_id,
        facts={"state": run.state, "seed": str(run.seed), "job": run.job, "node": "n7"},
        config={
            "data": f"{run.dataset}, 10% held out",
            "model": "lenet5",
            run.regularizer: run.strength,
            "training": "50 epochs, batch 128, sgd, lr 0.01, momentum 0.9, cosine",
        },
        points=tuple(points),
        attempts=(
            Attempt("4711_3", "2026-03-14T09:12:00+00:00", "NODE_FAIL"),
            Attempt("4711_3", "2026-03-14T11:40:00+00:00", "running"),
        ),
    )


@dataclass
class SyntheticSource:
    """Answers at once; `broken` makes it fail, `calls` says what was asked of it."""

    shown: Picture
    broken: str = ""
    calls: list[tuple[str, object]] = field(default_factory=list)
    written: str = "epoch 1 of 50\nepoch 2 of 50\n"

    def look(self) -> Picture:
        self._called("look", None)
        return self.shown

    def detail(self, run_id: str) -> Detail:
        self._called("detail", run_id)
        return detail(next(run for run in self.shown.runs if run.run_id == run_id))

    def log(self, run_id: str, offset: int | None) -> Piece:
        self._called("log", run_id)
        return Piece(path=f"logs/{run_id}.out", text=self.written[offset or 0 :], offset=len(self.written))

    def cancel(self, run_ids: Sequence[str]) -> str:
        self._called("cancel", list(run_ids))
        return f"{len(run_ids)} runs cancelled"

    def retry(self, run_ids: Sequence[str]) -> str:
        self._called("retry", list(run_ids))
        return f"{len(run_ids)} runs to try again"

    def _called(self, name: str, what: object) -> None:
        self.calls.append((name, what))
        if self.broken:
            raise UserError(self.broken)
