"""A pack's state on disk: what is needed to go on as if nothing had happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from regularize.store import write_whole


def save(path: Path, state: dict[str, Any]) -> None:
    """Tensors, numbers, strings, lists and dictionaries of them, as one whole file."""
    write_whole(path, lambda temporary: torch.save(state, temporary))


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any] | None:
    """What was saved; None where there is no file. Nothing in the file is executed."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return state
