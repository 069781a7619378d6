"""Which measurements are alike, by the settings that statuses and tables keep. Free of torch.

How a number was measured is part of the number: values that were measured differently are not
compared. What is measured at the end of a training can be measured again from its weights, what is
measured on the way can not.

A measurement is the `Evaluation.text` that it was made by, `` where nothing is known of it. A setting
that the text does not have differs from every other: a later version measures it in some way of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from regularize.whole_files import parsed

# What each of the settings is when nothing of the kind is asked for.
FINAL: Mapping[str, object] = {
    "train_examples": None,  # is always measured
    "jacobian_examples": 0,
    "robustness": None,
    "corruptions": False,
    "predictions": False,
    "operator_norms": False,
}
"""Settings of what is measured from the final weights; the others are those of the way there."""
_ALWAYS = "train_examples"
ALONG = ("every", "curve_examples", "snapshots")
_MISSING = object()


@cache
def alike(measured: str, wanted: str, setting: str) -> bool:
    """Whether what a final setting stands for was measured as it is wanted; so it was if it is not wanted."""
    value = _settings(wanted).get(setting, FINAL[setting])
    unwanted = setting != _ALWAYS and value == FINAL[setting]
    return unwanted or bool(_of(measured, setting) == value)


@cache
def meets(measured: str, wanted: str) -> bool:
    """Whether nothing has to be measured again from the final weights; so it is if nothing is wanted."""
    if not wanted or _for_choice(wanted):  # which every measurement is good for
        return not wanted or bool(measured)
    return not _for_choice(measured) and all(alike(measured, wanted, setting) for setting in FINAL)


@cache
def kept(measured: str, wanted: str) -> bool:
    """Whether curves or snapshots are not as wanted, and stay as they are: training alone makes them."""
    if _for_choice(measured) and not _for_choice(wanted):
        return True
    along = [setting for setting in ALONG if setting != "snapshots" or not _for_choice(wanted)]
    return any(_of(measured, setting) != _of(wanted, setting) for setting in along)


def _for_choice(text: str) -> bool:
    """Whether only the validation part is measured."""
    return bool(_settings(text).get("for_choice"))


def _of(measured: str, setting: str) -> Any:
    return _settings(measured).get(setting, _MISSING)


@cache
def _settings(text: str) -> Mapping[str, Any]:
    found: Any = {}
    with suppress(ValueError):  # of a store that says nothing that makes sense
        found = parsed(text.encode()) if text else {}
    return found if isinstance(found, dict) else {}
