"""The texts of the cluster's configuration files, as functions of folder and ports. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NODES = ("n1", "n2", "n3", "n4")
CPUS, MEMORY_MB = 4, 4000  # that each node claims to have
LOGINS = ("login", "jump", "guarded", "noisy")  # the third asks for a code, too; the last has startup files
CODE = "424242"


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Free ports of 127.0.0.1."""

    database: int
    slurmdbd: int
    slurmctld: int
    nodes: tuple[int, ...]
    logins: tuple[int, ...]


def slurm_conf(folder: Path, host: str, ports: Ports, options: Mapping[str, object]) -> str:
    """`slurm.conf`. `options` replace lines of it (None: there is none) or are added.

    Those by a node's name are what it has.

    A requeued job may start again after `cred_expire` seconds (120 by default, more than 5). squeue forgets
    a job `MinJobAge` seconds after its end. A node that is silent for `SlurmdTimeout` seconds is down.
    """
    lines: dict[str, object] = {
        "ClusterName": "test",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmctldPort": ports.slurmctld,
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool-%n",
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd-%n.pid",
        "AuthInfo": f"socket={folder / 'munge' / 'socket'},cred_expire=6",
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": ports.slurmdbd,
        "AccountingStoragePass": folder / "munge" / "socket",
        "AccountingStorageEnforce": "associations,limits,qos",
        "JobAcctGatherType": "jobacct_gather/linux",
        "JobAcctGatherFrequency": 1,
        "ProctrackType": "proctrack/linuxproc",
        "MpiDefault": "none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU_Memory",
        "DefMemPerCPU": MEMORY_MB // CPUS,
        "SchedulerParameters": "bf_interval=1,sched_interval=2,batch_sched_delay=0,sched_min_interval=0",
        "PreemptType": "preempt/partition_prio",
        "PreemptMode": "REQUEUE",
        "KillWait": 5,
        "MinJobAge": 10,
        "SlurmdTimeout": 10,
        "TCPTimeout": 2,
        "ReturnToService": 2,
        "SlurmdParameters": "config_overrides",  # a node claims more CPUs than this machine may have
    }
    given = [(key, value) for key, value in (lines | dict(options)).items() if key not in NODES]
    text = "".join(f"{key}={value}\n" for key, value in given if value is not None)
    for name, port in zip(NODES, ports.nodes, strict=True):
        text += (
            f"NodeName={name} NodeHostname={name} NodeAddr=127.0.0.1 Port={port} "
            f"{options.get(name, f'CPUs={CPUS} RealMemory={MEMORY_MB}')}\n"
        )
    partitions = {
        "main": "Default=YES PreemptMode=OFF PriorityTier=5",
        "low": "PreemptMode=REQUEUE PriorityTier=1",
        "high": "PreemptMode=OFF PriorityTier=10",
        "short": "PreemptMode=OFF PriorityTier=5 MaxTime=1 DefaultTime=1",
    }
    return text + "".join(
        f"PartitionName={name} Nodes={','.join(NODES)} State=UP {rest}\n" for name, rest in partitions.items()
    )


def memory_by_groups() -> dict[str, object]:
    """Lines of `slurm.conf`: the kernel ends a task that takes too much, and its step is OUT_OF_MEMORY."""
    return {"TaskPlugin": "task/cgroup", "JobAcctGatherParams": "NoOverMemoryKill"}


def memory_by_polling() -> dict[str, object]:
    """Lines of `slurm.conf`: Slurm looks every second, and the step is CANCELLED."""
    return {"TaskPlugin": "task/none", "JobAcctGatherParams": "OverMemoryKill"}


CGROUP_CONF = "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nConstrainRAMSpace=yes\n"


def slurmdbd_conf(folder: Path, host: str, ports: Ports) -> str:
    return (
        f"DbdHost={host}\nDbdAddr=127.0.0.1\nDbdPort={ports.slurmdbd}\nSlurmUser=root\n"
        f"AuthType=auth/munge\nAuthInfo=socket={folder / 'munge' / 'socket'}\n"
        f"StorageType=accounting_storage/mysql\nStorageHost=127.0.0.1\nStoragePort={ports.database}\n"
        f"StorageUser=root\nStorageLoc=slurm\nPidFile={folder / 'slurmdbd.pid'}\n"
    )


def sshd_config(folder: Path, name: str, port: int) -> str:
    return (
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder / 'ssh' / 'host_key'}\n"
        f"AuthorizedKeysFile {folder / 'ssh' / 'authorized_keys'}\nPidFile {folder / 'ssh' / name}.pid\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        f"SetEnv SLURM_CONF={folder / 'slurm.conf'}\nSubsystem sftp internal-sftp\n"
    )


# sshd takes the first value of a keyword.
GUARDED = (
    "UsePAM yes\nKbdInteractiveAuthentication yes\nPermitRootLogin yes\n"
    "AuthenticationMethods publickey,keyboard-interactive\n"
)


def with_home(folder: Path, home: Path) -> str:
    """Lines of `sshd_config`: shells take their startup files from `home`."""
    return f"SetEnv SLURM_CONF={folder / 'slurm.conf'} HOME={home}\n"


def pam(folder: Path) -> str:
    """PAM's rules for the sshd that asks for a code: a program of ours says whether it is right."""
    return (
        f"auth required pam_exec.so expose_authtok quiet {folder / 'ssh' / 'code'}\n"
        "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n"
    )


CHECK_CODE = f"#!/bin/sh\ntest \"$(tr -d '\\0')\" = {CODE}\n"


def ssh_config(folder: Path, user: str, ports: Ports) -> str:
    """A user's `~/.ssh/config`: login nodes reached directly, and the first one behind a jump host."""
    common = (
        f"  HostName 127.0.0.1\n  User {user}\n  IdentityFile {folder / 'ssh' / 'key'}\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {folder / 'ssh' / 'known_hosts'}\n"
        f"  ControlMaster auto\n  ControlPath {folder / 'ssh' / 'master-%C'}\n  ControlPersist 60\n"
    )
    login, *_ = ports.logins
    direct = (f"Host test-{name}\n  Port {port}\n" for name, port in zip(LOGINS, ports.logins, strict=True))
    behind = f"Host test-behind-jump\n  Port {login}\n  ProxyJump test-jump\n"
    return "".join(f"{host}{common}" for host in (*direct, behind))


def hosts(host: str) -> str:
    """`/etc/hosts` as nodes and login nodes see it."""
    return f"127.0.0.1 localhost {host} {' '.join((*NODES, *LOGINS))}\n"
