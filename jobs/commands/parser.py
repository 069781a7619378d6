"""The arguments of every command. Imports nothing heavy."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.cluster.roots import STORE_VARIABLE
from jobs.commands.result_arguments import add_results, add_trust
from jobs.store.changed_ways import WAYS
from regularize import __version__

Command = Callable[..., argparse.ArgumentParser]


class Parser(argparse.ArgumentParser):
    """Takes several names wherever they stand, before, between and after options; if `anywhere`."""

    anywhere = True
    _inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        several = any(each.nargs in ("*", "+") and not each.option_strings for each in self._actions)
        if self._inside or not self.anywhere or not several:
            return super().parse_known_args(args, namespace)
        self._inside = True  # what follows calls this for each kind of arguments
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False


def parser() -> argparse.ArgumentParser:
    top = Parser(
        prog="regularize",
        description="Compare regularization techniques: one YAML file, many runs, statistics, figures.",
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[*parents])  # type: ignore[list-item]

    sweep, store, data, cluster = _sweep(), _store(), _data(), _cluster()
    plan = command("plan", "show what a submission would train", sweep, store, data, cluster)
    plan.add_argument("--json", action="store_true", help="as JSON")
    submit = command("submit", "train what the sweep wants and its store lacks", sweep, store, data, cluster)
    _add_wait(submit)
    _add_changed(submit)
    _add_jobs(command)
    verify_text = "train some finished runs again, and compare every number bitwise with the store"
    _add_verify(command("verify", verify_text, _target(), store, add_trust(_parent())))
    _add_train(command("train", "train one run of a sweep here and now", sweep, store, data))
    _add_data(command("data", "list, download or show data sets"))
    add_results(command, (_target(), store), data)
    _add_reproduce(
        command(
            "reproduce", "run a published comparison, print both numbers", store, data, cluster, _settings()
        )
    )
    _add_cluster_actions(command("cluster", "list cluster configs, or check one against its cluster"))
    _add_init(command("init", "write a sweep file, or a cluster config, to begin with"))
    completion = command("completion", "print what makes a shell complete by Tab")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="whose startup file evaluates it")
    return top


def _add_jobs(command: Command) -> None:
    """What there is to see of and to do to a sweep that was submitted."""
    parents = (_target(), _store(), _filters())
    status = command("status", "show the state of every run", *parents)
    status.add_argument("--json", action="store_true", help="as JSON")
    logs = command("logs", "show errors and the ends of logs", *parents)
    logs.add_argument("--lines", type=_positive, default=20, metavar="N", help="of each log (default: 20)")
    command("cancel", "take runs out of Slurm's queue, or end their training on this machine", *parents)
    retry = command("retry", "train again what failed or was given up", *parents, add_trust(_parent()))
    retry.add_argument(
        "--lost",
        action="store_true",
        help="also runs of jobs that Slurm has no word of, once these jobs are ended",
    )
    _add_watch(command("watch", "watch a sweep in the terminal", _target(), _store()))
    sync = command("sync", "bring tables and logs of failures from a cluster", _sync_target(), _store())
    sync.add_argument("--weights", action="store_true", help="trained weights too")
    efficiency = command("efficiency", "compare what jobs used with what they asked for", _target(), _store())
    efficiency.add_argument("--json", action="store_true", help="as JSON")


def _add_watch(watch: argparse.ArgumentParser) -> None:
    watch.add_argument("--once", action="store_true", help="print the overview and end")
    watch.add_argument(
        "--every", type=_positive, default=10, metavar="SECONDS", help="look so often (default: 10)"
    )
    watch.add_argument(
        "--notify",
        metavar="COMMAND",
        help="run it at the end and at the first failure, a message being its last argument",
    )
    watch.add_argument(
        "--theme", choices=("dark", "light"), help="ground of the terminal (default: by COLORFGBG)"
    )
    # What the laptop's `watch` asks the cluster's.
    watch.add_argument("--answer", nargs="+", help=argparse.SUPPRESS)


def _filters() -> argparse.ArgumentParser:
    parent = _parent()
    for name, what in (
        ("regularizer", "of this entry"),
        ("dataset", "of this data set"),
        ("state", "in this state"),
        ("run", "whose id begins so, - for ids from standard input, one a line"),
    ):
        text = f"only runs {what} (repeatable)"
        action = _Runs if name == "run" else "append"
        parent.add_argument(f"--{name}", action=action, default=[], metavar="NAME", help=text)
    return parent


class _Runs(argparse.Action):
    """Appends a value, or the lines of standard input for `-`: here, before anything goes to a cluster."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: Any = None
    ) -> None:
        named = sys.stdin.read() if values == "-" and sys.stdin else ""  # there is none where it is closed
        new = named.split() if values == "-" else [values]
        if not all(new) or not new:  # which must not mean all of them
            parser.error(f"argument --run: {'standard input names no run' if values == '-' else 'no id'}")
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), *new])


def _parent() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(add_help=False)


def _sweep() -> argparse.ArgumentParser:
    parent = argparse.ArgumentParser(add_help=False, parents=[_settings()])
    parent.add_argument("sweep", type=Path, nargs="?", metavar="SWEEP", help="the sweep's YAML file")
    return parent


def _settings() -> argparse.ArgumentParser:
    parent = _parent()
    parent.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="PATH=VALUE",
        help="replace a value of the sweep, such as training.epochs=5 (repeatable)",
    )
    return parent


def _target() -> argparse.ArgumentParser:
    parent = _parent()
    text = "the sweep's YAML file, or its folder or that one's name in the store"
    parent.add_argument("target", type=Path, nargs="?", metavar="SWEEP", help=text)
    parent.add_argument("--cluster", metavar="NAME", help="the sweep's folder is in this cluster's store")
    return parent


