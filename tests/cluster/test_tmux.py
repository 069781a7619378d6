"""`regularize watch` over ssh inside a real tmux, of a sweep that a real Slurm trains meanwhile."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.laptop import FAR, Laptop
from tests.cluster.slurm import TestCluster
from tests.jobs.watch.tmux import tmux_server

SIZES = ((80, 24), (200, 60))


def test_a_sweep_is_watched_to_its_end_at_both_sizes(
    laptop: Laptop, slurm: TestCluster, tmp_path: Path
) -> None:
    laptop.good("submit", "sweep.yaml", *FAR)
    words = laptop.command("watch", "sweep.yaml", *FAR, "--every", "1")
    given = [f"{name}={value}" for name, value in laptop.environment.items()]
    for width, height in SIZES:
        with tmux_server(tmp_path) as tmux:
            tmux.begin(["env", "-C", str(laptop.folder), *given, *words], width, height)
            pane = tmux.until(lambda pane: "4 of 4 runs done" in pane)
            lines = pane.splitlines()
            assert lines[0].startswith(" far-away on far "), pane
            assert max(len(line) for line in lines) <= width
            assert len(lines) == height
            tmux("send-keys", "j", "Enter", "Enter")
            tmux.until(lambda pane: "none on digits" in pane)
            tmux("send-keys", "q")
            tmux.ends()
