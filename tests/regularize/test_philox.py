"""Draws by counters: their bits, what they depend on, and their statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from regularize import philox
from regularize.draw_setting import generator_on, named
from regularize.draws import Draws
from regularize.errors import UserError
from regularize.models import fills
from regularize.regularizers.mixup import beta, beta_of
from regularize.testing import Trial, packed_is_alone, resumed_is_uninterrupted, two_ranks_are_one
from tests.regularize.technique_cases import together

ONES = 0xFFFFFFFF
PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)
# Of Random123's kat_vectors, philox4x32 10.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (*PI, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]


def draws(seeds=(0, 1, 2), step=5, count=6, local=slice(None), dtype=torch.float32, device="cpu"):
    keys = philox.Keys(list(seeds), device)
    return Draws(
        seeds=list(seeds), step=step, global_batch=count, local=local, dtype=dtype, device=device, keys=keys
    )


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_words_are_those_of_random123(counter, key, expected):
    assert philox.words(counter, key) == list(expected)
    as_tensors = [torch.tensor([number]) for number in (*counter, *key)]
    found = philox.words(tuple(as_tensors[:4]), tuple(as_tensors[4:]))
    assert [word.item() for word in found] == list(expected)
    some = philox.words((as_tensors[0], as_tensors[1], *counter[2:]), tuple(as_tensors[4:]))
    assert [word.item() for word in some] == list(expected)


def every_kind(draws):
    return {
        "noise": draws.noise("normal", "a", (3, 5)),
        "uniform noise": draws.noise("uniform", "a", (3, 5)),
        "noise per example": draws.noise_per_example("normal", "b", (7,)),
        "uniform per example": draws.uniform_per_example("c", (2, 2)),
        "uniform": draws.uniform("d"),
        "permutation": draws.permutation("e"),
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_draw_is_of_its_seed_step_and_place_whatever_is_drawn_beside_it(dtype):
    whole = every_kind(draws(dtype=dtype))
    assert {name: tuple(each.shape) for name, each in whole.items()} == {
        "noise": (3, 3, 5), "uniform noise": (3, 3, 5), "noise per example": (3, 6, 7),
        "uniform per example": (3, 6, 2, 2), "uniform": (3,), "permutation": (3, 6),
    }  # fmt: skip
    alone = every_kind(draws(seeds=[2], dtype=dtype))
    again = every_kind(draws(seeds=[2, 7, 2], dtype=dtype))
    part = every_kind(draws(dtype=dtype, local=slice(2, 5)))
    places = torch.tensor([[5, 0], [1, 1], [3, 4]])
    chosen = every_kind(draws(dtype=dtype, local=places))
    for name, each in whole.items():
        assert each.dtype == (torch.int64 if name == "permutation" else dtype)
        assert alone[name][0].equal(each[2]), name
        assert again[name][0].equal(each[2]), name
        assert again[name][2].equal(each[2]), name
        if "example" in name or name == "permutation":
            assert part[name].equal(each[:, 2:5]), name
            assert chosen[name].equal(
                torch.stack([run[rows] for run, rows in zip(each, places, strict=True)])
            )
    other = every_kind(draws(step=6, dtype=dtype))
    assert all(not each.equal(other[name]) for name, each in whole.items())


def test_every_example_is_once_in_a_permutation_and_each_place_is_as_likely():
    found = draws(seeds=range(4000), count=5).permutation("p")
    assert found.sort(1).values.equal(torch.arange(5).expand(4000, 5))
    counts = torch.stack([(found == number).sum(0) for number in range(5)])
    assert stats.chisquare(counts.flatten()).pvalue > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_have_the_distributions_that_they_are_said_to_have(dtype):
    made = draws(seeds=range(20), count=100, dtype=dtype)
    share = made.uniform_per_example("u", (101,))
    normal = made.normal_per_example("n", (101,))
    uniform = made.noise_per_example("uniform", "v", (101,))
    assert (share.min().item() >= 0, share.max().item() < 1) == (True, True)
    for found, theory in (
        (share, stats.uniform()),
        (normal, stats.norm()),
        (uniform, stats.uniform(-math.sqrt(3), 2 * math.sqrt(3))),
    ):
        numbers = found.double().flatten().numpy()
        assert stats.kstest(numbers, theory.cdf).pvalue > 1e-3
        for moment, of in ((1, theory.mean()), (2, theory.var())):
            about = numbers - (theory.mean() if moment == 2 else 0)
            error = math.sqrt(theory.var() if moment == 1 else theory.moment(4) or 1) / math.sqrt(
                len(numbers)
            )
            assert abs((about**moment).mean() - of) < 4 * error


def test_numbers_of_seeds_steps_purposes_and_places_have_nothing_to_do_with_each_other():
    steps = [draws(seeds=range(8), step=step, count=16).normal_per_example("n", (256,)) for step in range(8)]
    other = draws(seeds=range(8), step=0, count=16).normal_per_example("m", (256,))
    one = torch.stack(steps)  # [steps, seeds, examples, places]
    for axis in range(4):
        beside = one.roll(1, axis)
        assert abs((one * beside).mean().item()) < 4 / math.sqrt(one.numel())
    assert abs((one[0] * other).mean().item()) < 4 / math.sqrt(other.numel())
    half = one[..., :128] * one[..., 128:]  # which share a radius
    assert abs(half.mean().item()) < 4 / math.sqrt(half.numel())


def test_shares_of_mixup_by_formula_are_distributed_as_those_by_quantile():
    uniform = draws(seeds=range(20_000), dtype=torch.float64).uniform("mixup", (3,))
    for alpha in (0.2, 1.0, 4.0):
        found = beta_of(torch.full((20_000,), alpha, dtype=torch.float64), uniform)
        assert stats.kstest(found.numpy(), stats.beta(alpha, alpha).cdf).pvalue > 1e-3
    nothing = torch.zeros(3, dtype=torch.float64)
    assert beta_of(nothing, uniform[:3]).equal(beta(nothing, uniform[:3, 0]))


def test_which_generator_draws_follows_the_device_unless_it_is_chosen(monkeypatch):
    cpu, gpu = "cpu", "cuda"
    assert [generator_on(each) for each in (cpu, gpu)] == ["mt19937", "philox"]
    assert (named("fused avx2", cpu), named("torch", gpu)) == ("fused avx2", "torch, draws by philox")
    monkeypatch.setenv("REGULARIZE_DRAWS", "philox")
    assert named("fused avx2", cpu) == "fused avx2, draws by philox"
    monkeypatch.setenv("REGULARIZE_DRAWS", "mt")
    with pytest.raises(UserError, match=r"REGULARIZE_DRAWS is 'mt'; one of: auto, mt19937, philox"):
        generator_on(cpu)


def test_what_is_trained_with_it_keeps_the_contract_of_a_pack(monkeypatch, tmp_path):
    monkeypatch.setenv("REGULARIZE_DRAWS", "philox")
    case = together("dropout", "input_noise", "weight_noise", "mixup", "dropconnect", "jacobian", smooth=None)
    trial = Trial(case, tmp_path)
    packed_is_alone(trial)
    resumed_is_uninterrupted(trial)
    two_ranks_are_one(trial)
    (result, *_) = next(iter(trial.whole.values()))["results"]
    assert result["kernels"].endswith(", draws by philox")


FILLS = {
    "bernoulli_": ((0.3,), stats.bernoulli(0.3)),
    "cauchy_": ((0.5, 2.0), stats.cauchy(0.5, 2)),
    "exponential_": ((3.0,), stats.expon(scale=1 / 3)),
    "geometric_": ((0.3,), stats.geom(0.3)),
    "log_normal_": ((0.2, 0.5), stats.lognorm(0.5, scale=math.exp(0.2))),
    "normal_": ((-1.0, 3.0), stats.norm(-1, 3)),
    "random_": ((3, 9), stats.randint(3, 9)),
    "uniform_": ((-1.0, 2.0), stats.uniform(-1, 3)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("method", fills.METHODS)
def test_what_a_module_draws_has_the_distribution_of_torch(method, dtype):
    """Of bfloat16 the mean alone: its steps are as large as what a test of the distribution would see."""
    given, theory = FILLS[method]
    keys = philox.Keys(list(range(5)), "cpu")
    found = fills.filled(keys, "m", 3, (40, 101), method, given, dtype)
    assert (found.dtype, tuple(found.shape)) == (dtype, (5, 40, 101))
    numbers = found.double().flatten().numpy()
    if isinstance(theory.dist, stats.rv_discrete):
        values, counts = np.unique(numbers, return_counts=True)
        chances = theory.pmf(values)
        often = chances * len(numbers) > 5
        error = np.sqrt(chances * (1 - chances) * len(numbers))
        assert (abs(counts - chances * len(numbers)) < 4.5 * error)[often].all()
    elif dtype == torch.bfloat16:
        assert np.median(numbers) == pytest.approx(theory.median(), abs=0.05 * (1 + abs(theory.median())))
    else:
        assert stats.kstest(numbers, theory.cdf).pvalue > 1e-3


def test_it_is_of_its_seed_step_and_purpose_and_complains_as_torch_does():
    def of(seeds, purpose="m", step=3):
        return fills.filled(
            philox.Keys(list(seeds), "cpu"), purpose, step, (6, 7), "normal_", (), torch.float32
        )

    whole = of((0, 1, 2))
    assert of([1])[0].equal(whole[1])
    assert of([1], step=torch.tensor(3))[0].equal(whole[1])
    assert not any(other[0].equal(whole[1]) for other in (of([1], step=4), of([1], purpose="n"), of([2])))
    with pytest.raises(RuntimeError, match="bernoulli_ expects p to be in"):
        fills.filled(philox.Keys([0], "cpu"), "m", 3, (2,), "bernoulli_", (1.5,), torch.float32)


@pytest.mark.parametrize(
    ("dtype", "given", "first", "last"),
    [
        (torch.int64, (), 0, 2**63 - 1), (torch.uint8, (), 0, 255), (torch.bool, (), 0, 1),
        (torch.float32, (), 0, 2**24), (torch.float64, (), 0, 2**53), (torch.bfloat16, (), 0, 2**8),
        (torch.int64, (5,), 0, 4), (torch.int32, (-3, 4), -3, 3), (torch.int64, (7, None), 7, 2**63 - 1),
    ],
)  # fmt: skip
def test_integers_are_in_the_range_that_torch_draws_from(dtype, given, first, last):
    found = fills.filled(philox.Keys([0], "cpu"), "m", 3, (4000,), "random_", given, dtype)
    assert found.dtype == dtype
    least, most = int(found.min()), int(found.max())
    assert first <= least <= first + (last - first) // 100
    assert last - (last - first) // 100 <= most <= last
    torch.empty(4000, dtype=dtype).random_(*given)
