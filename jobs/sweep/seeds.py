"""The sweep's `seeds`: on which the strengths are tuned, and on which results are reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.sweep.yaml_checks import Node

MOST_SEEDS = 1_000
SEEDS = {
    "tune": "How many seeds strengths are chosen on (0, 1, …), or a list of seeds. "
    "Example: `tune: 5, report: 15`.",
    "report": "How many others conclusions are drawn on (1000, 1001, …), or a list. "
    "Example: `tune: 5, report: [1000, 1001]`.",
    "repetitions": "In place of `report`: choose so many times, each time on tune seeds of their own, and "
    "report each choice on one seed. Intervals then cover the choice, too. "
    "Example: `tune: 5, repetitions: 10`.",
}
FIRST_REPORT_SEED = MOST_SEEDS  # so that neither count can grow into the other's seeds


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """`tune` and `report`, each of `repetitions` equal parts: the first chooses for the first, and so on."""

    tune: tuple[int, ...] = ()
    report: tuple[int, ...]
    repetitions: int = 1

    def of(self, phase: str, repetition: int) -> tuple[int, ...]:
        """The seeds of one phase of one repetition."""
        every = self.tune if phase == "tune" else self.report
        size = len(every) // self.repetitions
        return every[repetition * size : (repetition + 1) * size]


def read_seeds(seeds: Node) -> Seeds:
    """The seeds for tuning and those for reporting.

    `{tune: 5, report: 15}` gives 0…4 and 1000…1014; either may be a list of seeds instead. One
    number or list, without phases, gives no tune seeds and reports on 0…n-1: these are the tune
    seeds of the same sweep with phases, so that it can be given phases later without loss.

    `{tune: 5, repetitions: 10}` chooses ten times, each time on five seeds of its own (0…4, 5…9, …), and
    reports what was chosen on one seed of its own (1000…1009): intervals over these cover the choice, too.

    Raises:
        UserError: not such a number or list, a seed twice, or in both phases.
    """
    if not isinstance(seeds.value, dict):
        return Seeds(report=_seeds(seeds, first=0))
    fields = seeds.mapping(SEEDS, required=("tune",))
    if "repetitions" in fields:
        return _repeated(fields)
    fields = seeds.mapping(required=("tune", "report"))
    tune, report = _seeds(fields["tune"], first=0), _seeds(fields["report"], first=FIRST_REPORT_SEED)
    shared = sorted(set(tune) & set(report))
    if shared:
        raise fields["report"].error(
            f"seed {shared[0]} is also in tune; strengths must not be judged on the seeds that chose them"
        )
    return Seeds(tune=tune, report=report)


def _repeated(fields: Mapping[str, Node]) -> Seeds:
    if "report" in fields:
        raise fields["report"].error(
            "report cannot stand beside repetitions: each repetition reports on one seed of its own"
        )
    each, repetitions = (_count(fields[name], "a number of seeds") for name in ("tune", "repetitions"))
    if each * repetitions > MOST_SEEDS:
        raise fields["repetitions"].error(
            f"{repetitions} repetitions of {each} tune seeds are more than {MOST_SEEDS}"
        )
    report = range(FIRST_REPORT_SEED, FIRST_REPORT_SEED + repetitions)
    return Seeds(tune=tuple(range(each * repetitions)), report=tuple(report), repetitions=repetitions)


def _seeds(node: Node, first: int) -> tuple[int, ...]:
    if isinstance(node.value, tuple):
        listed = tuple(item.integer() for item in node.distinct())
        for item, seed in zip(node.items(), listed, strict=True):
            if not 0 <= seed < 2**32:
                raise item.error(f"seed is {seed}, but must be in [0, 2**32)")
        return listed
    return tuple(range(first, first + _count(node, "a number of seeds", ", or a list of seeds")))


def _count(node: Node, what: str, otherwise: str = "") -> int:
    if isinstance(node.value, bool) or not isinstance(node.value, int) or not 1 <= node.value <= MOST_SEEDS:
        raise node.refused(f"{what} from 1 to {MOST_SEEDS}{otherwise}")
    return node.value
