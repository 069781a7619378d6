"""What one command sends to the cluster: its parsed arguments, and the files that they name, as JSON."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from jobs.cluster.cluster_config import Cluster
from jobs.cluster.load_config import config_path
from jobs.remote.remote_shell import base
from jobs.sweep.yaml_text import dump, parse_file, read_text
from regularize.errors import UserError
from regularize.store import write_text

_SWEEPS = ("sweep", "target")
_ROOTS = ("store", "data_root")
_DRAWN = ("plan", "status", "efficiency", "cluster", "data")


@dataclass(frozen=True, kw_only=True)
class Request:
    """`arguments` are plain values; those in `paths` were paths. `sweep` and `config` are names with texts.

    `config_argument` is the argument that names the cluster, `environment` what output is to look like.
    """

    arguments: Mapping[str, Any]
    paths: tuple[str, ...]
    sweep: tuple[str, str] | None
    config: tuple[str, str]
    config_argument: str
    environment: Mapping[str, str]

    def to_bytes(self) -> bytes:
        """One line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes) -> Request:
        return cls(**json.loads(content))

    def unpack(self, sent: Path) -> tuple[Namespace, Path]:
        """The arguments as they are there, and the folder of their own files, below `sent`."""
        digest = hashlib.sha256(json.dumps([self.sweep, self.config]).encode()).hexdigest()[:16]
        folder = sent / digest
        arguments = dict(self.arguments)
        for key in self.paths:
            arguments[key] = Path(arguments[key])
        if self.sweep:
            name, text = self.sweep
            _place(folder / name, text)
            arguments |= {key: Path(name) for key in _SWEEPS if key in arguments}
        name, text = self.config
        config = folder / "cluster" / f"{name}.yaml"
        _place(config, text)
        arguments[self.config_argument] = str(config)
        return Namespace(**arguments), folder


def request(args: Namespace, config_argument: str, cluster: Cluster) -> Request:
    """The request of a command.

    Raises:
        UserError: a file cannot be read, or a folder on the cluster is not named in full.
    """
    values = vars(args)
    for key in _ROOTS:
        if (path := values.get(key)) and not (path.is_absolute() and str(path).isprintable()):
            option = key.replace("_", "-")
            raise UserError(f"--{option} is {str(path)!r}, but must be a full path on {cluster.host}")
    paths = tuple(key for key, value in values.items() if isinstance(value, Path))
    target = next((values[key] for key in _SWEEPS if key in values), None)
    return Request(
        arguments={key: str(values[key]) if key in paths else values[key] for key in values},
        paths=paths,
        sweep=None if target is None else sweep_text(target),
        config=(cluster.name, config_text(values[config_argument], cluster)),
        config_argument=config_argument,
        environment=_look() if values["command"] in _DRAWN else {},
    )


def _place(path: Path, text: str) -> None:
    """A file of a folder that is named by its contents: once it is there it is whole, and the same."""
    if not path.exists():
        write_text(path, text)


def sweep_text(target: Path) -> tuple[str, str]:
    """Name and text of a sweep's file, or of the one in the folder of a sweep."""
    path = target / "sweep.yaml" if target.is_dir() else target
    return path.name, read_text(path)


def config_text(name: str, cluster: Cluster) -> str:
    """The config as it is on the cluster: without the way there, with a place for stores."""
    path = config_path(name)
    tree = parse_file(read_text(path), str(path))
    fields = {key: node for key, node in tree.mapping().items() if key not in ("host", "base")}
    if cluster.store is None:
        fields["store"] = replace(tree, value=f"{base(cluster)}/results")
    return dump(replace(tree, value=fields))


def _look() -> dict[str, str]:
    """Width and colours of the terminal, for a table that is drawn elsewhere."""
    if not (os.isatty(1) and os.isatty(2)):
        return {}
    look = {"COLUMNS": str(shutil.get_terminal_size().columns)}  # 80 where the terminal does not know
    look |= {key: os.environ[key] for key in ("TERM", "COLORTERM", "NO_COLOR") if key in os.environ}
    return look if "NO_COLOR" in look else look | {"FORCE_COLOR": "1"}
