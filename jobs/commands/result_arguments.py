"""The arguments of the commands that read results."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

Command = Callable[..., argparse.ArgumentParser]


def add_results(
    command: Command, sweep: Sequence[argparse.ArgumentParser], data: argparse.ArgumentParser
) -> None:
    """Add the commands; `sweep` are the arguments that say which, `data` where data sets are."""
    command("collect", "bring a sweep's tables together in its folder", *sweep)
    compare = command("compare", "compare all regularizers with none", *sweep)
    compare.add_argument(
        "--metric",
        default="test_accuracy",
        metavar="NAME",
        help="compare by this one, or an attack such as pgd:8/255 (default: %(default)s)",
    )
    _add_region(compare)
    export = command("export", "write a sweep's tables for other tools", *sweep)
    export.add_argument("--to", required=True, metavar="FORMAT", help="csv, tensorboard, mlflow or wandb")
    export.add_argument(
        "--out", type=Path, metavar="FOLDER", help="an empty folder (default: exports/FORMAT in the store's)"
    )
    _add_places(export)
    figures = command("figures", "draw figures and print the table of results", *sweep, data)
    add_trust(figures)
    figures.add_argument("--run", metavar="RUN_ID", help="of this run alone")
    figures.add_argument(
        "--layer",
        default="penultimate",
        metavar="NAME",
        help="whose activations PCA and t-SNE show (default: the last hidden layer's)",
    )
    figures.add_argument(
        "--score",
        action="append",
        default=[],
        metavar="NAME",
        help="what the forest plot compares: a --metric of compare (repeatable; default: three)",
    )
    figures.add_argument(
        "names", nargs="*", metavar="NAME", help="figures to draw (default: all), or your own module:function"
    )
    _add_look(figures)
    gallery = command("gallery", "write a page with all figures, for documentation", *sweep, data)
    add_trust(gallery)
    _add_places(gallery)
    gallery.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to")
    report = command("report", "a sweep as one HTML page", *sweep, data)
    add_trust(report)
    _add_places(report)
    report.add_argument("--tables-only", action="store_true", help="leave out figures that need the weights")
    report.add_argument(
        "--figure", action="append", default=[], metavar="NAME", help="also this one of your own (repeatable)"
    )
    _add_region(report)
    _add_region(figures)
    _add_animate(command("animate", "film the toy problem's trainings", *sweep, data))


def _add_look(figures: argparse.ArgumentParser) -> None:
    for name, what in (
        ("techniques", "entries of the sweep, beside the baseline"),
        ("datasets", "data sets"),
    ):
        text = f"show these {what} alone (repeatable)"
        figures.add_argument(f"--{name}", action="append", default=[], metavar="NAME,…", help=text)
    figures.add_argument(
        "--width",
        metavar="WIDTH",
        help="of the page's text: one-column, two-columns, neurips, iclr, icml, cvpr, acl, jmlr, ieee, or "
        "inches (default: two-columns)",
    )
    figures.add_argument("--format", choices=("svg",), help="beside PDF and PNG")


def add_trust(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument(
        "--trust-model",
        action="store_true",
        help="import what a sweep names as module:function, even if somebody else submitted it",
    )
    return command


def _add_places(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--with-places", action="store_true", help="with paths in full and names of hosts (default: without)"
    )


def _add_region(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--region",
        metavar="SIZE",
        help="differences within ± this do not matter: 0.1 (points), or 5%% of the baseline's error",
    )


def _add_animate(animate: argparse.ArgumentParser) -> None:
    animate.add_argument(
        "--regularizer", action="append", default=[], metavar="NAME", help="only this one (repeatable)"
    )
    animate.add_argument("--out", type=Path, metavar="FOLDER", help="where to (default: the sweep's figures)")
