"""Single flipped bits over all files of a finished store: noticed or harmless, never a wrong number."""

from __future__ import annotations

import random
import re
import shutil
import traceback
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path

import torch

from analysis.networks.trained_network import load
from analysis.report.facts import submissions
from jobs.commands.cli import main
from jobs.store import submitted_settings
from regularize.errors import UserError
from regularize.store import Store, read_table
from tests.faults.record import Outcome
from tests.faults.trial import Trial, healed, tracebacks

_NAMED = re.compile(r"damaged|cannot be read|gone")


@dataclass(frozen=True)
class Flip:
    """A bit of a file of the store."""

    path: Path  # from the store's folder
    bit: int

    @property
    def kind(self) -> str:
        first = self.path.parts[0]
        if first in ("logs", "code", "data"):
            return f"{first}/*{self.path.suffix}"
        if self.path.suffix == ".diff":
            return "*.diff"
        return f"{first}/*/{self.path.name}" if first == "packs" else self.path.as_posix()


def flips(store: Store, number: int, seed: int) -> list[Flip]:
    """Over kinds of files in turn, so that small files get their share; over bits at random."""
    kinds: dict[str, list[Path]] = {}
    for path in sorted(store.folder.rglob("*")):
        if path.is_file() and path.stat().st_size:
            inside = path.relative_to(store.folder)
            kinds.setdefault(Flip(inside, 0).kind, []).append(inside)
    chance, found = random.Random(seed), []
    for turn in range(number):
        path = chance.choice(kinds[sorted(kinds)[turn % len(kinds)]])
        found.append(Flip(path, chance.randrange(8 * (store.folder / path).stat().st_size)))
    return found


def judge(reference: Trial, trial: Trial, flip: Flip, heal: bool) -> str:
    """What becomes of one flip in `trial`, a copy of the reference: `noticed` or `harmless`.

    Raises:
        AssertionError: a traceback, a number that is silently wrong, or a store that does not heal.
    """
    path = trial.store.folder / flip.path
    data = bytearray(path.read_bytes())
    data[flip.bit // 8] ^= 1 << flip.bit % 8
    path.write_bytes(data)
    said = "".join(_said(trial, *words) for words in (("status", "--json"), ("collect",), ("compare",)))
    said += _read(reference, trial)
    tables, wanted = trial.tables() if _there(trial) else {}, reference.tables()
    wrong = [name for name in wanted if name not in tables or not tables[name].equals(wanted[name])]
    noticed = any(str(flip.path) in line and _NAMED.search(line) for line in said.splitlines())
    assert not wrong or noticed, f"{flip}: {wrong} differ, and nothing was said\n{said}"
    if heal:
        healed(trial)
        assert trial.tables() == wanted, f"{flip}: the store healed to other tables"
        assert not any(map(tracebacks, trial.said)), f"{flip}\n" + "\n".join(map(str, trial.said))
    return "noticed" if noticed else "harmless"


def _there(trial: Trial) -> bool:
    try:
        trial.tables()
    except (UserError, FileNotFoundError):
        return False
    return True


def _said(trial: Trial, *words: str) -> str:
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([words[0], str(trial.store.folder), *words[1:]])
        except Exception:
            raise AssertionError(f"{words}: {traceback.format_exc()}") from None
    assert code in (0, 1, 2), code
    return out.getvalue() + err.getvalue()


def _read(reference: Trial, trial: Trial) -> str:
    """What reading the rest says: networks, the submission, where it comes from."""
    err, said = StringIO(), []
    with redirect_stderr(err):
        for run_id in read_table(reference.store.table("results"))["run_id"].to_pylist():
            try:
                found = load(trial.store, run_id).network.state_dict()
            except UserError as error:
                said.append(str(error))
                continue
            whole = _network(reference.store, run_id)
            assert all(torch.equal(found[name], whole[name]) for name in whole), f"network of {run_id}"
        submissions(trial.store)
        for reading in (submitted_settings.load, submitted_settings.load_saved_sweep):
            try:
                reading(trial.store)
            except UserError as error:
                said.append(str(error))
    return "\n".join([*said, err.getvalue()])


@cache
def _network(store: Store, run_id: str) -> dict[str, torch.Tensor]:
    return load(store, run_id).network.state_dict()


def campaign(
    reference: Trial, folder: Path, turns: Iterable[int], number: int, seed: int, *, heal: bool
) -> Iterator[Outcome]:
    """What became of these of so many flipped bits, each in a fresh copy."""
    all_ = flips(reference.store, number, seed)
    for turn in turns:
        trial, flip = reference.copy(folder / str(turn)), all_[turn]
        with Outcome.of("bit", seed, turn, flip.kind) as outcome:
            outcome.what = judge(reference, trial, flip, heal)
        shutil.rmtree(trial.folder)
        yield outcome
