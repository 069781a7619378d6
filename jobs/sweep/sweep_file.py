"""A sweep file, read and checked: what is to be compared, and by which protocol.

Free of torch, pandas and pyarrow: a sweep is read on login nodes, by every command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jobs.sweep.dialects import FIRST, NOW
from jobs.sweep.listed_models import read_models
from jobs.sweep.overrides import overridden
from jobs.sweep.regularizer_entries import Budget, Entry, Terms, read_entries
from jobs.sweep.seeds import Seeds, read_seeds
from jobs.sweep.tuned_settings import Shared, combinations, read_axes, separate
from jobs.sweep.yaml_checks import Node, overlaid
from jobs.sweep.yaml_text import dump, parse_file, read_text
from regularize.data.data_config import MATCHED, DataConfig
from regularize.data.plain_name import check_name
from regularize.evaluation.settings import Evaluation
from regularize.named_objects import is_named
from regularize.training_config import Training

METRICS = {
    "validation_accuracy": "validation_accuracy",
    "validation_loss": "validation_loss",
    "val_accuracy": "validation_accuracy",
    "val_loss": "validation_loss",
}
MOST_RUNS = 1_000_000
REQUIRED = {
    "name": "The sweep's name, which is that of its folder in the store. Example: `name: few-shot`.",
    "dataset": "A data set, a list of some, or a mapping from each to its own keys, below. "
    "Example: `dataset: {digits: {per_class: 20}}`.",
    "model": "A network, a list of some, or a mapping from each to its own keys, below; one of the toolkit's "
    "own, or `module:function` of yours. Example: `model: [lenet5, mlp]`.",
    "training": "How runs are optimised, below; of each list every value makes problems of its own, in which "
    "techniques are compared. Example: `training: {epochs: 50, lr: [0.01, 0.05]}`.",
    "regularizers": "What is compared: entries by name, each with its strengths. "
    "Example: `regularizers: {none: , l2: {strength: [1e-4, 1e-3]}}`.",
    "seeds": "How many seeds strengths are chosen on and conclusions drawn on, or lists of seeds; one number "
    "or list trains every strength with these. Example: `seeds: {tune: 5, report: 15}`.",
}
OPTIONAL = {
    "evaluation": "What is measured, below; it never changes what is trained. "
    "Example: `evaluation: {robustness: true}`.",
    "select": "By which score strengths are chosen on the tune seeds; by validation accuracy unless given. "
    "Example: `select: {metric: validation_loss}`.",
    "baseline": "The entry that the others are compared with; the one of technique `none` unless given, of "
    "several the one without a start or a rate of its own. "
    "Example: `baseline: none`.",
    "tune": "Settings of the training, and the model's `width`, that are chosen for each entry, `none` "
    "included, with its strength on the tune seeds: a list of values each, or with a budget a range. "
    "Example: `tune: {lr: [0.01, 0.02, 0.05]}`.",
    "budget": "At how many settings each entry is tried: drawn from its strengths and from `tune` by a "
    "scrambled Sobol sequence, so that nobody gets more tries. Example: `budget: 16`.",
    "widen": "How many times a grid on whose edge the choice fell, nothing as good lying inside, goes on "
    "beyond it, before any report seed is trained. Example: `widen: 3`.",
}
OF_SELECT = {
    "metric": "The column of the results; accuracy: the highest mean, loss: the lowest. "
    "Example: `metric: validation_loss`.",
}
_OF_DATA = ("validation", "split_seed", "resize", "channels")
OF_DATASET = {
    "training": "What is trained otherwise on this data set. Example: `training: {epochs: 20}`.",
    "regularizers": "Which strengths or options entries have otherwise on this data set. "
    "Example: `regularizers: {l2: {strength: [1e-3, 1e-2]}}`.",
    "tune": "Which shared settings are tuned otherwise on this data set. Example: `tune: {lr: [0.1, 0.2]}`.",
}
"""Of one data set, beside `per_class` and the rest of `DataConfig`."""
_OF_DATASET = (*_OF_DATA, "per_class", *OF_DATASET)
MOST_BUDGET = 1_000
MOST_WIDENED = 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class DatasetGrid:
    """What a sweep does with one dataset: every size with every entry, under every training.

    `sizes` differ in `per_class` alone, `shared` in what is `tuned` (names of settings, none as a rule). Of
    what is listed under `training` each combination is a grid of its own, whose `setting` says which.
    """

    sizes: tuple[DataConfig, ...]
    shared: tuple[Shared, ...]
    entries: tuple[Entry, ...]
    tuned: tuple[str, ...] = ()
    setting: str = ""

    @property
    def training(self) -> Training:
        """The first of the trainings, as a rule the only one."""
        return self.shared[0].training

    def settings(self, entry: Entry) -> list[tuple[Terms, Shared]]:
        """Everything that an entry is tried at."""
        pairs = entry.drawn or [(terms, each) for terms in entry.candidates for each in self.shared]
        own = dict(entry.own)
        return [(terms, each._replace(training=replace(each.training, **own))) for terms, each in pairs]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A whole sweep, in the order of its file.

    `metric` is the column of the results by which strengths are chosen on the tune seeds. `baseline` is
    the entry that the others are compared with, None where there is none of technique `none` and none
    was named. `ranks` are those of models that another number of ranks trains otherwise. `widen` is how many
    times a choice at the edge of its grid may widen it, `budget` how many settings are drawn for each entry.
    `text` is a file that gives an equal sweep without overrides: what the store keeps. `dialect` is how its
    words were taken, one of `jobs.sweep.dialects`.
    """

    name: str
    datasets: tuple[DatasetGrid, ...]
    models: tuple[str, ...]
    evaluation: Evaluation
    seeds: Seeds
    metric: str
    baseline: str | None = None
    widen: int = 0
    budget: int | None = None
    ranks: Mapping[str, int] = field(default_factory=dict)
    dialect: int = field(default=NOW, compare=False)
    text: str = field(compare=False, repr=False)

    @property
    def tune_seeds(self) -> tuple[int, ...]:
        return self.seeds.tune

    @property
    def report_seeds(self) -> tuple[int, ...]:
        return self.seeds.report

    @property
    def named(self) -> tuple[str, ...]:
        """Models, techniques and data sets that are not the project's, as `package.module:name`."""
        techniques = [name for grid in self.datasets for entry in grid.entries for name in entry.techniques]
        data = [grid.sizes[0].name for grid in self.datasets]
        return tuple(dict.fromkeys(filter(is_named, [*self.models, *techniques, *data])))

    @property
    def two_phase(self) -> bool:
        """Whether strengths are tuned first; else every strength is reported on."""
        return bool(self.tune_seeds)


