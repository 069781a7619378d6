"""LeNet's stages in one pass each, compiled where they run: two to three times as fast as torch's layers.

`stages.cpp` is what is compiled, `build` how and where to, `trial` what it has to pass, `kernels` what it
does to tensors, and `stages` makes of them layers of a `Chain`. Where there is no compiler, or the
processor has other instructions, the layers of `regularize.layers` compute the same.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from regularize.errors import UserError, one_of
from regularize.fused import build
from regularize.fused.reach import USUAL, Filters

if TYPE_CHECKING:
    from regularize.fused.kernels import Kernels

SETTING = "REGULARIZE_KERNELS"
"""Environment variable: `auto`, `torch`, or the instructions to use (`avx512`, `avx2`, `neon`)."""


@dataclass(frozen=True)
class Path:
    """What computes the stages of a process.

    Attributes:
        name: for people and for the record of a run: "fused avx512", or "torch: " and why.
        kernels: None where torch does.
    """

    name: str
    kernels: Kernels | None = None


def expected(filters: Filters = USUAL) -> str:
    """The name of the path that `chosen` should come to here. Builds nothing, imports no torch.

    Raises:
        UserError: the setting is none.
    """
    setting = os.environ.get(SETTING) or "auto"
    known = {each.name: each for each in build.targets(filters)}
    if setting not in ("auto", "torch", *known):
        raise UserError(
            f"{SETTING} is {setting!r} on this processor; {one_of(setting, ('auto', 'torch', *known))}"
        )
    if setting == "torch":
        return f"torch: {SETTING} says so"
    if not known:
        return "torch: no fused stages for this processor"
    name = next(iter(known)) if setting == "auto" else setting
    if not build.compilers() and not build.cached(known[name]).exists():
        return "torch: no compiler found"
    return f"fused {name}"


@cache
def chosen(filters: Filters = USUAL) -> Path:
    """Chosen once in a process: the fused stages if they can be had, and else torch, with a warning.

    A library is of one network's filters: each has a choice of its own.

    Raises:
        UserError: the setting is none.
    """
    name = expected(filters)
    if not name.startswith("fused "):
        return Path(name)
    from regularize.fused.kernels import Kernels
    from regularize.fused.trial import check

    (target,) = (each for each in build.targets(filters) if f"fused {each.name}" == name)
    try:
        path = build.library(target, partial(check, filters=filters))
        return Path(name, Kernels(path, target.name, filters))
    except (build.BuildError, OSError) as error:
        reason = " ".join(str(error).split())
        warnings.warn(f"LeNets train by torch, two to three times as slowly: {reason}", stacklevel=2)
        return Path(f"torch: {reason}")
