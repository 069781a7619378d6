"""What a user waits for at the prompt: `python -m tests.benchmarks.bench_command`.

`regularize --help`, and `plan` of 10,020 runs, without data sets and without a store. Prints the median
of a few, and exits with 1 if one is above its limit.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.benchmarks.processes import timed

TIMES = 7
SWEEP = """\
name: broad
dataset:
  mnist: {per_class: [10, 50, 100]}
  fashion_mnist: {per_class: [10, 50, 100]}
  cifar10: {per_class: [10, 50, 100]}
  cifar100: {per_class: [10, 50, 100]}
model: lenet5
training: {epochs: 20, batch_size: 128}
regularizers:
  none:
  l1: {strength: {logspace: [1e-6, 1e-2, 12]}}
  l2: {strength: {logspace: [1e-6, 1e-2, 12]}}
  soft_svb: {strength: {logspace: [1e-4, 1, 12]}}
  hard_svb: {epsilon: {logspace: [0.01, 1, 12]}, every: 100}
  jacobian: {strength: {logspace: [1e-4, 1, 12]}}
  jacobian_determinant: {strength: {logspace: [1e-4, 1, 12]}}
  dropout: {p: {linspace: [0.05, 0.6, 12]}}
  confidence_penalty: {beta: {logspace: [0.01, 1, 12]}}
  label_smoothing: {epsilon: {linspace: [0.05, 0.5, 10]}}
  input_noise: {sigma: {linspace: [0.05, 0.6, 12]}}
  weight_noise: {sigma: {linspace: [0.005, 0.06, 12]}}
seeds: {tune: 5, report: 15}
"""


# arguments → the most seconds the command may take, and a part of what it says; 2,160 runs report later
COMMANDS = {
    ("--help",): (0.4, "usage: regularize"),
    ("plan", "sweep.yaml"): (3.0, "7,860 runs to do"),
}


def main() -> int:
    missed = 0
    with TemporaryDirectory() as place:
        folder, root = Path(place), str(Path(__file__).parents[2])
        (folder / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
        places = {"REGULARIZE_DATA": str(folder / "data"), "REGULARIZE_STORE": str(folder / "results")}
        environment = os.environ | {"PYTHONPATH": root} | places
        for arguments, (limit, words) in COMMANDS.items():
            runs = [timed(folder, environment, *arguments) for _ in range(TIMES)]
            assert all(words in said for _, said in runs), runs[0][1]
            seconds = sorted(each for each, _ in runs)
            over = median(seconds) > limit
            missed += over
            print(
                f"regularize {' '.join(arguments):15} {median(seconds):.2f} s, from {seconds[0]:.2f} to "
                f"{seconds[-1]:.2f} (limit of the median {limit}){'  missed' * over}"
            )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
