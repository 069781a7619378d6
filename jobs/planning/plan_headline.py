"""A plan in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.support.readable_numbers import duration, plural

if TYPE_CHECKING:
    from jobs.planning.plan import Plan


def headline(plan: Plan) -> str:
    """What is to do, in one line."""
    begun = sum(pack.share > 0 for pack in plan.packs)
    text = f"{plural(plan.to_do, 'run')} to do in {plural(len(plan.packs), 'pack')}"
    text += f" ({begun} begun)" if begun else ""
    text += f" on {plural(len(plan.slices), 'task')}, about {duration(plan.seconds)}"
    return text + (f"; then {plural(len(plan.ahead), 'report run')}" if plan.ahead else "")
