"""What the figures of trained networks share: one network a contender, all of one seed, and their words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.figures.parts.even_pages import Page, even_pages
from analysis.figures.parts.style import broken, plain
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.networks.trained_network import Trained, described, load
from analysis.notation.methods import method, strength_label
from analysis.statistics.contenders import Comparison, Contender
from analysis.tables.store_tables import digest
from analysis.text.caption_phrases import name, of
from regularize.batches import Batches

MOST_CONTENDERS = 15  # on a page
_LINE = 22  # characters


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The networks of one seed: that which most contenders trained without diverging, of those the first.

    Contenders whose run of this seed diverged are `left_out`.
    """

    comparison: Comparison
    networks: dict[Contender, Trained]
    seed: int
    left_out: list[Contender]

    @property
    def batches(self) -> Batches:
        """The data set, normalised as in training."""
        return next(iter(self.networks.values())).batches

    @property
    def reference(self) -> Trained:
        """The baseline's network, or the first there is."""
        return next(iter(self.networks.values()))

    @property
    def classes(self) -> int:
        """How many there are."""
        data = self.reference.config.data
        return described(data.name, data.form, self.reference.data_root).classes

    @property
    def notes(self) -> str:
        """What a reader must know of any of these figures."""
        said = (
            f"One network a technique (n = 1); all have seed {self.seed}. Strengths: {self.comparison.rule}."
        )
        if self.comparison.run_id is not None:
            said = "A single run."
        if self.left_out:
            said += f" Left out as diverged: {', '.join(map(name, self.left_out))}."
        return said

    @property
    def n(self) -> dict[str, int]:
        return {name(contender): 1 for contender in self.networks}

    @property
    def inputs(self) -> str:
        """Names the runs that are shown, with all that was measured of them."""
        runs = [trained.config.run_id for trained in self.networks.values()]
        results = self.comparison.results
        return digest(results[results["run_id"].isin(runs)])

    @property
    def subject(self) -> str:
        return of(self.comparison)

    def pages(self) -> Iterator[tuple[Page, list[Contender]]]:
        """The contenders of each page."""
        return even_pages(list(self.networks), MOST_CONTENDERS)


@lru_cache(maxsize=1)
def shown(subject: Subject) -> Shown:
    """The networks to show of a comparison, or that of a single run; loaded once for all its figures.

    Raises:
        CannotDrawError: every run diverged.
        UserError: weights are missing or damaged.
    """
    comparison = subject.comparison
    done = comparison.results[comparison.results["state"] == "done"]
    if done.empty:
        raise CannotDrawError("every run diverged")
    counts = Counter(done["seed"].tolist())
    seed: int = min(counts, key=lambda seed: (-counts[seed], seed))
    store, networks = comparison.tables.store, {}
    for contender in comparison.contenders:
        runs = comparison.done(contender)
        if seed in runs.index:
            networks[contender] = load(store, str(runs.loc[seed, "run_id"]), subject.data_root)
    left_out = [contender for contender in comparison.contenders if contender not in networks]
    return Shown(comparison=comparison, networks=networks, seed=seed, left_out=left_out)


def images_shown(subject: Subject) -> Shown:
    """The same, of networks that take images.

    Raises:
        CannotDrawError: every run diverged, or the data are points.
        UserError: weights or data are missing or damaged.
    """
    found = shown(subject)
    if found.batches.bounds is None:
        raise CannotDrawError("its examples are points, not images; `regularize animate` shows their plane")
    return found


def label(contender: Contender) -> str:
    """A contender's technique and strength in two lines or three, for beside or above its panels."""
    strength = strength_label(contender.regularizer, contender.strength).replace(" = ", "\u00a0=\u00a0")
    lines = [broken(text, _LINE) for text in (method(contender.regularizer).label, strength)]
    return plain("\n".join(chain(*lines)))


def map_rows(contender: Contender, values: NDArray[Any], **keys: object) -> pd.DataFrame:
    """A map [H, W] as a table: a row for each of its rows y, a column for each of its columns."""
    frame = pd.DataFrame(values.astype(np.float32), columns=[f"x{x}" for x in range(values.shape[1])])
    front = {"regularizer": contender.regularizer, "strength": contender.strength, **keys, "y": frame.index}
    return pd.concat([pd.DataFrame(front, index=frame.index), frame], axis=1)
