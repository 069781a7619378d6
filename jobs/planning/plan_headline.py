"""A plan in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.support.readable_numbers import duration, plural

if TYPE_CHECKING:
    from jobs.planning.plan import Plan


def headline(plan: Plan) -> str:
    """What is to do, in one line."""
    begun = sum(pack.share > 0 for pack in plan.packs)
    measured = sum(bool(pack.measures) for pack in plan.packs)
    parts = []
    if plan.to_do or not measured:
        text = f"{plural(plan.to_do, 'run')} to do in {plural(len(plan.packs) - measured, 'pack')}"
        parts.append(text + (f" ({begun} begun)" if begun else ""))
    if measured:
        runs = plural(len(plan.again.runs), "run")
        parts.append(f"measure {runs} again, from the weights of {plural(measured, 'pack')},")
    together = f" of {plan.ranks} ranks" if plan.ranks > 1 else ""
    tasks = f"{plural(len(plan.slices), 'task')}{together}"
    text = f"{' and '.join(parts)} on {tasks}, about {duration(plan.seconds)}"
    return text + (f"; then {plural(len(plan.ahead), 'report run')}" if plan.ahead else "")
