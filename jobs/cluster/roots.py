"""Where stores and data sets are: said on the command line, by the cluster config, or by a variable."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.cluster.cluster_config import Cluster

STORE_VARIABLE = "REGULARIZE_STORE"


def store_root(given: Path | None, cluster: Cluster | None) -> Path:
    """The folder of all sweeps' folders."""
    return given or (cluster and cluster.store) or Path(os.environ.get(STORE_VARIABLE) or "results")


def data_folder(given: Path | None, cluster: Cluster | None) -> Path | None:
    """The folder of all data sets; None stands for that of `REGULARIZE_DATA`, or its default."""
    return given or (cluster.data_root if cluster else None)
