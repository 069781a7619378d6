"""Runs of a store that other code, or other data of the same name, brought to where they are."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jobs.store.kept_inputs import accepted, kept_code, kept_data
from jobs.store.pack_status import Packs, share
from jobs.store.runs_table import read_runs
from jobs.support.readable_numbers import plural
from regularize.code_identity import Code, code_of
from regularize.config import sources
from regularize.config_text import config_values
from regularize.store import PackStatus, Store

Wanted = tuple[str, tuple[str, ...], str]  # run_id, `RunConfig.sources`, content of its data: `` unknown
Numbers = Mapping[str, object]  # of a data set: name, train, test, classes
_MOST_FILES = 8


@dataclass(frozen=True, kw_only=True)
class Changed:
    """Runs that were trained with another `name` than `today`, of one kind of input; packs by id.

    `differs` is what is known of the difference, a line each.
    """

    kind: str  # code | data
    name: str
    today: str
    runs: frozenset[str]
    packs: frozenset[str]
    differs: Sequence[str]

    @property
    def said(self) -> str:
        """In a sentence."""
        verb = "trained by other code" if self.kind == "code" else "trained on other data"
        were = "was" if len(self.runs) == 1 else "were"
        return f"{plural(len(self.runs), 'run')} {were} {verb} ({self.name}): {'; '.join(self.differs)}"


def changed_inputs(
    store: Store,
    packs: Packs,
    wanted: Iterable[Wanted],
    contents: Mapping[str, Numbers] | None = None,
) -> list[Changed]:
    """What was neither trained with the code and data of today nor accepted beside them.

    `contents` has today's data in numbers, by the hash of their content.
    Where a status does not say what trained it, nothing is known, and nothing is said.
    """
    told = {
        run_id: (i, status)
        for i, status in packs.statuses.items()
        if _counts(status)
        for run_id in status.runs
    }
    known = {(entry.kind, entry.name, entry.today) for entry in accepted(store)}
    found: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    made_of: dict[str, tuple[str, ...]] = {}
    for run_id, names, data in wanted:
        pack_id, status = told.get(run_id, ("", None))
        if status is None:
            continue
        for kind, before, today in (
            ("code", status.code.split("+"), code_of(*names).name if status.code else ""),
            ("data", [status.data], data if status.data else ""),
        ):
            for name in before:
                if name and today and name != today and (kind, name, today) not in known:
                    found[kind, name, today][run_id] = pack_id
                    made_of[run_id] = names
    return [
        Changed(
            kind=kind,
            name=name,
            today=today,
            runs=frozenset(runs),
            packs=frozenset(runs.values()),
            differs=_code_differs(store, name, code_of(*made_of[next(iter(runs))]))
            if kind == "code"
            else _data_differs(kept_data(store, name), (contents or {}).get(today, {}), today),
        )
        for (kind, name, today), runs in found.items()
    ]


def changed_code(store: Store, packs: Packs) -> list[Changed]:
    """The same for the code alone and what was last submitted: no sweep file is needed."""
    codes = {code for status in packs.statuses.values() for code in status.code.split("+") if code}
    if codes <= {code_of().name}:  # that of whatever is made of nobody's own code
        return []
    table = read_runs(store, ["run_id", "pack_key", "planned"]).to_pylist()
    planned = {row["run_id"]: row["pack_key"] for row in table if row["planned"]}
    some = {key: run_id for run_id, key in planned.items()}  # what trains side by side has the same sources
    configs = read_runs(store, ["pack_key", "config"], set(some.values())).to_pylist()
    made_of = {row["pack_key"]: _sources(row["config"]) for row in configs}
    return changed_inputs(store, packs, ((run_id, made_of[key], "") for run_id, key in planned.items()))


def unlike_data(store: Store, packs: Packs) -> list[str]:
    """A sentence for each data set whose runs were trained on several contents, as where nodes have copies of
    their own; none where that was accepted.
    """
    known = {entry.name for entry in accepted(store) if entry.kind == "data"}
    statuses = [status for status in packs.statuses.values() if status.data and _counts(status)]
    if len({status.data for status in statuses}) < 2:
        return []
    names = dict(zip(*read_runs(store, ["run_id", "dataset"]).to_pydict().values(), strict=True))
    found: dict[str, dict[str, list[PackStatus]]] = defaultdict(lambda: defaultdict(list))
    for status in statuses:
        for dataset in {names[run_id] for run_id in status.runs if run_id in names}:
            found[dataset][status.data].append(status)
    said = []
    for dataset, contents in found.items():
        if len(contents.keys() - known) > 1:
            parts = (
                f"{plural(sum(len(each.runs) for each in of_content), 'run')} on {content} "
                f"({', '.join(sorted({each.host for each in of_content}))})"
                for content, of_content in contents.items()
            )
            said.append(f"the runs on {dataset} were not trained on the same data: {', '.join(parts)}")
    return said


def _sources(config: str) -> tuple[str, ...]:
    """`RunConfig.sources` of one in a table of runs."""
    fields = config_values(config)
    return sources(fields.get("model", ""), (term["technique"] for term in fields.get("terms", ())))


def _counts(status: PackStatus) -> bool:
    """Whether there is something in it that other code or data would add to."""
    return status.state == "done" or share(status) > 0


def _code_differs(store: Store, name: str, today: Code) -> list[str]:
    before = kept_code(store, name)
    if before is None or before.name != name:
        return [f"{store.code(name)} is damaged" if store.code(name).exists() else "its sources are not kept"]
    lines = [
        f"{library} {before.libraries.get(library) or 'none'}, now {now or 'none'}"
        for library, now in today.libraries.items()
        if before.libraries.get(library) != now
    ]
    old, new = before.digests, today.digests
    paths = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    lines += [f"{path} {_stat(before, today, path)}" for path in paths[:_MOST_FILES]]
    if len(paths) > _MOST_FILES:
        lines.append(f"and {plural(len(paths) - _MOST_FILES, 'file')} more")
    return lines


def _stat(before: Code, today: Code, path: str) -> str:
    old, new = (code.bare.get(path, "").splitlines() for code in (before, today))
    lines = [line[:1] for line in difflib.unified_diff(old, new, lineterm="", n=0)][2:]
    return f"+{lines.count('+')} −{lines.count('-')}"


def _data_differs(before: Numbers, now: Numbers, today: str) -> list[str]:
    title = str(before.get("name") or now.get("name") or "")
    return [f"{title} had {_data_words(before)}, has {_data_words(now)} ({today})".strip()]


def _data_words(facts: Numbers) -> str:
    if not facts:
        return "an unknown content"
    return f"{facts['train']:,} + {facts['test']:,} images of {facts['classes']} classes"
