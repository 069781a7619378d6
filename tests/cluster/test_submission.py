"""Submitting to a real Slurm: crashes, two at once, growing, cancelling. Most jobs are held."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.status.overview import read_overview
from jobs.store.journal import read_journal
from regularize.store import Store, read_json
from tests.cluster.accounting import added
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster

SWEEP = """\
name: held
dataset: digits
model: lenet5
training: {steps: 5, batch_size: 8}
regularizers:
  none:
  l2: {strength: [1e-4, 1e-3]}
seeds: 8
"""
HELD = "{kind: slurm, partition: main, time: 10, memory: 1500M, pack_runs: 2, sbatch: {hold: true}}\n"
PROGRAM = "import sys; from jobs.commands.cli import main; sys.exit(main())"
# Slurm has the job, and nobody hears of it.
KILLER = """\
#!/bin/sh
"{program}" "$@" > /dev/null
kill -KILL $PPID
"""
COUNTER = """\
#!/bin/sh
echo {name} >> "{folder}/calls"
exec "{program}" "$@"
"""


@dataclass(frozen=True)
class Desk:
    """A person's folder, with a sweep, a cluster config and commands to run."""

    folder: Path

    @property
    def store(self) -> Store:
        return Store(self.folder / "results" / "held")

    def start(self, command: str, *options: str) -> subprocess.Popen[str]:
        arguments = [command, "sweep.yaml", "--store", "results", *options]
        if command == "submit":
            arguments += ["--cluster", "held.yaml", "--data-root", "data"]
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=self.folder,
            env=os.environ | {"PATH": path, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, command: str, *options: str, code: int = 0) -> str:
        """What it says, once it has ended with that exit code."""
        process = self.start(command, *options)
        out, err = process.communicate(timeout=240)
        assert process.returncode == code, (out, err)
        return out + err

    def wrap(self, name: str, text: str) -> Path:
        """Put a script in the place of one of Slurm's programs."""
        wrapper = self.folder / "bin" / name
        program = shutil.which(name)
        wrapper.parent.mkdir(exist_ok=True)
        wrapper.write_text(text.format(name=name, folder=self.folder, program=program), encoding="utf-8")
        wrapper.chmod(0o755)
        return wrapper


