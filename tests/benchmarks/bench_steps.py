"""What a training step costs with each technique: `python -m tests.benchmarks.bench_steps [--rounds N]`.

Techniques that are not named here are timed as in `tests/regularize/technique_cases.py`; `--only NAME` times
those whose name begins so.

LeNet-5 on images of 28×28, batch 128, a pack of 4 runs with 4 seeds, one thread. All take turns step
by step, so that all see the same machine, and are compared with plain steps of the same round. Prints
minimum, median and maximum of the rounds' ratios; the exit code is 1 if a median is above its limit.
A round is as long as the interval of hard SVB, so that each has one projection.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import torch

from regularize.data.data_config import DataConfig
from regularize.memory import keep_large_blocks
from regularize.regularizers import REGULARIZERS
from regularize.trainer import Trainer
from regularize.training_config import Training
from tests.benchmarks.packs import pack
from tests.regularize.technique_cases import TABLE

RUNS, BATCH, INTERVAL = 4, 128, 100

# what is timed → its techniques, and the most it may cost relative to a plain step
LIMITS: dict[str, tuple[dict[str, dict[str, object]], float | None]] = {
    "none": ({}, None),
    "l1": ({"l1": {"strength": 1e-4}}, None),
    "l2": ({"l2": {"strength": 5e-4}}, None),
    "elastic_net": ({"elastic_net": {"l1": 1e-4, "l2": 5e-4}}, None),
    "label_smoothing": ({"label_smoothing": {"epsilon": 0.1}}, 1.1),
    "confidence_penalty": ({"confidence_penalty": {"beta": 0.1}}, 1.1),
    "dropout": ({"dropout": {"p": 0.5}}, 1.15),
    "input_noise": ({"input_noise": {"sigma": 0.1}}, 1.25),
    "weight_noise": ({"weight_noise": {"sigma": 0.01}}, 1.25),
    "soft_svb": ({"soft_svb": {"strength": 0.01}}, 1.5),
    f"hard_svb, every {INTERVAL}": ({"hard_svb": {"epsilon": 0.05, "every": INTERVAL}}, 1.05),
    "jacobian": ({"jacobian": {"strength": 0.01}}, 2.5),
    "jacobian, input": ({"jacobian": {"strength": 0.01, "estimator": "input"}}, None),
    "max_norm": ({"max_norm": {"limit": 2.0}}, None),
    "weight_decay": ({"weight_decay": {"strength": 1e-2}}, None),
    "spectral_penalty": ({"spectral_penalty": {"strength": 0.01}}, None),
    "spectral_norm": ({"spectral_norm": {"bound": 1.0}}, None),
    "spectral_norm, operator": ({"spectral_norm": {"bound": 1.0, "convolutions": "operator"}}, None),
    "gradient_penalty": ({"gradient_penalty": {"strength": 0.01}}, 2.5),
    "adversarial": ({"adversarial": {"epsilon": 0.03}}, None),
    "spatial_dropout": ({"spatial_dropout": {"p": 0.2}}, None),
    "input_dropout": ({"input_dropout": {"p": 0.2}}, None),
    "dropconnect": ({"dropconnect": {"p": 0.2}}, None),
    "logit_penalty": ({"logit_penalty": {"strength": 0.01}}, 1.1),
    "focal": ({"focal": {"gamma": 1.0}}, None),
    "mixup": ({"mixup": {"alpha": 0.2}}, None),
    "cutmix": ({"cutmix": {"p": 0.5}}, None),
    "cutout": ({"cutout": {"side": 0.4}}, None),
    "augment": ({"augment": {"shift": 2}}, None),
    "augment, flipped and turned": (
        {"augment": {"shift": 2, "flip": "horizontal", "rotation": 15}},
        None,
    ),
    "sam": ({"sam": {"rho": 0.05}}, 2.4),
    "gradient_clipping": ({"gradient_clipping": {"limit": 1.0}}, None),
    "ema": ({"ema": {"decay": 0.99}}, None),
    "swa": ({"swa": {"begin": 0.5}}, None),
    "early_stopping": ({"early_stopping": {"patience": 5}}, None),
    "l2 + dropout + jacobian": (
        {"l2": {"strength": 5e-4}, "dropout": {"p": 0.5}, "jacobian": {"strength": 0.01}},
        2.8,
    ),
}


def timed(only: str) -> dict[str, dict[str, dict[str, object]]]:
    """What is timed → its techniques: a plain step, and what begins with `only`."""
    found = {name: techniques for name, (techniques, _) in LIMITS.items()}
    for name in REGULARIZERS.keys() - {term for techniques in found.values() for term in techniques}:
        if name != "none":
            found[name] = {term.technique: dict(term.strengths + term.options) for term in TABLE[name].weak}
    return {name: each for name, each in found.items() if name == "none" or name.startswith(only)}


def trainer(techniques: dict[str, dict[str, object]], packed: int = RUNS) -> Trainer:
    data = DataConfig(name="digits", validation=0.05, per_class=128)  # ten whole batches
    return pack(data, techniques, Training(steps=10**6, batch_size=BATCH, lr=0.01), range(packed))


def a_round(trainers: dict[str, Trainer], steps: int) -> dict[str, float]:
    """Processor seconds of so many steps of each."""
    seconds = dict.fromkeys(trainers, 0.0)
    for _ in range(steps):
        for name, each in trainers.items():
            started = time.process_time()
            each.advance()
            seconds[name] += time.process_time() - started
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", metavar="NAME")
    asked = parser.parse_args()
    rounds: int = asked.rounds
    torch.set_num_threads(1)
    keep_large_blocks()
    trainers = {name: trainer(techniques) for name, techniques in timed(asked.only).items()}
    a_round(trainers, 3)
    ratios: dict[str, list[float]] = {name: [] for name in trainers}
    plain = []
    for _ in range(rounds):
        seconds = a_round(trainers, INTERVAL)
        plain.append(seconds["none"] / INTERVAL * 1000)
        for name in trainers:
            ratios[name].append(seconds[name] / seconds["none"])
    print(f"plain step: {statistics.median(plain):.1f} ms; the others relative to it")
    print(f"{'':25}    min  median    max  limit")
    missed = 0
    for name, values in ratios.items():
        _, limit = LIMITS.get(name, (None, None))
        median = statistics.median(values)
        over = limit is not None and median > limit
        missed += over
        bound = f"{limit:5.2f}{' missed' if over else ''}" if limit else ""
        print(f"{name:25} {min(values):6.2f}  {median:6.2f} {max(values):6.2f}  {bound}")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
