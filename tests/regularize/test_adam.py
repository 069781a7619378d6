"""Adam and AdamW are torch's own, bit by bit; with numbers in tensors of the device they are torch's, too."""

from __future__ import annotations

import pytest
import torch

from regularize.adam import Adam

RATES = [0.1, 0.03, 0.1, 1e-3, 0.02, 0.5]
DECAY = 0.2


def parameters(dtype):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in ((4, 3, 5), (4, 7), (4, 2, 2))]


def stepped(optimizer, weights, rates, missing=()):
    """With gradients that are drawn alike; the `missing` (step, parameter) have none."""
    generator = torch.Generator().manual_seed(1)
    for step, rate in enumerate(rates):
        for group in optimizer.param_groups:
            group["lr"] = rate
        for number, weight in enumerate(weights):
            gradient = torch.randn(weight.shape, generator=generator, dtype=weight.dtype) * 10.0 ** (step - 3)
            weight.grad = None if (step, number) in missing else gradient
        optimizer.step()
    return weights


def theirs(weights, decay, **how):
    if not decay:
        return torch.optim.Adam(weights, lr=1.0, **how)
    groups = [{"params": weights[:2], "weight_decay": decay}, {"params": weights[2:], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=1.0, **how)


def ours(weights, decay):
    return Adam(weights, lr=1.0, decay=decay, decayed=2 if decay else 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("decay", [0.0, DECAY])
def test_it_is_torchs_bit_by_bit_and_goes_on_from_its_state(decay, dtype):
    first, second, third = (parameters(dtype) for _ in range(3))
    missing = {(0, 1), (3, 2)}
    own, other = ours(first, decay), theirs(second, decay, foreach=True)
    stepped(own, first, RATES, missing)
    stepped(other, second, RATES, missing)
    assert all(map(torch.equal, first, second))
    later = ours(third, decay)
    with torch.no_grad():
        for place, value in zip(third, second, strict=True):
            place.copy_(value)
    later.load_state_dict(other.state_dict())
    stepped(later, third, RATES)
    stepped(other, second, RATES)
    assert all(map(torch.equal, third, second))
    assert [int(values["step"]) for values in later.state_dict()["state"].values()] == [12, 11, 11]


@pytest.mark.parametrize("decay", [0.0, DECAY])
def test_rates_in_tensors_take_the_same_steps_and_count_in_one_tensor(decay):
    first, second = (parameters(torch.float64) for _ in range(2))
    own = ours(first, decay)
    stepped(own, first, [torch.tensor(rate, dtype=torch.float64) for rate in RATES[:3]])
    later = ours(first, decay)
    later.load_state_dict(own.state_dict())
    stepped(later, first, [torch.tensor(rate, dtype=torch.float64) for rate in RATES[3:]])
    expected = theirs(second, decay, foreach=True)
    stepped(expected, second, RATES[:3])
    stepped(expected, second, RATES[3:])
    for found, wanted in zip(first, second, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    assert len({id(made) for made in later.made.values()}) == 1
    assert later.made[0].item() == len(RATES)
    reaches = [later.reach(weight) for weight in first]
    for reach, weight in zip(reaches, second, strict=True):
        state = expected.state[weight]
        scale = (state["exp_avg_sq"] / (1 - 0.999 ** state["step"].item())).sqrt() + 1e-8
        torch.testing.assert_close(reach, RATES[-1] / scale, rtol=1e-12, atol=0)
