"""What ssh asks at a real terminal, of a real sshd: once for all, and never where nobody can answer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.laptop import FAR, Laptop, end_masters
from tests.cluster.processes import wait_for
from tests.cluster.settings import CODE
from tests.cluster.slurm import TestCluster

PLAN = ("plan", "sweep.yaml", *FAR)
SECRET = "open it's me"


@pytest.fixture
def locked(laptop: Laptop, slurm: TestCluster) -> Path:
    """The laptop's key, with a passphrase."""
    key = laptop.folder.parent / "key"
    shutil.copy(slurm.folder / "ssh" / "key", key)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-N", SECRET, "-f", str(key)], check=True, stdin=subprocess.DEVNULL
    )
    use_key(laptop, key)
    return key


@pytest.fixture
def agent(laptop: Laptop) -> Iterator[Path]:
    """The socket of an agent without a key."""
    socket = laptop.folder.parent / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as process:
        wait_for("the agent", socket.exists)
        yield socket
        process.terminate()


def use_key(laptop: Laptop, key: Path) -> None:
    config = laptop.folder.parent / "config"
    config.write_text(re.sub("IdentityFile .*", f"IdentityFile {key}", config.read_text()))


def test_a_passphrase_is_asked_for_once_and_the_next_command_uses_the_connection(
    laptop: Laptop, locked: Path
) -> None:
    assert laptop.run(*PLAN).code == 2  # without a terminal
    question = "Enter passphrase for key"
    code, shown = laptop.at_terminal(*PLAN, answers={question: SECRET})
    assert (code, shown.count(question)) == (0, 1), shown
    assert "sending this state of the code" in shown  # over the same connection
    assert "runs to do in" in shown
    assert laptop.good(*PLAN).calls == 1
    code, shown = laptop.at_terminal(*PLAN, answers={})
    assert (code, question in shown) == (0, False), shown

    laptop.write_cluster(sbatch={"hold": True})
    laptop.good("submit", "sweep.yaml", *FAR)
    end_masters(laptop, ["test-login"])
    answers = {question: SECRET, "JobHeldUser": "q"}
    code, shown = laptop.at_terminal("watch", "sweep.yaml", *FAR, answers=answers)
    assert (code, shown.count(question)) == (0, 1), shown  # before the interface has the terminal
    assert "0 of 4 runs done" in shown


def test_a_second_factor_is_asked_for_once_even_where_the_users_master_ends_with_its_command(
    laptop: Laptop, slurm: TestCluster
) -> None:
    config = laptop.folder.parent / "config"
    master = f"  ControlMaster auto\n  ControlPath {slurm.folder}/own-%C\n"
    config.write_text(config.read_text().replace("Host test-guarded\n", f"Host test-guarded\n{master}"))
    laptop.write_cluster(host="test-guarded")
    done = laptop.run(*PLAN)
    assert done.code == 2
    (opening,) = re.findall("goes on: (ssh .* test-guarded true)", done.err)
    assert "ControlPersist" in opening
    code, shown = laptop.at_terminal(*PLAN, answers={"Password:": CODE})
    assert (code, shown.count("Password:")) == (0, 1), shown
    assert laptop.good(*PLAN).calls == 1


def test_a_wrong_code_is_one_error(laptop: Laptop) -> None:
    laptop.write_cluster(host="test-guarded")
    code, shown = laptop.at_terminal(*PLAN, answers={"Password:": "no"})
    assert code == 2
    assert shown.count("error:") == 1
    assert "no connection to test-guarded" in shown


def test_an_agent_holds_the_key(laptop: Laptop, locked: Path, agent: Path, slurm: TestCluster) -> None:
    config = laptop.folder.parent / "config"
    config.write_text(config.read_text().replace("IdentitiesOnly yes", "IdentitiesOnly no"))
    laptop.environment["SSH_AUTH_SOCK"] = str(agent)
    assert laptop.run(*PLAN).code == 2
    add = ["ssh-add", "-q", str(slurm.folder / "ssh" / "key")]
    subprocess.run(add, check=True, env=os.environ | {"SSH_AUTH_SOCK": str(agent)})
    laptop.good(*PLAN)
    end_masters(laptop, ["test-login"])
    code, shown = laptop.at_terminal(*PLAN, answers={})
    assert (code, "passphrase" in shown) == (0, False), shown


def test_a_master_that_the_user_has_opened_is_used(laptop: Laptop, slurm: TestCluster) -> None:
    config = laptop.folder.parent / "config"
    place = f"  ControlPath {slurm.folder}/mine-%C\n"
    config.write_text(config.read_text().replace("Host test-login\n", f"Host test-login\n{place}"))
    master = ["/usr/bin/ssh", "-F", str(config), "-MN", "-o", "ControlPersist=no", "test-login"]
    with subprocess.Popen(master) as opened:
        wait_for("the master", lambda: list(slurm.folder.glob("mine-*")))
        use_key(laptop, Path("/dev/null"))
        laptop.good(*PLAN)
        opened.terminate()
    assert laptop.run(*PLAN).code == 2
