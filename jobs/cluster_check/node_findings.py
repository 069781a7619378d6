"""What the probe reported, as findings. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobs.cluster.cluster_config import Cluster
from jobs.cluster_check import node_probe
from jobs.cluster_check.finding import Finding, failed, passed, warned
from jobs.planning.pack_sizes import Sizes
from jobs.slurm.sacct import PastTask
from jobs.support.readable_numbers import plural
from regularize.fused import NO_COMPILER, SLOWER
from regularize.fused.build import CACHE

_INSTALL = "install the same environment there, or set `python:` and `setup:` so that the job finds it"

_INSTALL_IN = (
    "`apptainer` must be found after the lines of `setup:`, and {} must have `python:` (python3 unless "
    "given) with torch and what else `pip install regularize-sweeps` brings"
)


def findings(
    cluster: Cluster, here: Mapping[str, Any], there: Mapping[str, Any], asked: bool
) -> Iterator[Finding]:
    """What the host of the probe has; `asked` is whether a data root was named."""
    yield passed("python", f"{there['python']} on {there['host']}: {there['executable']}")
    yield _versions(here, there)
    yield _data(there["data"], asked)
    if cluster.scratch:
        yield _scratch(str(cluster.scratch), there["scratch"])
    if there.get("submits"):
        yield submits(there)
    if met := there.get("ranks"):
        yield _ranks(met)
    if wanted := cluster.gpus_asked:
        found = _gpus(wanted, there["gpus"], bool(cluster.gpus_per_task))
        yield replace(found, state="warn") if cluster.allow_cpu and found.state == "fail" else found
        if took := there.get("step"):
            yield _step(took)
    else:
        yield _kernels(here, there, cluster.threads)


def submits(there: Mapping[str, Any]) -> Finding:
    """Whether jobs can be submitted from the host of a probe."""
    if problem := there["submits"]:
        return warned(
            "follow-up",
            f"{there['host']} cannot submit jobs: {problem}",
            "`follow_up: false` leaves it out: then `submit --wait` on a login node goes on by itself",
        )
    return passed("follow-up", f"its Python is on {there['host']}, from where jobs can be submitted")


def follow_up_ended(past: PastTask | None, log: str | None) -> Finding:
    """Why the probe in the follow-up's place has not reported, as `ended`."""
    where = f" on {past.nodes}" if past and past.nodes else ""
    how = f"a job like it ended as {past.state}, exit code {past.exit_code},{where}" if past else "it ended"
    todo = "`follow_up: {python: …}` names a Python for it that its node has, outside any container"
    return failed("follow-up", f"{how}: {log or 'no log is to be seen here'}", todo)


