"""What runs will cost, as pure functions of their configuration: seconds of a core or of ranks, and disk.

The first guess comes from measured constants; as soon as packs have run, their own times replace it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise

from regularize import models
from regularize.config import RunConfig, Term
from regularize.data.source import Facts
from regularize.errors import UserError
from regularize.evaluation.extent import Extent, Sizes
from regularize.kernel_path import why_torch
from regularize.models.table import MODELS
from regularize.models.variant import Variant
from regularize.regularizers import technique
from regularize.schedule import Timeline
from regularize.store import PackStatus

# LeNet-5 forward, backward and optimizer step: seconds of one core for one example of 32×32 pixels, by torch.
SECONDS_PER_EXAMPLE = 1.3e-4
# The same by fused stages: what packs of 4 and 8 took, 2.2 and 2.0 ms a step of 128 images of 28×28 and run.
SECONDS_PER_EXAMPLE_FUSED = 2.1e-5
# A network of width w takes w to this power as long: from 0.5 to 4 times as wide, by either way.
WIDTH_POWER = 1.6
# What a step takes however small network and batch are.
SECONDS_PER_STEP = 1e-3
# More of it where several ranks train together, as they add up their gradients: between two processes of one
# machine gloo takes 0.3 ms for a LeNet's, 1.7 ms for those of eight (the least of 60 times).
SECONDS_PER_REDUCTION = 4e-4
# R runs side by side take as long as FIXED + (1 - FIXED) · R runs one after the other.
FIXED = 0.42
# Guessed seconds of training that weigh as much as what was expected.
PRIOR_SECONDS = 20.0
# Parameters are kept as float32.
FLOAT_BYTES = 4
# An evaluation split's row holds identifiers beside the float32 logits.
ROW_BYTES = 16
NEVER = 10**9  # epochs
# What a data set of the user's own is taken for until it is read.
UNKNOWN = Facts(train=50_000, test=10_000, side=32, channels=3, classes=10)


def training_guess(config: RunConfig, facts: Facts, ranks: int = 1) -> float:
    """Seconds that the run's steps take ranks of a core each, trained alone, before anything was measured.

    Ranks share out the examples of a step, not what a step takes beside them.
    """
    examples = _examples(config, facts)
    batch = min(config.training.batch_size, examples)
    fused = not why_torch(config, facts.channels)
    share = sum(_extra(term, facts.classes, fused) for term in config.terms)
    steps = Timeline.of(config.training, examples).steps
    a_step = SECONDS_PER_STEP + (SECONDS_PER_REDUCTION if ranks > 1 else 0.0)
    return a_step * steps + _seconds(config, facts, steps * -(-batch // ranks) * (1 + share))


def evaluation_guess(config: RunConfig, facts: Facts, ranks: int = 1) -> float:
    """Seconds that measuring the run takes ranks of a core each, along the way and at its end."""
    sizes = Sizes(
        train=_examples(config, facts),
        validation=facts.parts(config.data)[1],
        test=facts.test,
        classes=facts.classes,
    )
    timeline = Timeline.of(config.training, sizes.train)
    return _seconds(config, facts, Extent.of(config.evaluation, timeline, sizes).cost) / ranks


def measuring(runs: Collection[Run], facts: Mapping[str, Facts]) -> float:
    """The share of the runs' time that goes into measuring them."""
    training = evaluation = 0.0
    numbers = Counter((run.key, run.phase) for run in runs)
    # A pack key's runs of one phase cost the same.
    for key, config in {(run.key, run.phase): run.config for run in runs}.items():
        known = facts.get(config.data.name, UNKNOWN)
        training += numbers[key] * training_guess(config, known)
        evaluation += numbers[key] * evaluation_guess(config, known)
    return evaluation / (training + evaluation) if runs else 0.0


def disk(config: RunConfig, facts: Facts) -> int:
    """Bytes that the run's results take: predictions and weights, the rest is small."""
    predictions = facts.test * (facts.classes * 4 + ROW_BYTES) if config.evaluation.predictions else 0
    return predictions + (1 + config.evaluation.snapshots) * _weight_bytes(config.model, facts)


def _weight_bytes(model: str, facts: Facts) -> int:
    """Of one network; one's own is taken for a LeNet-5."""
    if not models.packable(model):
        return FLOAT_BYTES * MODELS["lenet5"].parameters
    variant = Variant.read(model)
    units = (math.prod(facts.shape), *variant.units, facts.classes)
    connected = sum((inputs + 1) * outputs for inputs, outputs in pairwise(units))
    return FLOAT_BYTES * (connected if variant.units else round(variant.row.parameters * variant.width**2))