def load_sweep(
    path: Path,
    overrides: Sequence[str] = (),
    check_dataset: Callable[[str], object] | None = None,
    dialect_of: Callable[[str], int] | None = None,
) -> Sweep:
    """Read a sweep file, with `--set PATH=VALUE` overrides applied before anything is checked.

    `check_dataset` raises `UserError` where there is no data set of that name; None takes every name.
    `dialect_of` says in which dialect a sweep of that name was submitted before; None: today's.

    Raises:
        UserError: `FILE:LINE: …` or `--set PATH=VALUE: …`, for the first thing that is wrong.
    """
    text = read_text(path)
    tree = parse_file(text, str(path))
    for setting in overrides:
        tree = overridden(tree, setting)
    if overrides:
        settings = "".join(f"#   --set {' '.join(setting.split())}\n" for setting in overrides)
        text = f"# This sweep was changed by\n{settings}{dump(tree)}"
    return read(tree, text, check_dataset or check_name, dialect_of)


def read_name(node: Node) -> str:
    """The name of a sweep, which is that of its folder."""
    if not _NAME.fullmatch(node.text()):
        raise node.refused("up to 64 letters, digits, '.', '_' and '-', and begin with a letter or digit")
    return node.text()


def read(
    tree: Node,
    text: str,
    check_dataset: Callable[[str], object] = check_name,
    dialect_of: Callable[[str], int] | None = None,
) -> Sweep:
    """The sweep that a YAML tree describes; see `load_sweep`."""
    fields = tree.mapping((*REQUIRED, *OPTIONAL), REQUIRED)
    name = read_name(fields["name"])
    dialect = NOW if dialect_of is None else dialect_of(name)
    seeds = read_seeds(fields["seeds"])
    for key in ("tune", "budget", "widen"):
        if key in fields and not seeds.tune:
            raise fields[key].error(
                f"{key} is about what is chosen on tune seeds, and this sweep has none; write "
                "`seeds: {tune: 3, report: 15}`"
            )
    widen = _count(fields["widen"], MOST_WIDENED) if "widen" in fields else 0
    if widen and "budget" in fields:
        raise fields["widen"].error(
            "widen continues lists of values, but a budget draws: leave one of them out"
        )
    models = read_models(fields["model"], dialect)
    sweep = Sweep(
        name=name,
        datasets=tuple(_datasets(fields, models, check_dataset, dialect)),
        models=models,
        evaluation=fields["evaluation"].build(Evaluation) if "evaluation" in fields else Evaluation(),
        seeds=seeds,
        metric=_metric(fields.get("select")),
        widen=widen,
        budget=_count(fields["budget"], MOST_BUDGET) if "budget" in fields else None,
        dialect=dialect,
        text=text,
    )
    sweep = replace(sweep, baseline=_baseline(fields.get("baseline"), sweep, fields["regularizers"]))
    configurations = sum(len(g.sizes) * sum(len(g.settings(e)) for e in g.entries) for g in sweep.datasets)
    runs = configurations * len(sweep.models) * max(len(sweep.tune_seeds), len(sweep.report_seeds))
    if runs > MOST_RUNS:
        raise tree.error(f"the sweep has {runs} runs or more, but at most {MOST_RUNS} are allowed")
    return sweep