def _sync_target() -> argparse.ArgumentParser:
    parent = _parent()
    text = "the sweep's YAML file, or its folder here"
    parent.add_argument("target", type=Path, nargs="?", metavar="SWEEP", help=text)
    parent.add_argument("--cluster", required=True, metavar="NAME", help="from this cluster")
    return parent


def _store() -> argparse.ArgumentParser:
    parent = _parent()
    parent.add_argument(
        "--store",
        type=Path,
        metavar="ROOT",
        help=f"folder of all sweeps' folders (default: the cluster's, else ${STORE_VARIABLE}, else results)",
    )
    return parent


def _data() -> argparse.ArgumentParser:
    parent = _parent()
    parent.add_argument(
        "--data-root",
        type=Path,
        metavar="FOLDER",
        help="folder of data sets (default: the cluster's, $REGULARIZE_DATA, ~/.cache/regularize/data)",
    )
    return parent


def _cluster() -> argparse.ArgumentParser:
    parent = _parent()
    parent.add_argument(
        "--cluster",
        default="local",
        metavar="NAME",
        help="a cluster config's name or path (default: local)",
    )
    parent.add_argument("--max-tasks", type=_positive, metavar="N", help="at most so many tasks at a time")
    parent.add_argument("--max-jobs", type=_positive, metavar="N", help="at most so many jobs of Slurm")
    return parent


def _at() -> argparse.ArgumentParser:
    parent = _parent()
    text = "in this cluster's data root (default: local)"
    parent.add_argument("--cluster", default="local", metavar="NAME", help=text)
    return parent


def _add_train(train: argparse.ArgumentParser) -> None:
    for name in ("dataset", "regularizer", "strength"):
        train.add_argument(f"--{name}", help=f"of this {name} (default: the sweep's first)")
    train.add_argument("--seed", type=int, help="of this seed (default: the sweep's first)")
    train.add_argument(
        "--out", type=Path, metavar="FOLDER", help="keep checkpoint and results there (default: nowhere)"
    )


def _add_changed(submit: argparse.ArgumentParser) -> None:
    """What to do where results of the store are of other code or data; by default nothing is submitted."""
    for kind, ways in WAYS.items():
        text = f"where results of the store are of other {kind} than today's"
        submit.add_argument(f"--{kind}", choices=ways, help=text)


def _add_verify(verify: argparse.ArgumentParser) -> None:
    verify.add_argument(
        "-n", "--runs", type=_positive, default=3, metavar="K", help="so many, drawn by a hash (default: 3)"
    )


def _add_wait(submit: argparse.ArgumentParser) -> None:
    submit.add_argument("--wait", action="store_true", help="on Slurm: until nothing is queued")


def _add_reproduce(reproduce: argparse.ArgumentParser) -> None:
    reproduce.add_argument(
        "name", metavar="NAME", help="hoffman2019-table, part-three, part-two or pereyra2017-table1"
    )
    reproduce.add_argument(
        "--scale", type=float, default=1.0, metavar="SHARE", help="train for this share of the steps"
    )
    reproduce.add_argument("--seeds", type=int, metavar="N", help="report on so many seeds")
    reproduce.add_argument("--plan", action="store_true", help="only show what it would train and cost")
    _add_wait(reproduce)


def _add_init(init: argparse.ArgumentParser) -> None:
    init.add_argument("name", nargs="?", metavar="NAME", help="of the file, and of the sweep")
    init.add_argument(
        "--cluster", action="store_true", dest="cluster_config", help="a cluster config in place of a sweep"
    )
    init.add_argument(
        "--like",
        default="cpu-cluster",
        metavar="EXAMPLE",
        help="which config (default: %(default)s)",
    )


def _add_data(data: argparse.ArgumentParser) -> None:
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")
    parents = [_data(), _at()]
    actions.add_parser("list", help="show which there are", parents=parents)
    fetch = actions.add_parser("fetch", help="download official data sets", parents=parents)
    fetch.add_argument("names", nargs="+", metavar="NAME")
    show = actions.add_parser("show", help="show what a network sees of one", parents=parents)
    show.add_argument("name", metavar="NAME")
    for option in ("resize", "channels"):
        show.add_argument(f"--{option}", type=_positive, metavar="N", help="as in a sweep")
    show.add_argument("--out", type=Path, metavar="FILE", help="the contact sheet (default: NAME.png)")


def _add_cluster_actions(cluster: argparse.ArgumentParser) -> None:
    actions = cluster.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="show which there are")
    setup = actions.add_parser("setup", help="bring code, Python and data to one behind ssh")
    setup.add_argument("name", metavar="NAME", help="a cluster config's name or path")
    setup.add_argument(
        "--index-url", metavar="URL", help="where pip there finds packages (default: $PIP_INDEX_URL)"
    )
    setup.add_argument(
        "--data", action="append", default=[], metavar="NAME", help="fetch this data set (repeatable)"
    )
    check = actions.add_parser("check", help="check one, live", parents=[_store(), _data()])
    check.add_argument("name", metavar="NAME", help="a cluster config's name or path")
    check.add_argument(
        "--wait", type=_positive, default=10, metavar="MINUTES", help="for a compute node (default: 10)"
    )
    check.add_argument(
        "--sweep",
        type=Path,
        metavar="FILE",
        help="for `pack_runs: auto`: try how many of its runs go together",
    )
    check.add_argument("--json", action="store_true", help="as JSON")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number
