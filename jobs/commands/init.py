"""`regularize init`: a sweep file or cluster config to begin with. Asks nothing, overwrites nothing."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from jobs.cluster.load_config import CONFIGS
from regularize.errors import UserError, unknown
from regularize.store import write_text

TEMPLATE = Path(__file__).parent / "templates" / "sweep.yaml"
EXAMPLES = ("cpu-cluster", "gpu-cluster", "whole-node-cluster", "ddp-cluster", "local")
"""The configs that `--like` takes: those that a user would copy."""


def init(args: Namespace) -> int:
    name = args.name or ("my-cluster" if args.cluster_config else "my-sweep")
    path = Path(name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    text = _cluster(args.like) if args.cluster_config else _sweep(path)
    if path.exists():
        raise UserError(f"{path} is there already; name another: regularize init NAME")
    if not path.parent.is_dir():
        raise UserError(f"{path.parent}: No such file or directory")
    write_text(path, text)
    print(f"wrote {path}")
    if args.cluster_config:
        print(f"put your names in it, then: regularize cluster check {path}")
    else:
        print(f"next: regularize plan {path}, then: regularize submit {path}")
    return 0


def _sweep(path: Path) -> str:
    """The template under the file's name.

    Raises:
        UserError: a sweep cannot be called so.
    """
    from jobs.sweep.sweep_file import read_name
    from jobs.sweep.yaml_checks import Node

    name = read_name(Node(where="init", key="NAME", value=path.stem))
    return TEMPLATE.read_text(encoding="utf-8").format(name=name)


def _cluster(like: str) -> str:
    if like not in EXAMPLES:
        raise UserError(unknown("example", like, EXAMPLES))
    return (CONFIGS / f"{like}.yaml").read_text(encoding="utf-8")
