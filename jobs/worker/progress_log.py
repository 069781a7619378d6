"""What a worker's log says while it trains: the moment, the pack, and how it is doing."""

from __future__ import annotations

import logging
import sys

FORMAT = "%(asctime)s  %(message)s"


def log_to_stdout() -> None:
    """Let `regularize` tell of its trainings, a line for each row of the curves."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter(FORMAT, datefmt="%m-%d %H:%M:%S"))
    logger = logging.getLogger("regularize")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
