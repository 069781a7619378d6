"""What a sweep's words meant when it was first submitted: whatever goes on with its store means that, too.

A version that reads a word otherwise adds a number here; a store keeps its own (`submitted_settings`).
"""

from __future__ import annotations

from typing import Final

FIRST: Final = 1
"""A tenth validates beside `per_class`, too, unless something is asked for. A budget draws patience and
shifts in fractions, which lists may have, too, and between ends that settings themselves may not have (a
learning rate of 0). A grid widens towards such ends, too, in fractions of patience and shifts, and to the
nearest whole number of epochs, steps and examples, also beyond all that are trained on. The first entry of
technique `none` is the baseline. An entry that says how its weights start is another run than one that does
not, even if they start so anyway, and one network may stand twice, by its units and by its width."""
NOW: Final = 2
"""Beside `per_class` as many validate as are trained on; whole numbers are drawn of what acts in these,
lists may have no others, and a grid widens to the next one, batches at most to all examples. Of several
entries of technique `none` one that trains as all do is the baseline. To say how weights start changes
nothing where they start so anyway. Each network stands once."""
