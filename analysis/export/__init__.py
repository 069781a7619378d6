"""`regularize export`: a sweep's tables for other tools, written without any network.

Adding a format: a file in this folder with `write(tables: Tables, folder: Path)`, and a row here.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from analysis.tables.store_tables import Tables
from regularize.errors import UserError, unknown


@dataclass(frozen=True)
class Format:
    """What is written; which package that needs, of the extra that has the format's name."""

    writes: str
    package: str | None = None


FORMATS: dict[str, Format] = {
    "csv": Format("every table as a CSV file"),
    "tensorboard": Format("a folder of event files for each run", "tensorboardX"),
    "mlflow": Format("a local file store of MLflow with one experiment", "mlflow"),
    "wandb": Format("offline runs, for `wandb sync`", "wandb"),
}


def export(tables: Tables, name: str, folder: Path) -> None:
    """Write all finished runs to `folder`, which must be empty or absent; after a failure it is gone.

    Raises:
        UserError: unknown format, its package is not installed, or the folder is not empty.
    """
    if name not in FORMATS:
        raise UserError(unknown("format", name, FORMATS))
    package = FORMATS[name].package
    if package and find_spec(package) is None:
        raise UserError(
            f"export to {name} needs the package {package!r}: pip install 'regularize-sweeps[{name}]'"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not an empty folder: remove it, or name another with --out")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import_module(f"analysis.export.to_{name}").write(tables, folder.absolute())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
