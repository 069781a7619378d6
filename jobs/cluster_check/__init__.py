"""`regularize cluster check`: a cluster config against the live cluster, as a list of findings."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.cluster.cluster_config import Cluster, FollowUp
from jobs.cluster_check import config_findings, node_findings, probe_job, step_probe
from jobs.cluster_check.finding import Finding, failed, passed, skipped
from jobs.cluster_check.node_probe import HERE, FollowUpProbe, Probe, facts
from jobs.cluster_check.probe_job import Report
from jobs.local.size_trials import answered
from jobs.planning.pack_sizes import asked, chosen, keep
from jobs.slurm.accounts import with_one_account
from jobs.slurm.client import Slurm
from jobs.slurm.least import for_follow_up
from jobs.slurm.limits import Limits
from jobs.slurm.refusals import hint
from jobs.slurm.sbatch_request import REPLACED, parameters, script, small, small_minutes, takes_logs
from jobs.support.readable_numbers import size
from regularize import fused
from regularize.config import RunConfig
from regularize.data.source import Facts
from regularize.errors import UserError
from regularize.fused import build

_REMOVALS = 100  # tries, ten seconds of them


@dataclass(frozen=True, kw_only=True)
class Check:
    """What is checked: a cluster with these folders; `patience` are the seconds that the probe may wait.

    `kinds` are runs whose packs are to be of `auto` size, and `data` those they train on.
    """

    cluster: Cluster
    store: Path
    data_root: Path | None
    patience: float
    say: Callable[[str], None]
    kinds: Sequence[RunConfig] = ()
    data: Mapping[str, Facts] = field(default_factory=dict)

    def findings(self) -> Iterator[Finding]:
        """Everything, in the order in which it is found out; a failure leaves out what depends on it."""
        if self.cluster.kind == "local":
            yield from self._here()
            return
        good = True
        for finding in self._requested():
            good = good and finding.state != "fail"
            yield finding
        if good:
            yield from self._node()
        else:
            yield skipped("compute node", "not tried, as no job can be submitted like that")

    def _here(self) -> Iterator[Finding]:
        folder, finding = _folder(self.store)
        yield finding
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        here = facts(self.data_root) | {"step": step_probe.measured() if self.cluster.gpus else {}}
        yield from node_findings.findings(self.cluster, here, here, self.data_root is not None)
        yield from self._packs(answered(self.kinds, self.cluster, self.data, self.data_root))

    def _packs(self, answers: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
        """What was tried of `pack_runs: auto`, which plans go by from now on."""
        if self.cluster.pack_runs is not None:
            return
        if not self.kinds:
            yield node_findings.no_packs()
            return
        keep(self.kinds, self.cluster, answers, anew=True)
        kinds = {run.pack_key: run for run in self.kinds}
        found = dict(zip(kinds, answers, strict=False))
        yield from node_findings.packs(chosen(kinds, found, self.cluster, self.data), answers)

    def _requested(self) -> Iterator[Finding]:
        """What Slurm says before anything is submitted."""
        slurm = Slurm(say=self.say, patience=30)
        try:
            config, partitions = slurm.config(), slurm.partitions()
            cluster = with_one_account(self.cluster, slurm)
            limits = slurm.limits(cluster)
        except UserError as error:
            yield failed("Slurm", str(error), "run this on a host that can submit jobs")
            return
        yield passed("Slurm", f"{config.get('SLURM_VERSION', '')}, cluster {config.get('ClusterName', '')}")
        yield config_findings.partition(cluster, partitions, slurm.node_states())
        tried = slurm.test_only(script("true", str(self.store), parameters(cluster, name="rs-check")))
        yield config_findings.time_limit(cluster, limits, taken=tried.code == 0)
        yield config_findings.array_size(limits)
        yield config_findings.submitted_jobs(limits)
        enforced = config.get("AccountingStorageEnforce", "").split(",")
        yield config_findings.account(self.cluster, enforced, slurm.associations())
        yield config_findings.history(slurm.accounting(["1"]) is not None)
        if not takes_logs(self.store):
            yield failed("store", f"it is {str(self.store)!r}, but {REPLACED}", "take another folder")
        short = None if tried.code else config_findings.least(cluster, limits)
        yield short or config_findings.request(tried.code, tried.said)
        if cluster.follow_up:
            asked = for_follow_up(cluster)
            limits = limits if asked == cluster else slurm.limits(asked)
            tried = slurm.test_only(self._follow_up(cluster, limits))
            refused = slurm.refused_to_follow_up(cluster)
            yield config_findings.follow_up(cluster, limits, tried.code, tried.said, refused)

    def _follow_up(self, cluster: Cluster, limits: Limits) -> str:
        """The script of a job that goes on after others, in a place of these limits."""
        asked = small(cluster, name="rs-check", minutes=small_minutes(cluster, limits.max_time))
        return script("true", str(self.store), asked)

    def _node(self) -> Iterator[Finding]:
        """What a small job finds on a compute node."""
        folder, finding = _folder(self.store)
        yield finding
        if not folder:
            return
        slurm = Slurm(say=self.say)
        try:
            prepared = self._prepared()
            cluster = with_one_account(self.cluster, slurm)
            limits = slurm.limits(for_follow_up(cluster)) if cluster.follow_up else None
            follow_up = self._follow_up(cluster, limits) if limits else ""
            apart = bool(limits) and _apart(cluster)
            probe = Probe(
                folder=folder,
                data_root=self.data_root,
                scratch=str(self.cluster.scratch or ""),
                follow_up="" if apart else follow_up,
                networks=cluster.usual_runs if cluster.ranks_together > 1 else 0,
                tries=asked(self.kinds, cluster, self.data, self.data_root) if self.kinds else None,
            )
            report, followed = probe_job.run(slurm, cluster, probe, self.patience), None
            if apart and limits and report.there:
                (folder / "next").mkdir()
                follows = FollowUpProbe(folder=folder / "next", script=follow_up)
                followed = probe_job.run_follow_up(slurm, cluster, follows, limits.max_time, self.patience)
        except UserError as error:
            yield failed("compute node", str(error), hint(str(error)) or "mend what it names")
            return
        finally:
            remove(folder)
        if report.waiting:
            yield self._waiting("compute node", report)
        elif report.there is None:
            yield node_findings.ended(str(self.store), report.past, report.log, self.cluster.container)
        else:
            yield passed("store there", f"written by {report.there['host']}, seen from here")
            here = facts(self.data_root) | {"prepared": prepared}
            yield from node_findings.findings(self.cluster, here, report.there, self.data_root is not None)
            if followed:
                yield self._followed(followed)
            yield from self._packs(report.there.get("packs", ()))

    def _followed(self, report: Report) -> Finding:
        """What a job found in the place of the follow-up."""
        if report.waiting:
            return self._waiting("follow-up", report)
        if report.there is None:
            return node_findings.follow_up_ended(report.past, report.log)
        return node_findings.submits(report.there)

    def _prepared(self) -> bool:
        """Whether kernels are here for nodes that may want them; what lacks is compiled, as by a submission.

        Raises:
            UserError: what is to compile is no command.
        """
        if (self.cluster.gpus_asked and not self.cluster.allow_cpu) or fused.switched_off():
            return False
        if build.compilers() and build.lacking():
            once = "once for each version of them: some seconds"
            self.say(f"{fused.COMPILING} for nodes without a compiler, {once}")
        return not build.prepare()

    def _waiting(self, name: str, report: Report) -> Finding:
        return failed(
            name,
            f"job {report.job_id} has not begun in {self.patience / 60:.0f} min ({report.waiting})",
            "not checked; try again with a larger --wait, or when the cluster is less busy",
        )


def _apart(cluster: Cluster) -> bool:
    """Whether the follow-up runs by another Python than what trains, or on other nodes."""
    own = cluster.follow_up or FollowUp()
    elsewhere = any((own.python, own.partition, own.constraint, own.sbatch))
    return bool(cluster.container or elsewhere)


def remove(folder: Path) -> None:
    """Also while the last ranks of a job that has reported write in it what they have to say."""
    for _ in range(_REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


def _folder(store: Path) -> tuple[Path | None, Finding]:
    """A new folder in the store root with something to read in it; None where that cannot be."""
    folder = store / f".check-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True)
        (folder / HERE).write_text("seen", encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        todo = "set `store:` (or --store) to a folder that you may write to and that has room"
        return None, failed("store", f"{store} cannot be written: {error.strerror}", todo)
    return folder, passed("store", f"{store}, {size(shutil.disk_usage(store).free)} free")
