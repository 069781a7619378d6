"""Hostile words in a cluster config, at the real Slurm: refused in one line, or one argument as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cluster.slurm import TestCluster
from tests.cluster.trial import SMALL, Said, Trial
from tests.jobs.remote.test_hostile import CANARY, WORDS

MORE = ["-x", "--wrap=true", "#x", "it's", 'a"b', "a\\", "a\rb", "a\0b", "  a", ""]


def submitted(slurm: TestCluster, folder: Path, data_root: Path, **config: object) -> tuple[Said, str]:
    """What came of a sweep with this config, and what Slurm says of its first job, if there is one."""
    folder.mkdir()
    said = Trial(folder, data_root, SMALL, **config).submit()
    jobs = slurm.run("squeue", "--noheader", "--format=%A").split()
    shown = slurm.run("scontrol", "show", "job", min(jobs, key=int)) if jobs else ""
    if jobs:
        slurm.run("scancel", *jobs)
    assert not list(folder.rglob(CANARY))
    assert (said.code, bool(jobs)) in ((0, True), (2, False)), said.err
    return said, shown


@pytest.mark.parametrize("key", ["account", "qos", "constraint", "partition", "gres"])
def test_a_word_of_a_config_is_refused_by_us_or_by_slurm(
    slurm: TestCluster, tmp_path: Path, data_root: Path, key: str
) -> None:
    ours, theirs = rf"error: \S+/cluster\.yaml:\d+: {key} is .*\n", r"error: Slurm refused the jobs: .*\n"
    for number, word in enumerate([*WORDS, *MORE]):
        said, _ = submitted(slurm, tmp_path / str(number), data_root, **{key: word})
        assert re.fullmatch(
            theirs if word and word.isprintable() and not {" ", "\\"} & {*word} else ours, said.err
        )


def test_an_option_of_sbatch_is_refused_or_one_argument(
    slurm: TestCluster, tmp_path: Path, data_root: Path
) -> None:
    for number, word in enumerate([*WORDS, *MORE]):
        options = {"hold": True, "comment": word}
        said, shown = submitted(slurm, tmp_path / str(number), data_root, sbatch=options)
        if word.isprintable() and "\\" not in word:
            assert f" Comment={word} \n" in shown
        else:
            assert re.fullmatch(r"error: \S+/cluster\.yaml:\d+: comment is .*\n", said.err)


@pytest.mark.parametrize("name", ["a\\b", "100%A", f"a\ntouch {CANARY}\nb", f"it's\n$(touch {CANARY})"])
def test_a_folder_that_slurm_would_change_is_refused(
    slurm: TestCluster, tmp_path: Path, data_root: Path, name: str
) -> None:
    said, _ = submitted(slurm, tmp_path / name, data_root)
    assert re.search(r"^error: store is .*, but Slurm does not take .*\n\Z", said.err, re.MULTILINE)