def packs(sizes: Sizes, answers: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """What was tried of `pack_runs: auto`."""
    for said in sizes.said:
        yield passed("packs", f"up to {said}")
    for problem in dict.fromkeys(answer["problem"] for answer in answers if "problem" in answer):
        yield warned(
            "packs", f"a try failed: {problem}", f"packs are of {sizes.otherwise} until one succeeds"
        )


def no_packs() -> Finding:
    todo = "`--sweep FILE` tries its runs; until then packs are of the usual size"
    return warned("packs", "`pack_runs: auto`, and no sweep whose runs are to be tried", todo)


def ended(store: str, past: PastTask | None, log: str | None, container: str | None = None) -> Finding:
    """Why the probe has not reported, from how its job ended and the end of its log (None without one)."""
    node = past.nodes if past and past.nodes else "the compute node"
    code = past.exit_code if past else 0
    shared = "choose a `store:` on a file system that login and compute nodes share"
    if code == node_probe.UNSEEN:
        return failed("store", f"{node} does not see in {store} what was written here", shared)
    if code == node_probe.UNWRITABLE:
        return failed("store", f"{node} cannot write to {store}: {log}", shared)
    how = f"the job ended as {past.state}, exit code {code}, on {node}" if past else "the job ended"
    if log is None or (past and past.state == "COMPLETED"):
        return failed("store", f"{how}, and nothing of it is to be seen in {store}", shared)
    if not log:
        return failed("python", f"{how}, with an empty log", "look at what `setup:` does")
    known = any(words in log for words in ("No module named", "not found", "No such file"))
    if known and container:
        return failed("python", f"{how}: {log}", _INSTALL_IN.format(container))
    return failed("python", f"{how}: {log}", _INSTALL if known else "mend what it names")


def _versions(here: Mapping[str, Any], there: Mapping[str, Any]) -> Finding:
    minor = [host["python"].rpartition(".")[0] for host in (here, there)]
    if minor[0] != minor[1]:
        return failed("versions", f"Python {minor[0]} here, {minor[1]} there", _INSTALL)
    other = {
        name: (version, there["versions"].get(name) or "none")
        for name, version in here["versions"].items()
        if there["versions"].get(name) != version
    }
    words = ", ".join(f"{name} {ours} here, {theirs} there" for name, (ours, theirs) in other.items())
    if "regularize-sweeps" in other:
        return failed("versions", words, _INSTALL)
    if other:
        return warned("versions", words, _INSTALL)
    return passed("versions", f"torch {there['versions']['torch']} and all others as here")


def _data(data: Mapping[str, Any], asked: bool) -> Finding:
    folder, sets = data["folder"], data["sets"]
    fetch = f"`regularize data fetch NAME --data-root {folder}`, on a host with internet"
    if not data["there"] and asked:
        return failed(
            "data", f"there is no {folder}", f"set `data_root:` to a folder that all nodes see; {fetch}"
        )
    if not sets:
        return warned("data", f"no data set in {folder}; only digits and clusters need none", fetch)
    return passed("data", f"{', '.join(sets)} in {folder}")


def _scratch(folder: str, problem: str) -> Finding:
    if problem:
        return failed("scratch", problem, "set `scratch:` to a folder of the node that one may write to")
    return passed("scratch", folder)


def _kernels(here: Mapping[str, Any], there: Mapping[str, Any], threads: int) -> Finding:
    name = there["kernels"]
    if name.startswith("fused") and threads > 1:
        found = f"LeNet's stages are {name}, which use one of the {threads} CPUs of a task"
        return warned("kernels", found, "for LeNets `cpus_per_task: 1`, and as many more tasks")
    if name.startswith("fused"):
        return passed("kernels", f"LeNet's stages are {name}")
    todo = "load a C++ compiler in `setup:`, or install the wheel `ziglang`"
    if name == NO_COMPILER and here.get("prepared"):
        place = here["kernel_cache"]
        name += f", and {there['host']} does not see what {here['host']} has compiled in {place}"
        todo = f"`export {CACHE}=…` in `setup:` and in your profile names a folder that both see; or {todo}"
    return warned("kernels", name, f"LeNets take {SLOWER}; {todo}")


def _ranks(met: Mapping[str, Any]) -> Finding:
    if met["problem"]:
        todo = "mend what it names; `mode: spread` needs no meeting, nor does one task of several CPUs"
        return failed("ranks", met["problem"], todo)
    share = f"{plural(met['ranks'], 'rank')} on {plural(met['nodes'], 'node')} met"
    networks = f"the gradients of {plural(met['networks'], 'LeNet')}"
    return passed("ranks", f"{share}; adding up {networks} at each step takes {1000 * met['seconds']:.1f} ms")


def _step(took: Mapping[str, Any]) -> Finding:
    if problem := took.get("problem"):
        todo = "install a torch that is built for this GPU and for the node's driver"
        return failed("step", f"nothing trains on {took['device']}: {problem}", todo)
    pack = f"{plural(took['networks'], 'LeNet')}, {took['batch']} images each"
    return passed("step", f"a step of {pack}, takes {1000 * took['seconds']:.1f} ms on {took['device']}")


def _gpus(wanted: int, found: int, per_task: bool) -> Finding:
    if found < wanted:
        todo = "ask for `gpus_per_task:` in a partition that has them, and install torch with CUDA"
        return failed("gpus", f"torch sees {found}, {wanted} are asked for", todo)
    if wanted > 1 and per_task:
        todo = "`gpus_per_task: 1` and more `tasks_per_node:` use them all"
        return warned("gpus", f"torch sees {found}, but a task trains on one", todo)
    return passed("gpus", f"torch sees {found}")