@pytest.fixture
def desk(slurm: TestCluster, tmp_path: Path) -> Desk:
    (tmp_path / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    (tmp_path / "held.yaml").write_text(HELD, encoding="utf-8")
    return Desk(tmp_path)


def arrays(slurm: TestCluster) -> list[str]:
    """Ids of what is in the queue, an array's elements together."""
    return sorted(slurm.run("squeue", "--noheader", "--format=%A").split())


def test_a_crash_between_sbatch_and_the_journal_is_found_by_name(desk: Desk, slurm: TestCluster) -> None:
    wrapper = desk.wrap("sbatch", KILLER)
    desk.run("submit", code=-signal.SIGKILL)
    wrapper.unlink()
    before = arrays(slurm)
    (handed,) = read_journal(desk.store.journal).handed
    assert (handed.unsure, len(set(before))) == (True, 1)
    assert read_overview(desk.store).runs == {"unknown": 24}

    said = desk.run("submit")
    assert f"job {before[0]} of a submission that was cut short" in said
    assert "24 runs queued or running before" in said
    found, follow_up = read_journal(desk.store.journal).handed
    assert (found.job_id, follow_up.after) == (before[0], (before[0],))
    assert set(arrays(slurm)) == {before[0], follow_up.job_id}
    # What submitit reads in the job is there too, which the crash kept it from writing.
    pickles = {path.name for path in desk.store.jobs.glob("*.pkl")}
    assert {f"{found.slurm_id(index)}_submitted.pkl" for index in range(found.jobs)} <= pickles


def test_a_crash_before_sbatch_is_forgotten(desk: Desk, slurm: TestCluster) -> None:
    wrapper = desk.wrap("sbatch", "#!/bin/sh\nkill -KILL $PPID\n")
    desk.run("submit", code=-signal.SIGKILL)
    wrapper.unlink()
    desk.run("submit")
    never, array, follow_up = read_journal(desk.store.journal).handed
    assert never.abandoned
    assert set(arrays(slurm)) == {array.job_id, follow_up.job_id}


def test_of_two_submissions_at_once_one_wins_and_the_other_says_so(desk: Desk, slurm: TestCluster) -> None:
    both = [desk.start("submit") for _ in range(2)]
    said = [process.communicate(timeout=240) for process in both]
    assert len(read_journal(desk.store.journal).arrays) == 1
    words = "".join(out + err for out, err in said)
    # Whoever came while the other was at work was refused; whoever came after it found nothing to do.
    assert "this sweep is being submitted by process" in words or "24 runs queued or running before" in words


def test_a_sweep_that_has_grown_hands_over_what_is_new(desk: Desk, slurm: TestCluster) -> None:
    desk.run("submit")
    said = desk.run("submit", "--set", "seeds=10")
    assert "6 runs to do" in said
    assert "24 runs queued or running before" in said
    first, old, second, follow_up = read_journal(desk.store.journal).handed
    assert len({run for index in range(second.jobs) for run in second.runs(index)}) == 6
    # One follow-up waits for both arrays; the earlier one is gone.
    assert set(follow_up.after) == {first.job_id, second.job_id}
    assert set(arrays(slurm)) == {first.job_id, second.job_id, follow_up.job_id}
    jobs = [submission["slurm_jobs"] for submission in read_json(desk.store.provenance)["submissions"]]
    assert jobs == [[first.job_id], [second.job_id]]
    assert old.job_id not in arrays(slurm)


def test_cancelled_runs_stay_out_until_everything_is_asked_for(desk: Desk, slurm: TestCluster) -> None:
    desk.run("submit")
    assert desk.run("logs") == "nothing failed or was lost\n"
    assert "==> " in desk.run("logs", "--state", "queued")
    assert desk.run("cancel", "--regularizer", "none").startswith("8 runs of ")
    found = read_overview(desk.store)
    assert found.cells["none", "digits"] == {"planned": 8}
    assert found.left_out == {"cancelled": 8}
    desk.run("cancel")
    assert arrays(slurm) == []
    assert read_overview(desk.store).runs == {"planned": 24}
    assert "24 runs to do" in desk.run("submit")


def test_status_asks_squeue_and_sacct_once(desk: Desk, slurm: TestCluster) -> None:
    desk.run("submit")
    desk.run("submit", "--set", "seeds=9")
    handed = read_journal(desk.store.journal).arrays[0]
    slurm.run("scancel", str(handed.job_id))
    for name in ("squeue", "sacct"):
        desk.wrap(name, COUNTER)
    desk.run("status")
    calls = Counter((desk.folder / "calls").read_text(encoding="utf-8").split())
    assert calls == {"squeue": 1, "sacct": 1}


@pytest.mark.parametrize("ranks", ["", ", mode: ddp, nodes: 2"])
def test_what_runs_out_of_memory_is_given_more_unattended(desk: Desk, slurm: TestCluster, ranks: str) -> None:
    """On two nodes as well, where no task of the job took what the job was given."""
    text = f"{{kind: slurm, partition: main, time: 10, memory: 300M, max_memory: 2000M{ranks}}}\n"
    (desk.folder / "held.yaml").write_text(text, encoding="utf-8")
    few = ["--set", "seeds=1", "--set", "regularizers={none: }"]
    desk.run("submit", *few)
    slurm.wait_until_idle(400)
    assert read_overview(desk.store).runs == {"done": 1}
    memory = [handed.memory for handed in read_journal(desk.store.journal).arrays]
    assert memory == [300 * 2**attempt for attempt in range(len(memory))]
    assert len(memory) > 1


SILENT = "#!/bin/sh\n"
SHOWS_NO_JOB = """\
#!/bin/sh
case "$*" in *"show job"*) exit 0 ;; esac
exec "{program}" "$@"
"""


def test_while_slurm_is_silent_nothing_is_handed_over_twice(desk: Desk, slurm: TestCluster) -> None:
    desk.run("submit")
    before = arrays(slurm)
    for name in ("squeue", "sacct"):
        desk.wrap(name, SILENT)
    assert "24 runs queued or running before" in desk.run("submit"), "the controller itself knows them"
    assert arrays(slurm) == before

    controller = desk.wrap("scontrol", SHOWS_NO_JOB)
    said = desk.run("submit")
    assert "24 runs unknown: neither squeue nor sacct has a word of job" in said
    array, *_ = read_journal(desk.store.journal).arrays
    assert [str(handed.job_id) for handed in read_journal(desk.store.journal).arrays] == [array.job_id]
    assert "when it cannot be; if you know that it is not" in " ".join(desk.run("status").split())
    assert "24 unknown" in desk.run("status")
    assert str(array.job_id) in arrays(slurm)

    # A person says that it is lost, wrongly: it is ended before its packs are handed over again.
    assert "24 runs to try again" in desk.run("retry", "--lost")
    again = read_journal(desk.store.journal).arrays[-1]
    assert again.job_id != array.job_id
    assert str(again.job_id) in arrays(slurm)
    assert str(array.job_id) not in arrays(slurm)

    controller.unlink()
    assert read_overview(desk.store).runs == {"queued": 24}


OPEN = "{kind: slurm, time: 10, memory: 1500M, pack_runs: 2, sbatch: {hold: true}}\n"
WISHES = {"SBATCH_PARTITION": "low", "SLURM_ACCOUNT": "course"}


def test_what_the_shell_asks_of_sbatch_stands_where_the_config_leaves_it_open(
    desk: Desk, slurm: TestCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not what a job has it from: there it is that job's."""

    def asked() -> set[str]:
        return set(slurm.run("squeue", "--noheader", "--states=PENDING", "--format=%a %P").splitlines())

    notes = [
        f"note: {key}, as the cluster config leaves it open"
        for key in ("account: course (by $SLURM_ACCOUNT)", "partition: low (by $SBATCH_PARTITION)")
    ]
    config = desk.folder / "held.yaml"
    config.write_text(OPEN, encoding="utf-8")
    given = ["--cluster", "held.yaml", "--data-root", "data"]
    with added(slurm, ("account", "course"), ("user", "root", "account=course")):
        for name, value in WISHES.items():
            monkeypatch.setenv(name, value)
        assert all(note in desk.run("plan", *given) for note in notes)
        said = desk.run("submit")
        assert all(note in said for note in notes)
        assert asked() == {"course low"}, "the array, and what follows it"
        desk.run("cancel")

        config.write_text(HELD.replace("partition", "account: research, partition"), encoding="utf-8")
        assert "as the cluster config leaves it open" not in desk.run("plan", *given) + desk.run("submit")
        assert asked() == {"research main"}
        desk.run("cancel")

        config.write_text(OPEN, encoding="utf-8")
        words = [sys.executable, "-c", PROGRAM, "submit", "sweep.yaml", "--store", "results", *given]
        exports = "".join(f"export {name}={value}; " for name, value in WISHES.items())
        job = slurm.sbatch(f"cd {desk.folder}; {exports}{shlex.join(words)}", "-plow", "-Acourse")
        slurm.wait_for_state(job, "COMPLETED")
        assert asked() == {"research main"}, "the defaults"


def test_what_reaches_no_checkpoint_in_its_time_is_given_more_unattended(
    desk: Desk, slurm: TestCluster
) -> None:
    go = desk.folder / "go"
    stuck = f'test -n "$SLURM_JOB_DEPENDENCY" || test -e {go} || sleep 600'
    text = f"{{kind: slurm, time: 10, max_time: 15, memory: 900M, setup: ['{stuck}']}}\n"
    (desk.folder / "held.yaml").write_text(text, encoding="utf-8")
    desk.run("submit", "--set", "seeds=1", "--set", "regularizers={none: }")
    (first,) = read_journal(desk.store.journal).arrays
    job = first.slurm_id(0)
    slurm.wait_for_state(job, "RUNNING")
    slurm.run("scontrol", "update", f"jobid={job}", "timelimit=0")
    slurm.wait_for_state(job, "TIMEOUT")
    go.touch()
    slurm.wait_until_idle()
    assert read_overview(desk.store).runs == {"done": 1}
    assert [handed.minutes for handed in read_journal(desk.store.journal).arrays] == [10, 15]


def test_the_word_that_the_time_is_nearly_over_ends_no_worker_that_does_not_listen_yet(
    desk: Desk, slurm: TestCluster
) -> None:
    """A Python that takes its time to load; of its node that would seem a failure."""
    loads, go = desk.folder / "loads", desk.folder / "go"
    python = desk.folder / "python"
    wait = f"touch {loads}; until test -e {go}; do sleep 0.2; done"
    python.write_text(f'#!/bin/sh\n{wait}\nexec {shlex.quote(sys.executable)} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    text = f"{{kind: slurm, time: 10, memory: 900M, follow_up: false, python: {python}}}\n"
    (desk.folder / "held.yaml").write_text(text, encoding="utf-8")
    desk.run("submit", "--set", "seeds=1", "--set", "regularizers={none: }")
    (array,) = read_journal(desk.store.journal).arrays
    wait_for("Python", loads.exists)
    slurm.run("scancel", "--signal=USR2", array.slurm_id(0))
    go.touch()
    slurm.wait_until_idle()
    assert slurm.state(array.slurm_id(0)) == "COMPLETED"
    assert read_overview(desk.store).runs == {"done": 1}
