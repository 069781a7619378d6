"""What a login node that does harm answers: a program in Python's place that says what it likes."""

from __future__ import annotations

import json
from pathlib import Path

ORDERS = "\x1b]52;c;ZXZpbA==\x07\x1b]0;title\x1b\\\u202e"

# What it is asked is not looked at; each line of its answer is a file's header, and the bytes behind it.
PROGRAM = """\
#!/bin/sh
cat "{answer}"
printf 'warning {orders}' >&2
"""

PATHS = (
    "report.html",
    "figures/loss.pdf",
    "../elsewhere",
    "/etc/cron.d/x",
    "jobs/13_submitted.pkl",
    "looks.json",
    "verified.json",
    ".git/hooks/post-checkout",
    "packs/../x",
    "packs/a/../../x",
    "packs/a/evil.py",
    "packs//status.json",
    "logs/13\n+ /**_0_log.out",
    "logs/.._log.out",
    "code/x.py",
    "data/x.json/..",
    "tables/results.parquet",
    "sweep.yaml/x",
    "0123.diff",
)
HEADERS = (
    b"[]\n",
    b"{}\n",
    b"not JSON\n",
    b"[" * 60_000 + b"\n",
    b"x" * 70_000,
    json.dumps({"path": 1, "size": 1, "time": 1, "begin": 0}).encode() + b"\n",
    json.dumps({"path": "sweep.yaml", "size": -1, "time": 1, "begin": 0}).encode() + b"\n",
    json.dumps({"path": "sweep.yaml", "size": 3, "time": 1, "begin": 2}).encode() + b"\n",
    json.dumps({"path": "sweep.yaml", "size": 3, "time": 1 << 80, "begin": 0}).encode() + b"\n",
    json.dumps({"path": "sweep.yaml", "size": "3", "time": 1, "begin": 0, "more": 1}).encode() + b"\n",
)


def sent(path: str, content: bytes = b"evil") -> bytes:
    header = {"path": path, "size": len(content), "time": 1, "begin": 0}
    return json.dumps(header).encode() + b"\n" + content


def python_that_answers(folder: Path, answer: bytes) -> Path:
    """For `python:` of a cluster config."""
    (folder / "answer").write_bytes(answer)
    program = folder / "python"
    octal = "".join(f"\\{byte:03o}" for byte in ORDERS.encode())
    program.write_text(PROGRAM.format(answer=folder / "answer", orders=octal), encoding="utf-8")
    program.chmod(0o755)
    return program


SHELL = 'exec "{python}" "{program}" "{answer}"\n'
"""A profile that lets no shell of the user's begin: what it is sent is read, what is answered is its own."""

NODE = """
import os, re, sys
read = b""
while not (mark := re.search(rb"036([0-9a-f]{16})", read)):
    read += os.read(0, 1 << 16)
mark = b"\\x1e" + mark[1]
with open(sys.argv[1], "rb") as file:
    streams = file.read().split(b"<stream>")
for number, stream in zip((2, 3), streams):
    left = memoryview(stream.replace(b"<mark>", mark))
    while left:
        left = left[os.write(number, left[:65536]):]
"""

NOISE = b"noise \x1b]0;title\x07" * 200_000  # 3 MB
CANARY = b"#!/bin/sh\ntouch pwned\n"
EVIL_TEXT = f"\x1b[1mall {ORDERS}well\x1b[0m\n+ /**\n-rf\n[/x]".encode()
HOME = b"".join(
    sent(path, CANARY)
    for path in (
        "sweep.yaml",
        "packs/a1/status.json",
        "packs/a1/error.txt",
        "journal.jsonl",
        "logs/13_0_log.out",
    )
)


def _answer(content: bytes, end: bytes = b"0", noise: bytes = NOISE[:30_000]) -> bytes:
    words = b"<mark>\n" + EVIL_TEXT + b"\n<mark> " + end + b"\n"
    return noise + words + b"<stream>" + noise + b"<mark>\n" + content + b"<mark> " + end + b"\n" + noise


ANSWERS = {
    "text": _answer(EVIL_TEXT, noise=NOISE),
    "failure": _answer(EVIL_TEXT, b"1"),
    "files, then one elsewhere": _answer(HOME + sent("../x", CANARY)),
    "files, then a page": _answer(HOME + sent("report.html", b"<script>alert(1)</script>")),
    "files, then an id that is a rule": _answer(HOME + sent("logs/13\n+ /**_0_log.out", CANARY)),
    "files, then an option": _answer(HOME + sent("packs/-rf/status.json", CANARY)),
    "a file without an end": _answer(HOME + sent("runs.parquet")[:-2]),
    "deep": _answer(b"[" * 1_000_000),
    "many": _answer(b"[" + b"[]," * 10_000_000 + b"[]]"),
    "much": _answer(b"x" * 80_000_000),
    "no code": _answer(EVIL_TEXT, b"xyz"),
    "a long code": _answer(EVIL_TEXT, b"9" * 5000),
    "no snapshot": _answer(b"", b"93"),
    "a signal": _answer(b"", b"143"),
    "noise": NOISE + b"<stream>" + NOISE,
    "no end": NOISE + b"<stream>" + NOISE + b"<mark>\n" + HOME,
    "nothing": b"<stream>",
}


def hostile_home(folder: Path, answer: bytes, python: str) -> None:
    """Startup files of a login node, by which it is another's."""
    (folder / "node.py").write_text(NODE, encoding="utf-8")
    (folder / "answer").write_bytes(answer)
    places = {"python": python, "program": folder / "node.py", "answer": folder / "answer"}
    (folder / ".bash_profile").write_text(SHELL.format(**places), encoding="utf-8")
