"""Kernels on nodes whose jobs find no compiler: what the login node has compiled."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.commands.cli import main
from regularize.fused import COMPILING, NO_COMPILER, build
from tests.cluster.laptop import Laptop
from tests.cluster.slurm import TestCluster
from tests.cluster.trial import Trial

SWEEP = """\
name: small
dataset: {digits: {per_class: 20}}
model: {lenet5: {width: [1, 0.5]}}
training: {steps: 2, batch_size: 16}
regularizers: {none: }
seeds: 1
"""
FUSED = f"fused {build.targets()[0].name}"
COMPILERS = {"c++", "g++", "clang++", "cc"}


@pytest.fixture
def without(tmp_path: Path) -> str:
    """A line of `setup:` after which there is no compiler."""
    bare = tmp_path / "bare"
    bare.mkdir()
    for program in (*Path("/usr/bin").iterdir(), *Path("/usr/sbin").iterdir()):
        if program.name not in COMPILERS and not (bare / program.name).is_symlink():
            (bare / program.name).symlink_to(program)
    return f"export PATH='{bare}' CXX="


@pytest.fixture
def cache(tmp_path: Path, slurm: TestCluster, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of the login node, which jobs inherit."""
    monkeypatch.setenv(build.CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def untested(cache: Path) -> int:
    return len(list(cache.glob("*.untested.so")))


def test_jobs_without_a_compiler_use_what_submit_compiled(
    cache: Path, without: str, slurm: TestCluster, tmp_path: Path, data_root: Path
) -> None:
    trial = Trial(tmp_path, data_root, SWEEP, memory="900M", setup=[without], follow_up=False)
    said = trial.submit()
    assert (said.code, said.err.count(f"note: {COMPILING} of 2 widths")) == (0, 1)
    widths = 2
    kinds = [each for each in build.TARGETS if build.targets()[0].machines & each.machines]
    assert untested(cache) == widths * len(kinds)
    slurm.wait_until_idle()
    assert trial.states() == {"done": 2}
    found = [
        name
        for file in trial.store.packs.glob("*/results.parquet")
        for name in pq.read_table(file)["kernels"].to_pylist()
    ]
    assert found == [FUSED, FUSED]
    tested = set(cache.glob("*.so")) - set(cache.glob("*.untested.so"))
    assert len(tested) == widths, "those that a node took"

    for file in cache.glob("*-3-8-*.s*"):
        file.unlink()
    said = trial.regularize("retry")
    assert (said.code, (said.out + said.err).count(f"note: {COMPILING} of 1 width ")) == (0, 1), said
    assert untested(cache) == widths * len(kinds)


@pytest.mark.parametrize("seen", [True, False])
def test_check_says_what_nodes_without_a_compiler_will_use(
    seen: bool,
    cache: Path,
    without: str,
    slurm: TestCluster,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path / "of the node"
    setup = [without] if seen else [without, f"export {build.CACHE}='{other}'"]
    keys = {"kind": "slurm", "partition": "main", "time": 10, "memory": "900M", "setup": setup}
    keys |= {"store": str(tmp_path / "results"), "follow_up": False}
    (tmp_path / "mine.yaml").write_text(json.dumps(keys), encoding="utf-8")
    assert main(["cluster", "check", str(tmp_path / "mine.yaml"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err.count(f"{COMPILING} for nodes without a compiler") == 1
    found = {each["name"]: each for each in json.loads(out)["findings"]}["kernels"]
    if seen:
        assert (found["state"], found["found"]) == ("pass", f"LeNet's stages are {FUSED}")
    else:
        assert found["found"].startswith(f"{NO_COMPILER}, and n")
        assert found["found"].endswith(f" has compiled in {cache}")
        assert build.CACHE in found["todo"]


def test_setup_compiles_for_the_nodes(laptop: Laptop) -> None:
    cache = laptop.there / "cache"
    laptop.write_cluster(setup=[f"export {build.CACHE}='{cache}'"])
    said = laptop.good("cluster", "setup", "far.yaml").out.splitlines()
    assert said[-1] == f"LeNet's kernels are in {cache}; nodes test them before they use them"
    assert untested(cache) > 0
    laptop.write_cluster(setup=[f"export {build.CACHE}='{cache}/none' PATH=/nowhere CXX="])
    said = laptop.good("cluster", "setup", "far.yaml").out.splitlines()
    assert said[-1].startswith("warning: no kernels are compiled here for nodes without a compiler (no comp")
