"""Every command where text is not UTF-8, the user has no name and no home, and nothing can be linked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib

ROOT = Path(__file__).parents[3]
SWEEP = """\
name: tiny
dataset: {digits: {per_class: 5}}
model: mlp
training: {steps: 3}
regularizers: {none: , l2: {strength: 1e-3}}
seeds: {tune: 1, report: 2}
"""
# In this order: what submit trains the others read.
COMMANDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("plan",): ("sweep.yaml",),
    ("submit",): ("sweep.yaml", "--cluster", "here.yaml"),
    ("status",): ("sweep.yaml",),
    ("logs",): ("sweep.yaml",),
    ("retry",): ("sweep.yaml",),
    ("cancel",): ("sweep.yaml",),
    ("watch",): ("sweep.yaml", "--once"),
    ("verify",): ("sweep.yaml", "-n", "1"),
    ("train",): ("sweep.yaml",),
    ("collect",): ("sweep.yaml",),
    ("compare",): ("sweep.yaml",),
    ("export",): ("sweep.yaml", "--to", "csv"),
    ("figures",): ("sweep.yaml", "forest"),
    ("report",): ("sweep.yaml", "--tables-only"),
    ("data", "list"): (),
    ("data", "show"): ("digits",),
    ("cluster", "list"): (),
    ("init",): ("begun",),
    ("completion",): ("bash",),
    ("reproduce",): ("hoffman2019-table", "--plan"),
}
REFUSED: dict[tuple[str, ...], tuple[str, ...]] = {
    ("efficiency",): ("sweep.yaml",),  # of a sweep of this machine
    ("sync",): ("sweep.yaml", "--cluster", "nowhere"),
    ("animate",): ("sweep.yaml",),
    ("gallery",): ("sweep.yaml", "--out", "/dev/null/gallery"),
    ("data", "fetch"): ("ε",),
    ("cluster", "setup"): ("here.yaml",),
    ("cluster", "check"): ("λ.yaml",),
}
"""With exit code 2 and a line that says why."""

PROGRAM = """
import argparse, errno, io, json, os, sys, traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from jobs.commands.cli import main
from jobs.commands.parser import parser

def link(source, target, **_):
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), source, None, target)

os.link = link

def leaves(parser, words=()):
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for name, each in inner[0].choices.items() if inner else ():
        yield from leaves(each, (*words, name))
    if not inner:
        yield words

def said(words):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code
        except BaseException:
            code = traceback.format_exc()
        sys.stdout.flush(), sys.stderr.flush()
    return [code, *(stream.buffer.getvalue().decode("ascii") for stream in streams)]

known = [list(words) for words in leaves(parser())]
commands = json.loads(sys.argv[1])
print(json.dumps([known, [said(words) for words in commands], [said([*words, "--help"]) for words in known]]))
"""


def test_every_command_does_what_it_is_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "größe"
    folder.mkdir()
    (folder / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    (folder / "here.yaml").write_text("kind: local\npack_runs: 4\n", encoding="utf-8")
    given = COMMANDS | REFUSED
    commands = json.dumps([[*words, *given[words]] for words in given])
    plain = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PATH": os.environ["PATH"]}
    plain |= {"MPLCONFIGDIR": matplotlib.get_cachedir()}  # without it a search for fonts
    nobody = ["unshare", "--map-user=54321", "--map-group=54321"]
    done = subprocess.run(
        [*nobody, sys.executable, "-c", PROGRAM, commands],
        cwd=folder,
        env=plain | {"PYTHONPATH": str(ROOT), "REGULARIZE_DATA": str(folder / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    known, found, helped = json.loads(done.stdout.splitlines()[-1])
    assert {tuple(words) for words in known} == set(given), "each command is to be tried here"
    told = dict(zip(given, found, strict=True))
    wrong = [
        f"{words}: {code}\n{out}{err}"
        for words, (code, out, err) in told.items()
        if (code, "Traceback" in out + err) != (0 if words in COMMANDS else 2, False)
    ]
    assert not wrong, "\n".join(wrong)
    assert not [words for words in REFUSED if not re.search("^error: ", told[words][2], re.MULTILINE)], told
    assert {code for code, *_ in helped} == {0}