def _baseline(named: Node | None, sweep: Sweep, regularizers: Node) -> str | None:
    """The entry that is named, else one of technique `none`, rather the one that trains as all do."""
    if named is None:
        plain = [(grid, entry) for grid in sweep.datasets for entry in grid.entries if not entry.techniques]
        usual = {}
        if sweep.dialect > FIRST:
            usual = {grid.sizes[0].name: entry.name for grid, entry in plain if not entry.own}
        if len({*usual.values()}) > 1:
            each = ", ".join(f"{name} on {dataset}" for dataset, name in usual.items())
            raise regularizers.error(
                f"of the entries of technique none another one trains as all do on each data set: {each}; "
                "say by `baseline:` with which all are compared"
            )
        return next(iter([*usual.values(), *(entry.name for _, entry in plain)]), None)
    name = named.choice("baseline", [entry.name for entry in sweep.datasets[0].entries])
    most = max(len(e.candidates) for grid in sweep.datasets for e in grid.entries if e.name == name)
    if most > 1 and not sweep.two_phase:
        raise named.error(
            f"baseline is {name!r}, which has {most} strengths; without tune seeds it must have one, as "
            "nothing chooses it"
        )
    return name


def _count(node: Node, most: int) -> int:
    count = node.integer()
    if not 1 <= count <= most:
        raise node.refused(f"from 1 to {most}")
    return count


def _metric(select: Node | None) -> str:
    if select is None:
        return "validation_accuracy"
    fields = select.mapping(OF_SELECT, OF_SELECT)
    return METRICS[fields["metric"].choice("metric", METRICS)]


def _datasets(
    fields: dict[str, Node], models: Sequence[str], check_dataset: Callable[[str], object], dialect: int
) -> Iterator[DatasetGrid]:
    node = fields["dataset"]
    if isinstance(node.value, dict):
        named = node.mapping()
    else:
        named = {item.text(): replace(item, value=None) for item in node.distinct()}
    if not named:
        raise node.refused("at least one dataset")
    for name, settings in named.items():
        with settings.located():
            check_dataset(name)
    for name, settings in named.items():
        yield from _dataset(name, settings, fields, models, dialect)


def _dataset(
    name: str, node: Node, fields: dict[str, Node], models: Sequence[str], dialect: int
) -> Iterator[DatasetGrid]:
    own = node.mapping(_OF_DATASET)
    data = {"name": Node(where=node.where, key="name", value=name)}
    data |= {key: own[key] for key in _OF_DATA if key in own}
    sizes = own["per_class"].distinct() if "per_class" in own else (None,)
    tune = overlaid(fields["tune"], own.get("tune")) if "tune" in fields else own.get("tune")
    drawn = _count(fields["budget"], MOST_BUDGET) if "budget" in fields else 0
    for setting, training in separate(overlaid(fields["training"], own.get("training"))):
        axes = read_axes(training, tune, models, drawn=bool(drawn), dialect=dialect)
        budget = Budget(settings=drawn, training=training, axes=axes, dialect=dialect) if drawn else None
        varied = [*axes, *(word.partition("=")[0] for word in setting.split())]
        entries = read_entries(
            fields["regularizers"], own.get("regularizers"), budget, training.mapping(), varied, dialect
        )
        yield DatasetGrid(
            sizes=tuple(
                replace(node, value=data if size is None else _of_size(data, size, dialect)).build(DataConfig)
                for size in sizes
            ),
            shared=tuple(dict.fromkeys(each for entry in entries for _, each in entry.drawn))
            if budget
            else combinations(training, axes),
            entries=entries,
            tuned=tuple(axes),
            setting=setting,
        )


def _of_size(data: dict[str, Node], size: Node, dialect: int) -> dict[str, Node]:
    """Few training examples have few to validate beside them, unless something else is asked for.

    That is said in the configuration: without a word there a tenth validates, as it always has.
    """
    asked = data.get("validation")
    unsaid = dialect > FIRST and size.value is not None
    if unsaid and (asked is None or asked.value is None):
        data = {**data, "validation": Node(where=size.where, key="validation", value=MATCHED)}
    return {**data, "per_class": size}
