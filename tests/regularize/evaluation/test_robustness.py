"""Attacks on networks trained on digits, and on colour images of unlike channels."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from regularize import models
from regularize.batches import Batches
from regularize.data import Dataset, load
from regularize.evaluation.examined import Examined
from regularize.evaluation.robustness import Noises, Pixels, Walk, ascent, fgsm, pgd, saturated, under_attack
from regularize.evaluation.settings import Robustness
from regularize.models.network import Network
from regularize.store import PackPaths
from regularize.train_pack import train_pack
from tests.regularize.evaluation.networks import examined, run, untrained, weights


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Examined:
    """Two LeNets in single precision that know their digits."""
    folder: Path = tmp_path_factory.mktemp("trained")
    train_pack([run(seed, steps=160, precision="float32") for seed in (0, 1)], PackPaths(folder))
    subject = untrained([0, 1], model="lenet5", dtype=torch.float32)
    weights(folder, subject.model)
    return subject


@pytest.fixture
def saturating(trained: Examined) -> Examined:
    """The same networks, so sure of themselves that every other probability is 0 in single precision."""
    network = models.build("lenet5", [0, 1], shape=(1, 28, 28), classes=10)
    network.load_state_dict(trained.model.state_dict())
    with torch.no_grad():
        network.get_parameter("fc3.weight").mul_(1e6)
        network.get_parameter("fc3.bias").mul_(1e6)
    return examined(network, [0, 1], trained.batches, 10)


@pytest.fixture(scope="module")
def colour() -> Examined:
    """Colour images whose channels have standard deviations of their own."""
    images = torch.randint(
        256, (60, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    labels = torch.arange(60) % 10
    dataset = Dataset(
        name="noise",
        classes=10,
        train_images=images,
        train_labels=labels,
        test_images=images,
        test_labels=labels,
        mean=(0.5, 0.4, 0.1),
        std=(0.25, 0.1, 0.7),
    )
    network = models.build("lenet5", [0, 1], shape=(3, 32, 32), classes=10).double()
    return examined(network, [0, 1], Batches(dataset, torch.float64, torch.device("cpu")), 10)


def batch(subject: Examined, count: int = 60) -> tuple[torch.Tensor, torch.Tensor, Pixels]:
    x, labels = subject.batches.take("test", torch.arange(count).expand(2, -1))
    return x, labels, Pixels.of(subject.batches)


def as_pixels(x: torch.Tensor, pixels: Pixels) -> torch.Tensor:
    return (x - pixels.black) / pixels.full


def walk(model: Network, labels: torch.Tensor, pixels: Pixels, size: float) -> Walk:
    return Walk(model=model, labels=labels, pixels=pixels, size=size, steps=5, step_size=0.03)


ATTACKS = {
    "noise": lambda m, x, y, p, size: p.moved(x, size * torch.randn(x.shape[1:], dtype=x.dtype)),
    "fgsm": lambda m, x, y, p, size: fgsm(x, ascent(m, x, y), p, size=size),
    "pgd": lambda m, x, y, p, size: pgd(x, x, ascent(m, x, y), walk(m, y, p, size)),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("subject", ["trained", "saturating", "colour"])
def test_size_zero_is_the_identity_bit_for_bit(
    attack: str, subject: str, request: pytest.FixtureRequest
) -> None:
    networks: Examined = request.getfixturevalue(subject)
    x, labels, pixels = batch(networks)
    attacked = ATTACKS[attack](networks.model, x, labels, pixels, 0.0)
    assert torch.equal(attacked, x)
    assert torch.equal(networks.model(attacked), networks.model(x))


@pytest.mark.parametrize("size", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
@pytest.mark.parametrize("subject", ["trained", "colour"])
def test_pixels_stay_within_the_size_and_their_range(
    attack: str, subject: str, size: float, request: pytest.FixtureRequest
) -> None:
    networks: Examined = request.getfixturevalue(subject)
    x, labels, pixels = batch(networks)
    before = as_pixels(x, pixels)
    after = as_pixels(ATTACKS[attack](networks.model, x, labels, pixels, size), pixels)
    exact = 1e-5 if x.dtype == torch.float32 else 1e-12
    assert (after - before).abs().max() <= size + exact
    assert after.min() >= -exact
    assert after.max() <= 1 + exact
    # Colour images are not flat: nearly every pixel can move, and does.
    assert subject != "colour" or ((after - before).abs() > 0.9 * min(size, 0.1)).double().mean() > 0.3


def test_noise_has_its_size_in_pixels_of_every_channel(colour: Examined) -> None:
    x, labels, pixels = batch(colour)
    change = as_pixels(ATTACKS["noise"](colour.model, x, labels, pixels, 0.02), pixels) - as_pixels(x, pixels)
    free = ((as_pixels(x, pixels) - 0.5).abs() < 0.3)[0, :, 0]  # far from black and white
    for channel in range(3):
        assert change[0, :, channel][free].std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(("size", "steps"), [(8 / 255, 10), (16 / 255, 20), (32 / 255, 36), (1 / 255, 2)])
def test_steps_follow_kurakin(size: float, steps: int) -> None:
    assert Robustness(pgd_step_size=1 / 255).pgd_walk(size) == (steps, 1 / 255)


def test_ten_steps_go_a_quarter_further_than_the_size_and_any_number_does() -> None:
    assert Robustness().pgd_walk(0.08) == (10, pytest.approx(0.01))
    assert Robustness(pgd_steps=40).pgd_walk(0.08) == (40, pytest.approx(0.0025))
    assert Robustness(pgd_steps=3, pgd_step_size=0.01).pgd_walk(0.08) == (3, 0.01)


def test_ten_steps_are_as_strong_as_those_of_kurakin(trained: Examined) -> None:
    sizes = (8 / 255, 16 / 255, 32 / 255)
    ours, theirs = (
        under_attack(
            trained, Robustness(noise=(), fgsm=(), pgd=sizes, pgd_step_size=step), trained.sample(360)
        )
        for step in (None, 1 / 255)
    )
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.accuracy <= other.accuracy + 0.01).all()


def test_gradients_and_forward_passes_are_those_that_are_taken(trained: Examined) -> None:
    """All attacks share the gradient at the image itself."""
    settings = Robustness(noise=(0.1,), fgsm=(0.1, 0.2), pgd=(0.1, 0.2), pgd_steps=4)
    passes = []
    handle = trained.model.register_forward_hook(lambda *_: passes.append(torch.is_grad_enabled()))
    under_attack(trained, settings, trained.sample(10))
    handle.remove()
    assert (sum(passes), len(passes) - sum(passes)) == (settings.gradients, settings.forwards) == (7, 6)
    assert Robustness(fgsm=(), pgd=()).gradients == 0


def test_the_direction_is_that_of_the_cross_entropy(colour: Examined) -> None:
    x, labels, _ = batch(colour)
    x = x.detach().requires_grad_()
    outputs = colour.model(x)
    (gradient,) = torch.autograd.grad(F.cross_entropy(outputs.flatten(0, 1), labels.flatten()), x)
    clear = gradient.abs() > 1e-12 * gradient.abs().max()
    assert clear.double().mean() > 0.5
    assert torch.equal(ascent(colour.model, x, labels)[clear], gradient.sign()[clear])


def test_more_is_worse_and_pgd_is_the_worst(trained: Examined) -> None:
    sizes = (8 / 255, 24 / 255)
    found = under_attack(trained, Robustness(noise=sizes, fgsm=sizes, pgd=sizes), trained.sample(300))
    accuracy = {(a.attack, a.size): a.accuracy for a in found}
    assert all(a.correct.shape[1] == 300 for a in found)
    assert accuracy["fgsm", 0].min() > 0.8
    for size in sizes:
        assert (accuracy["pgd", size] <= accuracy["fgsm", size]).all()
        assert (accuracy["fgsm", size] < accuracy["noise", size]).all()
    assert (accuracy["pgd", sizes[1]] < accuracy["pgd", sizes[0]] - 0.1).all()


def test_saturated_examples_are_counted_and_attacked_all_the_same(saturating: Examined) -> None:
    index = saturating.sample(100)
    x, labels = saturating.batches.take("test", index)
    x = x.detach().requires_grad_()
    outputs = saturating.model(x)
    losses = F.cross_entropy(outputs.transpose(1, 2), labels, reduction="none")
    (gradient,) = torch.autograd.grad(losses.sum(), x)
    without = (gradient == 0).flatten(2).all(2)
    assert without.sum() > 150, "the networks are not as saturated as this test needs"
    assert torch.equal(saturated(outputs, labels), without)

    clean, attacked = under_attack(
        saturating, Robustness(noise=(), fgsm=(), pgd=(0.1,)), saturating.sample(100)
    )
    assert (clean.size, attacked.size) == (0.0, 0.1)
    assert torch.equal(attacked.saturated, without.sum(1))
    assert (attacked.accuracy < clean.accuracy - 0.5).all()


def test_every_attack_starts_at_the_clean_accuracy(trained: Examined) -> None:
    found = under_attack(trained, Robustness(noise=(0.1,), fgsm=(), pgd=(0.05,)), trained.sample(50))
    assert [(a.attack, a.size) for a in found] == [("noise", 0), ("noise", 0.1), ("pgd", 0), ("pgd", 0.05)]
    index = trained.sample(50)
    x, labels = trained.batches.take("test", index)
    clean = (trained.model(x).argmax(-1) == labels).double().mean(1)
    assert torch.equal(found[0].accuracy, clean)
    assert torch.equal(found[2].accuracy, clean)
    assert found[0].saturated is None


def test_all_runs_see_the_same_examples_and_those_of_a_seed_the_same_noise(trained: Examined) -> None:
    network = models.build("lenet5", [0, 0, 0], shape=(1, 28, 28), classes=10)
    twins = dataclasses.replace(trained, model=network, seeds=[0, 0, 1])
    found = under_attack(twins, Robustness(noise=(0.2, 0.5), pgd=(0.05,), pgd_starts=2), twins.sample(70))
    for attacked in found:
        assert torch.equal(attacked.correct[0], attacked.correct[1])
    noises = Noises(twins, 70).part(slice(5, 9))
    for drawn in (noises.normal(), noises.uniform(1)):
        assert torch.equal(drawn[0], drawn[1])
        assert not torch.isclose(drawn[0], drawn[2]).any(), "of its own for each seed"


def test_further_starts_only_break_more(trained: Examined) -> None:
    """An example has to withstand all starts; the first is the image itself, as without the others."""
    once, often = (
        under_attack(
            trained, Robustness(noise=(), fgsm=(), pgd=(0.05, 0.1), pgd_starts=starts), trained.sample(200)
        )
        for starts in (1, 4)
    )
    for one, four in zip(once, often, strict=True):
        assert (four.correct <= one.correct).all()
    assert any((four.correct != one.correct).any() for one, four in zip(once, often, strict=True))
    settings = Robustness(noise=(), fgsm=(), pgd=(0.1,), pgd_steps=4, pgd_starts=3)
    assert (settings.gradients, settings.forwards) == (1 + 3 + 4 + 4, 1 + 3)


def test_more_examples_than_there_are_means_all(trained: Examined) -> None:
    found = under_attack(trained, Robustness(noise=(0.1,), fgsm=(), pgd=()), trained.sample(10_000))
    assert found[0].correct.shape[1] == len(load("digits").test_labels)