def side_by_side(runs: int) -> float:
    """Time of a pack of so many runs, relative to one of them alone."""
    return FIXED + (1 - FIXED) * runs


@dataclass(frozen=True)
class Run:
    """A run as planning sees it: with its hashes, which take their time for ten thousand runs."""

    run_id: str
    key: str  # RunConfig.pack_key
    phase: str
    config: RunConfig
    model: str = ""  # with what is listed under `training`, as people read it


@dataclass(frozen=True)
class Clock:
    """Guesses corrected by what has been measured: by pack key where known, else by all packs.

    A correction is measured seconds of training divided by guessed ones, for as many ranks as there were;
    `ranks` is how many are to train a pack together, of which seconds are told.
    """

    facts: Mapping[str, Facts]
    by_key: Mapping[str, float] = field(default_factory=dict)
    overall: float = 1.0
    ranks: int = 1

    def seconds(self, run: Run) -> float:
        """Seconds that the run takes alone."""
        facts = self.facts.get(run.config.data.name, UNKNOWN)
        guess = sum(each(run.config, facts, self.ranks) for each in (training_guess, evaluation_guess))
        return guess * self.by_key.get(run.key, self.overall)

    def measuring_seconds(self, run: Run) -> float:
        """Seconds that it takes to measure the final weights of the run alone."""
        facts = self.facts.get(run.config.data.name, UNKNOWN)
        no_curves = replace(run.config, evaluation=replace(run.config.evaluation, every=NEVER))
        return evaluation_guess(no_curves, facts, self.ranks) * self.by_key.get(run.key, self.overall)


def calibrated(
    facts: Mapping[str, Facts],
    runs: Mapping[str, Run],
    statuses: Iterable[PackStatus],
    ranks: int = 1,
) -> Clock:
    """A clock for so many ranks, set by the packs that have trained; `runs` are by run id."""
    measured: dict[str, float] = defaultdict(float)
    guessed: dict[str, float] = defaultdict(float)
    for status in statuses:
        known = [runs[run_id] for run_id in status.runs if run_id in runs]
        if not known or status.steps == 0 or status.step == 0:
            continue
        run = known[0]
        alone = training_guess(run.config, facts.get(run.config.data.name, UNKNOWN), status.ranks)
        measured[run.key] += status.seconds
        guessed[run.key] += alone * side_by_side(len(status.runs)) * status.step / status.steps
    overall = _ratio(sum(measured.values()), sum(guessed.values()), 1.0)
    by_key = {key: _ratio(measured[key], guessed[key], overall) for key in measured}
    return Clock(facts, by_key, overall, ranks)


def _ratio(measured: float, guessed: float, expected: float) -> float:
    """Measured over guessed seconds; short measurements, mostly warming up, leave what was expected."""
    return (measured + PRIOR_SECONDS * expected) / (guessed + PRIOR_SECONDS)


def _seconds(config: RunConfig, facts: Facts, examples: float) -> float:
    work = 1.0
    if models.packable(config.model):
        variant = Variant.read(config.model)
        work = variant.row.work * variant.width**WIDTH_POWER
    # Where stages fit they are taken to be built: whether nodes have a compiler is not known here.
    an_example = SECONDS_PER_EXAMPLE if why_torch(config, facts.channels) else SECONDS_PER_EXAMPLE_FUSED
    return an_example * work * (facts.side / 32) ** 2 * examples


def _examples(config: RunConfig, facts: Facts) -> int:
    """How many examples the run is trained on."""
    return max(1, facts.trained_on(config.data))


def _extra(term: Term, classes: int, fused: bool) -> float:
    """What a technique adds to a step, relative to a plain one by the same kernels."""
    options = dict(term.options)
    if term.technique == "hard_svb":
        return (1.7 if fused else 0.38) / float(options["every"])
    if term.technique == "jacobian":
        directions = classes if options["projections"] == "exact" else int(options["projections"])
        return 1.2 * directions if fused else 1 + 1.67 * directions
    if term.technique == "jacobian_determinant":
        return 1.5 * classes if fused else 1 + 1.67 * classes
    if term.technique == "adversarial":
        return float(options["steps"])
    if term.technique == "augment" and options["rotation"]:
        return 0.7
    if options.get("convolutions") == "operator":
        return 0.5
    with suppress(UserError):  # one's own, which is not to be had here
        return technique(term.technique).cost
    return 0.0
