"""The cluster: how it starts, what tests may do to it, and how it stops."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import settings
from tests.cluster.machines import SYSTEM_PATH, memory_groups, on_machine
from tests.cluster.processes import Processes, free_ports, wait_for
from tests.cluster.settings import LOGINS, NODES, Ports

ROOT = Path(__file__).parents[2]


class TestCluster:
    """A running cluster of four nodes. `environment` is what its clients need; `folder` is all its state."""

    __test__ = False

    def __init__(self) -> None:
        # A short path: that of a Unix socket has at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.folder.chmod(0o755)
        database, slurmdbd, slurmctld, *others = free_ports(3 + len(NODES) + len(LOGINS))
        self._ports = Ports(
            database=database,
            slurmdbd=slurmdbd,
            slurmctld=slurmctld,
            nodes=tuple(others[: len(NODES)]),
            logins=tuple(others[len(NODES) :]),
        )
        self._host = socket.gethostname().partition(".")[0]
        self._options: dict[str, object] = {}
        self._max_submit_jobs: int | None = None
        self.environment = _clean(os.environ) | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}:{SYSTEM_PATH}",
            "PYTHONPATH": str(ROOT),  # the nodes import from it what is only for tests
            "SLURM_CONF": str(self.folder / "slurm.conf"),
        }
        self._groups = memory_groups(self.folder.name)
        self._processes = Processes(self.folder, self._groups or self.folder, self.environment)
        try:
            self._write_files()
            self._start()
        except BaseException:
            self.stop()
            raise

    @property
    def kernel_kills(self) -> bool:
        """Whether the kernel ends tasks that take more memory than they asked for, not Slurm's polling."""
        return self._groups is not None

    def stop(self) -> None:
        """End all processes and remove the folder."""
        self._processes.stop()

    # Asking

    def run(self, *command: str, check: bool = True) -> str:
        """The output of a command with the cluster's environment.

        Raises:
            RuntimeError: it failed; with what it said.
        """
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def sbatch(self, script: str, *options: str) -> str:
        """Submit a shell script; returns the job's id."""
        output = self.folder / "output"
        command = ["sbatch", "--parsable", f"--output={output}/%A_%a.out", *options, "--wrap", script]
        return self.run(*command).strip()

    def state(self, job_id: str) -> str:
        """The state of a job or of one array task, from slurmctld or, once it forgot it, from sacct."""
        shown = self.run("scontrol", "--oneliner", "show", "job", job_id, check=False)
        if states := re.findall(r"JobState=(\S+)", shown):
            return str(states[0])
        return self.run("sacct", "-X", "-n", "-P", "-o", "State", "-j", job_id).split("\n")[0].split(" ")[0]

    def wait_for_state(self, job_id: str, *states: str, seconds: float = 60) -> str:
        """Wait until a job is in one of the states."""

        def there() -> str:
            state = self.state(job_id)
            return state if state in states else ""

        return wait_for(f"job {job_id} to be {' or '.join(states)}, is {self.state(job_id)}", there, seconds)

    def queued(self) -> list[str]:
        """Ids of all jobs and array tasks that have not ended."""
        return self.run("squeue", "--noheader", "--array", "--format=%i").split()

    def wait_until_idle(self, seconds: float = 300) -> None:
        """Wait until nothing is queued."""
        wait_for("an empty queue", lambda: not self.queued(), seconds, pause=0.5)

    def node_states(self) -> dict[str, str]:
        """State of each node in lower case, without marks (`idle*` is `idle`)."""
        lines = self.run("sinfo", "--noheader", "--Node", "--format=%n %T").splitlines()
        return {name: state.rstrip("*~#!%$@^-+") for name, state in map(str.split, lines)}

    # Doing harm

    def kill_node(self, name: str) -> None:
        """End a node as a power failure does: its slurmd and all that runs on it, at once."""
        self._processes.kill(name)

    def restart_node(self, name: str) -> None:
        """Start a killed node again and wait until it may be used."""
        self._start_node(name)
        wait_for(f"{name} to return", lambda: self.node_states()[name] in ("idle", "mixed", "allocated"), 60)

    def hide(self, folder: Path, name: str) -> None:
        """Mount an empty folder over this one, as the node of that name sees it, until it is killed."""
        mount = ["mount", "-t", "tmpfs", "none", str(folder)]
        self.run("nsenter", f"--target={self._processes.pid(name)}", "--mount", *mount)

    def mark_down(self, name: str) -> None:
        """Tell slurmctld that a node is down, so that nobody waits until it notices."""
        self.run("scontrol", "update", f"nodename={name}", "state=down", "reason=test")

    def kill_login(self) -> None:
        """End the login node, and all that runs there."""
        self._processes.kill("login")

    def start_login(self) -> None:
        self._start_sshd("login")
        self._processes.await_port("login", self._ports.logins[0])

    def stop_controller(self) -> None:
        self._processes.kill("slurmctld", signal.SIGTERM)

    def start_controller(self) -> None:
        self._processes.start("slurmctld", ["slurmctld", "-D", "-i"])
        self._processes.await_port("slurmctld", self._ports.slurmctld)
        wait_for("slurmctld to answer", lambda: "UP" in self.run("scontrol", "ping", check=False))

    def stop_accounting(self) -> None:
        """End slurmdbd, so that sacct fails."""
        self._processes.kill("slurmdbd", signal.SIGTERM)

    def start_accounting(self) -> None:
        self._processes.start("slurmdbd", ["slurmdbd", "-D"])
        self._processes.await_port("slurmdbd", self._ports.slurmdbd)

    # Changing limits

    def set_config(self, **options: object) -> None:
        """Lines of `slurm.conf`, e.g. `MaxArraySize=5`; without arguments, as at the start."""
        self._options = options
        self._write_slurm_conf()
        self.stop_controller()
        self.start_controller()

    def tidy(self) -> None:
        """An empty queue, all daemons, all nodes, no limits: as at the start."""
        if not self._processes.running("slurmdbd"):
            self.start_accounting()
        if not self._processes.running("slurmctld"):
            self.start_controller()
        if not self._processes.running("login"):
            self.start_login()
        self.tidy_nodes()
        if jobs := self.queued():
            self.run("scancel", "--signal=KILL", *jobs, check=False)
            self.run("scancel", *jobs, check=False)
        if self._options:
            self.set_config()
        if self._max_submit_jobs is not None:
            self.set_max_submit_jobs(None)
        try:
            self.wait_until_idle(10)
        except TimeoutError:
            self._end_completing()
        wait_for("four idle nodes", lambda: set(self.node_states().values()) == {"idle"}, 60)

    def _end_completing(self) -> None:
        """Let go of jobs that have ended, and are COMPLETING all the same.

        Slurm 24.11 keeps them for over a minute after the controller was restarted; but none where a node is
        down.
        """
        for state in ("down", "resume"):
            self.run("scontrol", "update", f"nodename={','.join(NODES)}", f"state={state}", "reason=test")
        self.wait_until_idle(60)

    def tidy_nodes(self) -> None:
        """All nodes, none of them down."""
        for name in NODES:
            if not self._processes.running(name):
                self._start_node(name)
            elif self.node_states()[name] == "down":
                self.run("scontrol", "update", f"nodename={name}", "state=resume", check=False)

    def set_max_submit_jobs(self, jobs: int | None) -> None:
        """How many jobs and array tasks the user may have queued; None for no limit."""
        self._max_submit_jobs = jobs
        limit = -1 if jobs is None else jobs
        self.run("sacctmgr", "-i", "modify", "user", "root", "set", f"MaxSubmitJobs={limit}")

    # Starting

    def _write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)

    def _write_slurm_conf(self) -> None:
        memory = settings.memory_by_groups() if self.kernel_kills else settings.memory_by_polling()
        options = memory | self._options
        self._write("slurm.conf", settings.slurm_conf(self.folder, self._host, self._ports, options))

    def _write_files(self) -> None:
        self._mount(self.folder, "512m")  # in memory: the database would wait for the disk for seconds
        for name in ("munge", "database", "state", "ssh", "output", "small"):
            (self.folder / name).mkdir()
        folder, host, ports = self.folder, self._host, self._ports
        self._write("hosts", settings.hosts(host))
        self._write("cgroup.conf", settings.CGROUP_CONF)
        self._write_slurm_conf()
        self._write("slurmdbd.conf", settings.slurmdbd_conf(folder, host, ports), 0o600)
        (folder / "munge" / "key").touch(mode=0o600)
        (folder / "munge" / "key").write_bytes(secrets.token_bytes(128))
        for name in ("host_key", "key"):
            self.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "ssh" / name))
        shutil.copy(folder / "ssh" / "key.pub", folder / "ssh" / "authorized_keys")
        key = (folder / "ssh" / "host_key.pub").read_text()
        known = "".join(f"[127.0.0.1]:{port} {key}" for port in ports.logins)
        self._write("ssh/known_hosts", known)
        self._write("ssh/config", settings.ssh_config(folder, "root", ports), 0o600)
        for name, port in zip(LOGINS, ports.logins, strict=True):
            more = settings.GUARDED if name == "guarded" else ""
            more += settings.with_home(folder, folder / "noisy") if name == "noisy" else ""
            self._write(f"ssh/sshd-{name}", more + settings.sshd_config(folder, name, port))
        self._write("ssh/pam", settings.pam(folder))
        self._write("ssh/code", settings.CHECK_CODE, 0o755)
        self._mount(folder / "small", "40m")  # soon full; mounted before the nodes, so that they see it too

    def _mount(self, path: Path, size: str) -> None:
        self.run("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "slurm", str(path))

    def _start(self) -> None:
        # slurmdbd keeps procedures in the database, which needs MariaDB's own tables, but no passwords.
        self.run("mariadb-install-db", *self._database_options(), "--skip-test-db")
        self._processes.start("munged", self._munged())
        self._processes.start("mariadbd", self._mariadbd())
        for name in LOGINS:
            self._start_sshd(name)
        self._processes.await_port("mariadbd", self._ports.database)
        wait_for("munged", (self.folder / "munge" / "socket").exists)
        self.start_accounting()
        manager = ["sacctmgr", "-i", "-Q"]
        self.run(*manager, "add", "cluster", "test")
        self.run(*manager, "add", "account", "research")
        self.run(*manager, "add", "user", "root", "account=research", "defaultaccount=research")
        self.start_controller()
        for name in NODES:
            self._start_node(name)
        wait_for("four idle nodes", lambda: set(self.node_states().values()) == {"idle"}, 60)
        for name, port in zip(LOGINS, self._ports.logins, strict=True):
            self._processes.await_port(name, port)

    def _start_sshd(self, name: str) -> None:
        become = 'mount --bind "$1" /etc/pam.d/sshd; exec /usr/sbin/sshd -D -e -f "$2"'
        files = (self.folder / "ssh" / "pam", self.folder / "ssh" / f"sshd-{name}")
        self._on_machine(name, ["sh", "-ec", become, "sh", *map(str, files)])

    def _start_node(self, name: str) -> None:
        self._on_machine(name, ["slurmd", "-D", "-N", name])

    def _on_machine(self, name: str, command: Sequence[str]) -> None:
        self._processes.start(name, on_machine(name, self.folder / "hosts", self._groups, command))

    def _munged(self) -> list[str]:
        files = {"key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        paths = [f"--{option}={self.folder / 'munge' / name}" for option, name in files.items()]
        return ["munged", "-F", "--force", f"--socket={self.folder / 'munge' / 'socket'}", *paths]

    def _mariadbd(self) -> list[str]:
        return [
            "mariadbd",
            *self._database_options(),
            "--skip-grant-tables",
            "--bind-address=127.0.0.1",
            f"--port={self._ports.database}",
            f"--socket={self.folder / 'database' / 'socket'}",
            f"--pid-file={self.folder / 'database' / 'pid'}",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-lock-wait-timeout=900",
            "--innodb-buffer-pool-size=256M",
        ]

    def _database_options(self) -> list[str]:
        return ["--no-defaults", "--user=root", f"--datadir={self.folder / 'database'}"]


def _clean(environment: os._Environ[str]) -> dict[str, str]:
    """Without what a surrounding Slurm job would say."""
    return {k: v for k, v in environment.items() if not k.startswith(("SLURM", "SBATCH", "SRUN"))}
