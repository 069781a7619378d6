"""A laptop in front of the cluster: own home, folder and environment, and an ssh whose line can be cut."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from jobs.remote.ssh import control_folder
from regularize.store import Store
from tests.cluster.machines import SYSTEM_PATH

REPOSITORY = Path(__file__).parents[2]
FAR = ("--cluster", "far.yaml")
SWEEP = """\
name: far-away
dataset: digits
model: mlp
training: {steps: 20, batch_size: 32, lr: 0.1}
regularizers:
  none:
  l2: {strength: 1e-4}
seeds: 2
"""

# Notes what it was called for, then is ssh. A file `cut` (calls, in or out, bytes) makes it lose the line,
# once, after so many calls that are let pass, then so many bytes to or from the cluster.
_SSH = """\
#!/bin/bash
case "$*" in "-G "*|*" -O "*) exec /usr/bin/ssh -F "{config}" "$@";; esac
echo "$$ $*" >> "{folder}/calls"
if read -r calls way bytes 2>/dev/null < "{folder}/cut" && [ $calls != 0 ]; then
  echo $((calls - 1)) $way $bytes > "{folder}/cut"
elif [ "$calls" = 0 ]; then
  rm "{folder}/cut"
  lose() {{ dd bs=1 count=$bytes status=none; kill -KILL $$; }}
  if [ $way = in ]; then exec /usr/bin/ssh -F "{config}" "$@" < <(lose)
  else exec /usr/bin/ssh -F "{config}" "$@" > >(lose); fi
fi
exec /usr/bin/ssh -F "{config}" "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended, and what it cost in calls of ssh."""

    code: int
    out: str
    err: str
    calls: int


@dataclass(frozen=True)
class Laptop:
    """`folder` is its working directory, `there` what it has on the cluster."""

    folder: Path
    there: Path
    environment: dict[str, str]

    def run(self, *words: str, stdin: int | None = subprocess.DEVNULL) -> Done:
        """A `regularize` command, without a terminal."""
        before = len(self.calls())
        done = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            stdin=stdin,
            start_new_session=True,
        )
        calls = len(self.calls()) - before
        return Done(code=done.returncode, out=done.stdout, err=done.stderr, calls=calls)

    def good(self, *words: str) -> Done:
        """As `run`, and it must end well."""
        done = self.run(*words)
        assert done.code == 0, done.err
        return done

    def start(self, *words: str, ignoring: Collection[signal.Signals] = ()) -> subprocess.Popen[bytes]:
        """As `run`, without waiting for it; what it says goes to the file `said`.

        However the tests were begun, it ignores those signals of a terminal that it is to ignore.
        """

        def heed() -> None:
            for number in (signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN if number in ignoring else signal.SIG_DFL)

        with (self.folder / "said").open("wb") as said:
            return subprocess.Popen(
                self.command(*words),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
                preexec_fn=heed,
            )

    def at_terminal(self, *words: str, answers: Mapping[str, str]) -> tuple[int, str]:
        """As `run`, at a terminal, where each question (a part of it) gets its answer; all that was there."""
        ours, its = pty.openpty()
        process = subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=self.environment | {"TERM": "xterm"},
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(its)
        shown, seen, deadline = "", 0, time.monotonic() + 120
        while (running := process.poll() is None) or select.select([ours], [], [], 0)[0]:
            if time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise AssertionError(f"it did not end:\n{shown}")
            if running and not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                shown += os.read(ours, 4096).decode(errors="replace")
            except OSError:  # nobody has it open any more
                process.wait(20)
                break
            for question, answer in answers.items():
                if question in shown[seen:]:
                    seen = len(shown)
                    os.write(ours, f"{answer}\n".encode())
        os.close(ours)
        return process.returncode, shown

    def lose_line(self) -> None:
        """Kill the ssh that was called last, and what was left open for later."""
        with suppress(ProcessLookupError):
            os.kill(int(self.calls()[-1].split()[0]), signal.SIGKILL)
        end_masters(self, ["test-login"])

    @property
    def store(self) -> Store:
        """That of `SWEEP` on the cluster."""
        return Store(self.there / "base" / "results" / "far-away")

    def processes(self) -> list[str]:
        """Commands of this laptop's that run on the cluster."""
        found = []
        for process in Path("/proc").iterdir():
            with suppress(OSError):
                words = (process / "cmdline").read_bytes().decode(errors="replace")
                if "jobs.commands.answer_request" in words and (process / "cwd").readlink().is_relative_to(
                    self.there
                ):
                    found.append(words)
        return found

    def command(self, *words: str) -> list[str]:
        return [
            sys.executable,
            "-c",
            "import sys; from jobs.commands.cli import main; sys.exit(main())",
            *words,
        ]

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def cut(self, calls: int, way: str, size: int) -> None:
        """Lose the line of an ssh, after so many `calls` of others and `size` bytes `in` or `out`."""
        (self.folder / "cut").write_text(f"{calls} {way} {size}\n")

    def write_cluster(self, name: str = "far", **keys: object) -> None:
        right: dict[str, object] = {
            "kind": "slurm",
            "host": "test-login",
            "base": str(self.there / "base"),
            "data_root": str(self.there / "data"),
            "python": sys.executable,
            "partition": "main",
            "time": 10,
            "memory": "900M",
            "pack_runs": 4,
            "array_parallelism": 2,
        }
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(right | keys), encoding="utf-8")


def make_laptop(folder: Path, ssh_config: str) -> Laptop:
    """A laptop with this `~/.ssh/config`, a cluster config `far.yaml` and a sweep `sweep.yaml`."""
    here, there, bin_ = folder / "laptop it's", folder / "there", folder / "bin"
    for path in (here, there, bin_, folder / "home"):
        path.mkdir()
    config = folder / "config"
    config.write_text(ssh_config, encoding="utf-8")
    (bin_ / "ssh").write_text(_SSH.format(config=config, folder=here), encoding="utf-8")
    (bin_ / "ssh").chmod(0o755)
    # Programs as a Mac or a bare Linux has them: what nothing here may call.
    (bin_ / "rsync").write_text("#!/bin/sh\ntouch called-rsync\nexit 1\n", encoding="utf-8")
    (bin_ / "rsync").chmod(0o755)
    environment = {
        "PATH": f"{bin_}:{SYSTEM_PATH}",
        "HOME": str(folder / "home"),
        "USER": "somebody",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(REPOSITORY),
        "REGULARIZE_DATA": str(folder / "home" / "data"),
    }
    laptop = Laptop(here, there, environment)
    laptop.write_cluster()
    (here / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    return laptop


def end_masters(laptop: Laptop, hosts: Sequence[str]) -> None:
    """Close the connections that ssh has left open for later."""
    config = (laptop.folder.parent / "config").as_posix()
    for host in hosts:
        options = ["-F", config, "-o", f"ControlPath={control_folder()}/%C", "-O", "exit", host]
        subprocess.run(["/usr/bin/ssh", *options], capture_output=True, check=False, env=os.environ)
