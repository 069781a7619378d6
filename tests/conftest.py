"""What all tests share."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """As in a worker; several threads for small tensors only get in each other's way."""
    torch.set_num_threads(1)
