"""LeNet's stages in one pass each, compiled where they run: two to four times as fast as torch's layers.

`stages.cpp`, `average.cpp` and `linear.cpp` are what is compiled, `build` how and where to, `trial` what it
has to pass, `kernels` what it does to tensors, and `stages`, `average` and `linear` make of them layers of a
`Chain`. Where there is no compiler, or the processor has other instructions, the layers of
`regularize.layers` compute the same.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from regularize.environment_choice import AUTO, choice
from regularize.fused import build
from regularize.fused.reach import USUAL, Filters

if TYPE_CHECKING:
    from regularize.fused.kernels import Kernels

SETTING = "REGULARIZE_KERNELS"
"""Environment variable: `auto`, `torch`, or the instructions to use (`avx512`, `avx2`, `neon`)."""
COMPILING = "compiling LeNet's kernels"
SLOWER = "two to four times as long"
"""What LeNets take by torch: see docs/performance.md."""
NO_COMPILER = f"torch: {build.NO_COMPILER}"


@dataclass(frozen=True)
class Path:
    """What computes the stages of a process.

    Attributes:
        name: for people and for the record of a run: "fused avx512", or "torch: " and why.
        kernels: None where torch does.
    """

    name: str
    kernels: Kernels | None = None


def expected(filters: Filters = USUAL, say: Callable[[str], None] = lambda _: None) -> str:
    """The name of the path that `chosen` should come to here. Imports no torch.

    Where there is no library yet one is compiled, to see whether that can be, and it is said before. Once in
    a process: for other filters it goes as for the first.

    Raises:
        UserError: a setting is none.
    """
    target = _target(filters)
    if isinstance(target, str):
        return target
    if build.ready(target):
        return f"fused {target.name}"
    if not build.compilers():
        return NO_COMPILER
    if target.name not in _PROBLEMS:
        say(f"{COMPILING}, once for each version of them and width: some seconds")
        _PROBLEMS[target.name] = build.problem(target)
    problem = _PROBLEMS[target.name]
    return f"torch: {_in_a_line(problem)}" if problem else f"fused {target.name}"


_PROBLEMS: dict[str, str] = {}
"""By instructions, why this host's compilers make no library; empty where one does."""


def _in_a_line(text: object) -> str:
    return " ".join(str(text).split())


def _target(filters: Filters) -> build.Target | str:
    """What to compile for, or the name of the path where nothing is.

    Raises:
        UserError: a setting is none.
    """
    known = {each.name: each for each in build.targets(filters)}
    setting = choice(SETTING, ("torch", *known), " on this processor")
    if setting == "torch":
        return f"torch: {SETTING} says so"
    if not known:
        return "torch: no fused stages for this processor"
    return next(iter(known.values())) if setting == AUTO else known[setting]


def check_environment() -> None:
    """
    Raises:
        UserError: the setting is none on any processor.
    """
    choice(SETTING, ("torch", *(each.name for each in build.TARGETS)))


def switched_off() -> bool:
    return os.environ.get(SETTING) == "torch"


def check_compiler() -> None:
    """
    Raises:
        UserError: what is to compile is no command.
    """
    if not switched_off():
        build.compilers()


@cache
def chosen(filters: Filters = USUAL) -> Path:
    """Chosen once in a process: the fused stages if they can be had, and else torch, with a warning.

    A library is of one network's filters: each has a choice of its own.

    Raises:
        UserError: the setting is none.
    """
    target = _target(filters)
    if isinstance(target, str):
        return Path(target)
    if not build.compilers() and not build.ready(target):
        return Path(NO_COMPILER)
    from regularize.fused.kernels import Kernels
    from regularize.fused.trial import check

    try:
        path = build.library(target, partial(check, filters=filters))
        return Path(f"fused {target.name}", Kernels(path, target.name, filters))
    except (build.BuildError, OSError) as error:
        reason = _in_a_line(error)
        warnings.warn(f"LeNets train by torch, which takes {SLOWER}: {reason}", stacklevel=2)
        return Path(f"torch: {reason}")
