"""What defines a run: frozen, validated where it is built, hashed into its `run_id`.

Free of torch: sweeps are planned on login nodes and laptops.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from regularize import models, regularizers
from regularize.config_text import config_values, no_config
from regularize.data.data_config import DataConfig
from regularize.errors import UserError, require
from regularize.evaluation.settings import Evaluation
from regularize.models.outline import Outline
from regularize.models.variant import width_of
from regularize.named_objects import is_named
from regularize.regularizers import full_name
from regularize.training_config import APART, Training


@dataclass(frozen=True, kw_only=True)
class Term:
    """One technique with its strengths (tuned) and options (shared by a pack), sorted by name."""

    technique: str
    strengths: tuple[tuple[str, float], ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def build(cls, technique: str, parameters: Mapping[str, Any]) -> Term:
        """Check the parameters and fill in what has a default.

        Raises:
            UserError: unknown technique or parameter, a value that is not valid, or one missing.
        """
        technique = full_name(technique)
        row = regularizers.technique(technique)
        given = {row.canonical(name): row.check(name, value) for name, value in parameters.items()}
        for name, strength in row.strengths.items():
            if given.setdefault(name, strength.default) is None:
                raise UserError(f"{technique} needs {name!r}: {strength.meaning}")
        for name, option in row.options.items():
            given.setdefault(name, option.default)
        row.check_together({name: given[name] for name in row.options})
        return cls(
            technique=technique,
            strengths=tuple((name, given[name]) for name in sorted(row.strengths)),
            options=tuple((name, given[name]) for name in sorted(row.options)),
        )

    def check_fit(self, network: Outline) -> None:
        """Raises `UserError` where the options ask for what such a network does not have."""
        regularizers.technique(self.technique).check_fit(dict(self.options), network)


def check_fit(model: str, terms: Iterable[Term], shape: models.Shape, classes: int) -> None:
    """Check that examples, model and techniques go together, as far as that is known before training.

    Raises:
        UserError: they do not. What a module of one's own is like is not known here.
    """
    models.check_fit(model, shape, classes)
    if models.packable(model):
        for term in terms:
            term.check_fit(models.outline(model, shape, classes))


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run: dataset × model × regularizer × strength × seed, and the training settings.

    `regularizer` is the sweep's name for the combination of `terms`; it does not enter the
    `run_id`, nor does `evaluation`. `ranks` is 1 unless only so many ranks train this.
    """

    data: DataConfig
    model: str
    regularizer: str
    terms: tuple[Term, ...]
    training: Training
    evaluation: Evaluation = field(default_factory=Evaluation)
    seed: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        models.check_name(self.model)
        require(0 <= self.seed < 2**32, "seed", self.seed, "in [0, 2**32)")
        names = [term.technique for term in self.terms]
        require(len(names) == len(set(names)), "compose", names, "different techniques")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, from which `from_json` builds an equal configuration."""
        return {
            "data": self.data.to_json(),
            "model": self.model,
            "regularizer": self.regularizer,
            "terms": [dict(vars(term)) for term in self.terms],
            "training": self.training.to_json(),
            "evaluation": self.evaluation.to_json(),
            "seed": self.seed,
            **({"ranks": self.ranks} if self.ranks > 1 else {}),
        }

    @classmethod
    def read(cls, text: str) -> RunConfig:
        """That of a row in a table of runs.

        Raises:
            UserError: it is none, or asks for what is not there any more.
        """
        try:
            return cls.from_json(config_values(text))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise no_config(text, error) from None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunConfig:
        """The inverse of `to_json`."""
        terms = [
            Term(
                technique=term["technique"],
                strengths=tuple((name, number) for name, number in term["strengths"]),
                options=tuple((name, tuple(v) if isinstance(v, list) else v) for name, v in term["options"]),
            )
            for term in value["terms"]
        ]
        return cls(
            data=DataConfig(**value["data"]),
            model=value["model"],
            regularizer=value["regularizer"],
            terms=tuple(terms),
            training=Training.from_json(value["training"]),
            evaluation=Evaluation.from_json(value["evaluation"]),
            seed=value["seed"],
            ranks=value.get("ranks", 1),
        )

    def on_seeds(self, seeds: Iterable[int], evaluation: Evaluation) -> list[RunConfig]:
        """The same on these seeds, measured so: of a hundred thousand runs what they share is made once."""
        runs = [replace(self, seed=seed, evaluation=evaluation) for seed in seeds]
        fields = self._affecting()
        del fields["evaluation"]
        for run in runs:
            known = vars(run)
            known["run_id"] = _hash(fields | {"seed": run.seed})
            if models.packable(self.model):
                known["pack_key"] = runs[0].pack_key
        return runs

    @cached_property
    def run_id(self) -> str:
        """16 hex digits: a hash of the fields that affect the result, no others."""
        fields = self._affecting()
        del fields["evaluation"]
        return _hash(fields)

    @cached_property
    def pack_key(self) -> str:
        """Runs with equal keys train side by side, bit by bit as alone.

        A model without the run axis trains alone unless asked otherwise: its keys are all different.
        """
        return self.shared_key if models.packable(self.model) else _hash(self._affecting())

    @property
    def shared_key(self) -> str:
        """What runs that can train side by side have in common: all but strengths, seed and `APART`."""
        fields = self._affecting()
        del fields["seed"]
        for term in fields["terms"]:
            del term["strengths"]
        for name in APART:
            del fields["training"][name]
        return _hash(fields)

    def _affecting(self) -> dict[str, Any]:
        """The fields without the sweep's name for them; to say what is so anyway makes no difference."""
        fields = self.to_json()
        del fields["regularizer"]
        fields["data"]["validation"] = self.data.share
        return fields

    @property
    def sources(self) -> tuple[str, ...]:
        """What `code_identity.code_of` takes: the model, and techniques that are not the project's."""
        return sources(self.model, (term.technique for term in self.terms))

    @property
    def strength(self) -> str:
        """The strengths as one plain word for tables: `0.01`, or `l1=1e-05 l2=0.0001`; `` if none."""
        return self.strength_with(())

    def strength_with(self, settings: Iterable[str]) -> str:
        """The same, followed by settings that are tuned: `strength=0.01 lr=0.05`, or `lr=0.05`."""
        pairs = [(term.technique, name, value) for term in self.terms for name, value in term.strengths]
        beside = [f"{name}={_number(self.setting(name))}" for name in settings]
        if len(pairs) == 1 and not beside:
            return _number(pairs[0][2])
        composed = len({technique for technique, _, _ in pairs}) > 1
        return " ".join([*(f"{t + '.' if composed else ''}{n}={_number(v)}" for t, n, v in pairs), *beside])

    def setting(self, name: str) -> float:
        """One of `training_config.TUNABLE`: a number of the training, or the model's width."""
        return width_of(self.model) if name == "width" else float(getattr(self.training, name))


def sources(model: str, techniques: Iterable[str]) -> tuple[str, ...]:
    """`RunConfig.sources` of a run with these."""
    return (model, *sorted(filter(is_named, techniques)))


def pack_id(run_ids: Iterable[str]) -> str:
    """16 hex digits that name a pack by the runs it holds."""
    return _hash(sorted(run_ids))


def _number(value: float) -> str:
    return f"{value:.12g}"


def _hash(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
