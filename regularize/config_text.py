"""A run's configuration as a table of runs has it, a text, read without trusting it. Free of torch."""

from __future__ import annotations

from typing import Any, TypedDict

from regularize.errors import UserError
from regularize.typed import fits
from regularize.whole_files import parsed


class _Term(TypedDict):
    technique: str


class _Config(TypedDict, total=False):
    """What is read of it where no `RunConfig` is made."""

    model: str
    terms: list[_Term]
    training: dict[str, Any]


def config_values(text: str | None) -> dict[str, Any]:
    """Its plain values.

    Raises:
        UserError: it is none.
    """
    try:
        value = parsed((text or "").encode())
    except ValueError as error:
        raise no_config(text, error) from None
    if not fits(value, _Config):
        raise no_config(text, "it has other fields")
    return dict(value)


def no_config(text: str | None, reason: object) -> UserError:
    return UserError(
        f"a table of runs holds {str(text)[:60]!r} as the configuration of one, which is none: {reason}"
    )
