"""The sweep's `seeds`: on which the strengths are tuned, and on which results are reported."""

from __future__ import annotations

from jobs.sweep.yaml_checks import Node

MOST_SEEDS = 1_000
PHASES = {
    "tune": "How many seeds strengths are chosen on (0, 1, …), or a list of seeds. "
    "Example: `tune: 5, report: 15`.",
    "report": "How many others conclusions are drawn on (1000, 1001, …), or a list. "
    "Example: `tune: 5, report: [1000, 1001]`.",
}
FIRST_REPORT_SEED = MOST_SEEDS  # so that neither count can grow into the other's seeds


def read_seeds(seeds: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The seeds for tuning and those for reporting.

    `{tune: 5, report: 15}` gives 0…4 and 1000…1014; either may be a list of seeds instead. One
    number or list, without phases, gives no tune seeds and reports on 0…n-1: these are the tune
    seeds of the same sweep with phases, so that it can be given phases later without loss.

    Raises:
        UserError: not such a number or list, a seed twice, or in both phases.
    """
    if not isinstance(seeds.value, dict):
        return (), _seeds(seeds, first=0)
    fields = seeds.mapping(PHASES, required=PHASES)
    tune, report = _seeds(fields["tune"], first=0), _seeds(fields["report"], first=FIRST_REPORT_SEED)
    shared = sorted(set(tune) & set(report))
    if shared:
        raise fields["report"].error(
            f"seed {shared[0]} is also in tune; strengths must not be judged on the seeds that chose them"
        )
    return tune, report


def _seeds(node: Node, first: int) -> tuple[int, ...]:
    valid = f"a number of seeds from 1 to {MOST_SEEDS}, or a list of seeds"
    if isinstance(node.value, tuple):
        listed = tuple(item.integer() for item in node.distinct())
        for item, seed in zip(node.items(), listed, strict=True):
            if not 0 <= seed < 2**32:
                raise item.error(f"seed is {seed}, but must be in [0, 2**32)")
        return listed
    if isinstance(node.value, bool) or not isinstance(node.value, int) or not 1 <= node.value <= MOST_SEEDS:
        raise node.refused(valid)
    return tuple(range(first, first + node.value))
