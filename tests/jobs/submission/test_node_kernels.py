"""Which kernels are compiled before jobs are handed over."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.submission.node_kernels import MOST, compile_for_nodes
from jobs.sweep.sweep_file import load_sweep
from regularize import fused, kernel_path
from regularize.fused import build
from regularize.fused.reach import USUAL, Filters

SWEEP = """\
name: small
dataset: digits
model: {models}
training: {{steps: 2, precision: {precision}}}
regularizers: {{none: }}
"""
SEED = "seeds: 1\n"
Said = tuple[set[Filters], list[str]]
COMPILER = "#!/bin/sh\nwhile [ $1 != -o ]; do shift; done; cp {library} $2\n"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that can be loaded."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "empty.cpp").touch()
    path = folder / "empty.so"
    subprocess.run([*build.compilers()[0], "-shared", "-o", path, folder / "empty.cpp"], check=True)
    return path


@pytest.fixture
def cache(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, and a compiler that is quick."""
    compiler = tmp_path / "compiler"
    compiler.write_text(COMPILER.format(library=library), encoding="utf-8")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv(build.CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def compiled(cache: Path, models: str, precision: str = "float32", more: str = SEED, **keys: object) -> Said:
    """The filters of which something is in the cache now, and what was said."""
    path = cache.parent / "sweep.yaml"
    path.write_text(SWEEP.format(models=models, precision=precision) + more, encoding="utf-8")
    said: list[str] = []
    compile_for_nodes(load_sweep(path), Cluster(kind="slurm", **keys), said.append)  # type: ignore[arg-type]
    names = [file.name.split("-")[2:4] for file in cache.glob("*.untested.so")]
    return {(int(first), int(second)) for first, second in names}, said


def test_what_is_compiled_is_said_once(cache: Path) -> None:
    found, (line,) = compiled(cache, "{lenet5: {width: [0.5, 1]}, lenet_prime: }")
    assert found == {USUAL, (3, 8)}
    assert line.startswith("compiling LeNet's kernels of 2 widths for nodes without a compiler, once")
    assert compiled(cache, "{lenet5: {width: [0.5, 1]}}") == (found, [])


def test_the_usual_first_and_not_more_than_a_login_node_should_compile(cache: Path) -> None:
    widths = [round(0.1 * place, 1) for place in range(5, 35)]
    found, said = compiled(cache, f"{{lenet5: {{width: {widths}}}}}")
    assert USUAL in found
    assert len(found) == MOST
    assert re.match(r"LeNets of \d+ widths more are not compiled here: on nodes without a compiler", said[1])


def test_widths_that_a_grid_may_go_on_to(cache: Path) -> None:
    """By one more on either side each time it is widened, as `jobs.planning.widening` has it."""
    tune = "tune: {width: [0.5, 1]}\nwiden: 2\n"
    two_phases = "seeds: {tune: 2, report: 2}\n"
    found, said = compiled(cache, "lenet5", more=tune + two_phases)
    expected = {kernel_path.filters(f"lenet5 width={width}") for width in (0.125, 0.25, 0.5, 1, 2, 4)}
    assert (found, len(said)) == (expected, 1)


def test_a_compiler_that_makes_nothing_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache.parent / "compiler").write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    monkeypatch.setenv("PATH", "/nowhere")
    found, said = compiled(cache, "{lenet5: {width: [0.5, 1]}}")
    assert found == set()
    assert said[1].startswith("they are not compiled here (compiler: exit code 3): on nodes without")
    assert len(said) == 2


def test_nothing_where_no_node_could_use_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Said = (set(), [])
    assert compiled(cache, "[mlp, resnet8]") == nothing
    assert compiled(cache, "lenet5", "float64") == nothing
    assert compiled(cache, "lenet5", gpus_per_task=1) == nothing
    monkeypatch.setenv(fused.SETTING, "torch")
    assert compiled(cache, "lenet5") == nothing
    monkeypatch.delenv(fused.SETTING)
    assert compiled(cache, "lenet5", gpus_per_task=1, allow_cpu=True)[0] == {USUAL}


def test_a_compiler_that_is_none_ends_no_submission(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On GPUs, where nobody asked for one before."""
    monkeypatch.setenv("CXX", 'g++ "')
    assert compiled(cache, "lenet5", gpus_per_task=1, allow_cpu=True) == (set(), [])
