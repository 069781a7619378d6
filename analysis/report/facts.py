"""What was run, by whom and how again: the report's facts as label and text."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, TypedDict

import pandas as pd

from analysis.notation.methods import method, model_label, problem_label
from analysis.notation.number_text import count
from analysis.notation.published_text import hides_places, published
from analysis.statistics.training_cost import TIME, WORK, cost_column
from regularize.config_text import config_values
from regularize.store import Store, read_json
from regularize.typed import fits
from regularize.whole_files import warn

Facts = list[tuple[str, str]]
_SHOWN = (
    "optimizer",
    "lr",
    "momentum",
    "weight_decay",
    "schedule",
    "batch_size",
    "epochs",
    "steps",
    "milestones",
    "gamma",
    "precision",
)
_SIZES = {"training_size": "to train", "validation_size": "to validate", "test_size": "to test"}


def what_was_run(runs: pd.DataFrame, place: Callable[[str], int]) -> Facts:
    """Of the planned runs; `place` is where an entry stands in the sweep."""
    problems = runs[["dataset", "per_class"]].drop_duplicates().itertuples(index=False)
    datasets = [problem_label(name, None if pd.isna(few) else int(few)) for name, few in problems]
    facts = [
        ("Data sets", "; ".join(datasets)),
        ("Models", "; ".join(map(model_label, dict.fromkeys(runs["model"])))),
    ]
    names = sorted(dict.fromkeys(runs["regularizer"]), key=place)
    techniques = [method(name).label for name in names]
    facts.append((f"Regularizers ({len(techniques)})", ", ".join(techniques)))
    facts += [(label, text) for label, text in _phases(runs)]
    return facts + [("Training", text) for text in _trainings(runs)]


def measured(results: pd.DataFrame) -> Facts:
    """Of the finished runs: on how many examples, and how much was computed for them.

    That is the work of training, as far as all results have it, else the time of all processes.
    """
    sizes = results[["dataset", "per_class", *_SIZES]].dropna(subset=list(_SIZES)).drop_duplicates()
    said = [
        f"{problem_label(name, None if pd.isna(few) else int(few))}: "
        + ", ".join(f"{int(size):,} {use}" for use, size in zip(_SIZES.values(), counts, strict=True))
        for name, few, *counts in sizes.itertuples(index=False)
    ]
    return [*([("Examples", "; ".join(said))] if said else []), ("Compute", _compute(results))]


def _compute(results: pd.DataFrame) -> str:
    spent = results[[TIME, "evaluation_seconds"]].fillna(0).mul(results["world_size"].fillna(1), axis=0)
    training, measuring = spent.sum() / 3600
    if cost_column([results]) == WORK:
        work = f"{_hours(results[WORK].sum() / 3600)} core-hours of training (on a GPU, hours of the GPU)"
        return f"{work}, {_hours(measuring)} hours in all processes of measuring"
    hours = f"{_hours(training + measuring)} hours in all processes: {_hours(training)} of training"
    return f"{hours}, {_hours(measuring)} of measuring"


def _hours(hours: float) -> str:
    """
    >>> _hours(1234.56), _hours(1.25), _hours(0.0123)
    ('1,235', '1.2', '0.012')
    """
    return f"{hours:,.{0 if hours >= 100 else 1 if hours >= 1 else 3}f}"


def _phases(runs: pd.DataFrame) -> Facts:
    found = []
    for phase, rows in runs.groupby("phase", sort=False):
        strengths = rows[["dataset", "per_class", "model", "regularizer", "strength"]].drop_duplicates()
        settings = f"{len(strengths)} settings (data set, model, technique, strength)"
        seeds = count(rows["seed"].nunique(), "seed")
        found.append(
            (
                f"{str(phase).capitalize()} runs",
                f"{len(rows):,}: {settings}, {seeds}",
            )
        )
    return found


def _trainings(runs: pd.DataFrame) -> list[str]:
    """The different training settings, in words; none where the configurations do not say."""
    found: dict[str, None] = {}
    for config in runs["config"].drop_duplicates():
        settings = config_values(config).get("training", {})
        words = [f"{key.replace('_', ' ')} {_value(settings[key])}" for key in _SHOWN if settings.get(key)]
        if words:
            found[", ".join(words)] = None
    return list(found)


def _value(setting: Any) -> str:
    return " and ".join(f"{each:.3g}" for each in setting) if isinstance(setting, list) else str(setting)


class Submission(TypedDict, total=False):
    """What is read of one."""

    time: str
    command: list[str]
    set: list[str]
    package: str
    git_commit: str
    uncommitted: str
    python: str
    platform: str
    host: str
    cores: int
    libraries: dict[str, str]
    slurm_jobs: list[str]


def submissions(store: Store) -> list[dict[str, Any]]:
    """What `provenance.json` says, oldest first; nothing where it cannot be read, which is said."""
    try:
        found = read_json(store.provenance)["submissions"]
        if not fits(found, list[Submission]):
            raise ValueError("it holds something else")
        return list(found)
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        warn(f"{store.provenance} is damaged ({error}): who submitted what is not known")
        return []


def provenance(submission: Mapping[str, Any]) -> Facts:
    """One submission as label and text."""
    libraries = ", ".join(f"{name} {version}" for name, version in submission.get("libraries", {}).items())
    changed = (
        f" with uncommitted changes ({submission['uncommitted']})" if submission.get("uncommitted") else ""
    )
    facts = [
        ("Command", command(submission.get("command", ()))),
        (
            "Code",
            f"version {submission.get('package', '')}, commit {submission.get('git_commit', '')}{changed}",
        ),
        ("Python", f"{submission.get('python', '')} on {submission.get('platform', '')}"),
        ("Libraries", libraries),
        ("Machine", f"{submission.get('cores', '')} cores"),
    ]
    if not hides_places():
        facts.append(("Host", str(submission.get("host", ""))))
    if jobs := submission.get("slurm_jobs"):
        facts.append(("Slurm jobs", ", ".join(map(str, jobs))))
    return facts


def command(words: Sequence[str]) -> str:
    """As it would be typed: paths from elsewhere, which mean nothing here, by their last part alone."""
    paths = map(PurePath, words)
    typed = shlex.join(
        path.name if (path.is_absolute() and hides_places()) or ".." in path.parts else word
        for word, path in zip(words, paths, strict=True)
    )
    return published(typed, mark="")


def again(store: Store) -> list[str]:
    """Commands that make the store and this page again."""
    last = submissions(store)[-1:]
    settings = [word for each in last for value in each.get("set", ()) for word in ("--set", str(value))]
    return [
        command(["regularize", "submit", "sweep.yaml", *settings]),
        shlex.join(["regularize", "report", "sweep.yaml"]),
    ]
