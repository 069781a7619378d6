"""Techniques against closed forms, plain loops over torch's own optimizers, and libraries."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from functools import partial
from itertools import count, product

import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

from regularize import models
from regularize.config import Term
from regularize.convolutions import convolutions
from regularize.distributed import Ranks
from regularize.draws import Draws
from regularize.errors import UserError
from regularize.models.foreign import Foreign
from regularize.objective import Factors, bind
from regularize.regularizers import implementation
from regularize.regularizers.augment import shifted, turned
from regularize.regularizers.batch import Batch
from regularize.regularizers.cutout import boxes
from regularize.regularizers.mixup import beta
from regularize.store import PackPaths, read_table
from regularize.testing import Case, differing, left_in, trained
from regularize.train_pack import train_pack
from regularize.trainer import Trainer
from tests.regularize.technique_cases import TABLE

TOY = Case(weak=(), strong=())
RATE, MOMENTUM = 0.05, 0.9


def term(technique, **parameters):
    return (Term.build(technique, parameters),)


def ours(folder, terms, *, steps, seed=0, case=TOY, **training):
    """The weights after training one run with these terms in float64."""
    config = case.run(terms, seed, steps=steps, precision="float64", **training)
    (left,) = trained([config], folder).values()
    return {name: value for name, value in left.items() if isinstance(value, torch.Tensor)}


def plain(folder, *, steps, seed=0, **training):
    """A trainer without a technique, to be driven by a loop of the test's own."""
    config = TOY.run((), seed, steps=steps, precision="float64", **training)
    return Trainer([config], PackPaths(folder / "plain"), Ranks.here(), None)


def loop(trainer, steps, change=lambda named: None, second=None, after=lambda named, step: None):
    """SGD by torch; `change` is given parameters with their gradients, `after` them after the step."""
    named = dict(trainer.model.named_parameters())
    sgd = torch.optim.SGD(named.values(), lr=RATE, momentum=MOMENTUM)
    for step in range(steps):
        trainer.step = step
        sgd.zero_grad()
        trainer.losses().sum().backward()
        if second:
            second(trainer, named)
        change(named)
        sgd.step()
        after(named, step + 1)
    return {name: parameter.detach()[0] for name, parameter in named.items()}


def assert_same(found, expected, atol=1e-12):
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=atol)


def run_norm(named):
    """Of the first run's gradient: a lone run has a twin beside it."""
    return torch.cat([p.grad[0].flatten() for p in named.values()]).norm()


def test_max_norm_is_torchs_renorm_after_every_step(tmp_path):
    def renormed(named, _step):
        with torch.no_grad():
            for name, weight in named.items():
                if name.endswith("weight"):
                    weight.copy_(torch.stack([torch.renorm(w, 2, 0, 0.6) for w in weight]))

    expected = loop(plain(tmp_path, steps=8), 8, after=renormed)
    assert_same(ours(tmp_path / "ours", term("max_norm", limit=0.6), steps=8), expected, atol=1e-6)
    assert max(expected["fc1.weight"].norm(dim=1)) > 0.59


def test_weight_decay_with_adam_is_adamw(tmp_path):
    settings = {"steps": 8, "lr": 1e-2}
    found = ours(tmp_path / "ours", term("weight_decay", strength=0.3), optimizer="adam", **settings)
    adamw = ours(tmp_path / "adamw", (), optimizer="adamw", weight_decay=0.3, **settings)
    assert_same(found, adamw)


def test_gradient_clipping_is_torchs(tmp_path):
    seen = []

    def clip(named):
        seen.append(run_norm(named))
        for run in range(2):
            scale = min(
                1.0, 1.55 / (torch.cat([p.grad[run].flatten() for p in named.values()]).norm() + 1e-6)
            )
            for parameter in named.values():
                parameter.grad[run] *= scale

    expected = loop(plain(tmp_path, steps=8), 8, change=clip)
    assert_same(ours(tmp_path / "ours", term("gradient_clipping", limit=1.55), steps=8), expected)
    assert min(seen) < 1.55 < max(seen)
    alone = [torch.randn(3, 4, requires_grad=True) for _ in range(2)]
    for p in alone:
        p.grad = torch.randn(3, 4)
    before = [p.grad.clone() for p in alone]
    torch.nn.utils.clip_grad_norm_(alone, 1.0)
    (given,) = (b.given for b in bind([TOY.run(term("gradient_clipping", limit=1.0), 0)], "cpu"))
    mine = {str(number): gradient[None] for number, gradient in enumerate(before)}
    implementation("gradient_clipping").gradients(mine, given, None)
    for p, gradient in zip(alone, mine.values(), strict=True):
        torch.testing.assert_close(gradient[0], p.grad)


def test_sam_takes_the_gradient_from_up_the_hill(tmp_path):
    rho = 0.3

    def climb(trainer, named):
        at = {name: p.detach().clone() for name, p in named.items()}
        norm = run_norm(named)
        with torch.no_grad():
            for parameter in named.values():
                parameter += rho * parameter.grad / norm
        for parameter in named.values():
            parameter.grad = None
        trainer.losses().sum().backward()
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(at[name])

    expected = loop(plain(tmp_path, steps=8), 8, second=climb)
    assert_same(ours(tmp_path / "ours", term("sam", rho=rho), steps=8), expected)


def test_averages_are_those_of_the_path_of_the_weights(tmp_path):
    path = []
    loop(plain(tmp_path, steps=20), 20, after=lambda named, _: path.append(copy.deepcopy(named)))
    path = [{name: p.detach()[0] for name, p in at.items()} for at in path]
    first = ours(tmp_path / "first", (), steps=1)  # close to the start, which leaves no trace
    assert_same(path[0], first)

    trainer = plain(tmp_path / "start", steps=20)
    start = {name: p.detach()[0].clone() for name, p in trainer.model.named_parameters()}
    ema = start
    for step, at in enumerate(path, 1):
        decay = min(0.8, (1 + step) / (10 + step))
        ema = {name: decay * value + (1 - decay) * at[name] for name, value in ema.items()}
    assert_same(ours(tmp_path / "ema", term("ema", decay=0.8), steps=20), ema)

    per_epoch = trainer.timeline.per_epoch
    ends = [s for s in range(1, 21) if (s % per_epoch == 0 or s == 20) and s >= 8]
    assert len(ends) > 2
    swa = {name: torch.stack([path[s - 1][name] for s in ends]).mean(0) for name in start}
    assert_same(ours(tmp_path / "swa", term("swa", begin=0.4), steps=20), swa)
    (row,) = read_table(tmp_path / "swa" / "results.parquet").to_pylist()
    assert row["evaluated"] == "swa"


def test_early_stopping_ends_where_the_validation_loss_does_not_fall_and_leaves_the_best(tmp_path):
    """Against the curve of the same training without it: stops, weights and rows."""
    case = Case(weak=(), strong=(), model="mlp", data="digits", per_class=2)
    settings = {"steps": 40, "lr": 0.2, "precision": "float64"}
    patience = 3
    config = case.run(term("early_stopping", patience=patience, every=2), 0, **settings)
    mates = [
        case.run(term("early_stopping", patience=p, every=2), s, **settings) for p, s in ((1, 1), (99, 0))
    ]
    trained([config, *mates], tmp_path / "stopped")
    rows = {row["run_id"]: row for row in read_table(tmp_path / "stopped" / "results.parquet").to_pylist()}
    free = Trainer([case.run((), 0, **settings)], PackPaths(tmp_path / "free"), Ranks.here(), None)
    losses, weights = [], []
    for step in range(1, 41):
        free.advance()
        if step % 2 == 0:
            x, labels = free.batches.take("train", free.validation_rows)
            losses.append(F.cross_entropy(free.model(x)[0], labels[0]).item())
            weights.append({name: p.detach()[0].clone() for name, p in free.model.named_parameters()})
    best = stop = 0
    for look, loss in enumerate(losses):
        best = look if loss < losses[best] else best
        if look - best >= patience:
            stop = 2 * (look + 1)
            break
    assert 2 < stop < 40, "a case in which it stops on the way"
    row = rows[config.run_id]
    assert (row["stopped_step"], row["steps"], row["evaluated"]) == (stop, stop, "early_stopping")
    assert row["validation_loss"] == pytest.approx(losses[best], abs=1e-9)
    left = left_in(tmp_path / "stopped")[config.run_id]
    assert_same(left, weights[best])
    curve = [each["step"] for each in left["metrics"] if each["split"] == "validation"]
    assert curve[-1] == stop
    assert left["metrics"][-1]["step"] == stop
    unending = rows[mates[1].run_id]
    assert (unending["stopped_step"], unending["steps"]) == (None, 40)
    assert unending["validation_loss"] == pytest.approx(min(losses), abs=1e-9)


def test_an_interruption_anywhere_adds_no_rows_to_the_curves_of_runs_that_stop(tmp_path):
    """While the row of an epoch is measured, or the last one of a run that has stopped."""
    settings = {"lr": 1.0, "steps": 8, "batch_size": 4}
    on_points = {"model": "toy_mlp", "data": "clusters", "per_class": 2, "training": settings}
    runs = replace(TABLE["early_stopping"], **on_points).pack()
    whole = trained(runs, tmp_path / "whole")
    assert len({len(left["metrics"]) for left in whole.values()}) > 1, "not all stop at once"
    for number in count(1):
        paths, asked = PackPaths(tmp_path / str(number)), count(1)
        status = train_pack(runs, paths, stop=lambda a=asked, n=number: next(a) == n)
        if status.state == "done":
            break
        left = trained(runs, paths.folder)
        assert all(not differing(left[run_id], whole[run_id]) for run_id in whole), number
    assert number > 20


def test_penalties_on_the_outputs_are_what_they_say(tmp_path):
    trainer = plain(tmp_path, steps=8)
    batch = trainer.step_batches.at(0)
    z = trainer.model(batch.x)[0]
    ce = F.cross_entropy(z, batch.labels[0], reduction="none")
    p = z.softmax(-1).gather(1, batch.labels[0][:, None])[:, 0]
    for terms, expected in (
        (term("logit_penalty", strength=0.6), (ce + 0.3 * z.square().sum(1)).mean()),
        (term("focal", gamma=1.5), ((1 - p) ** 1.5 * ce).mean()),
    ):
        config = TOY.run(terms, 0, steps=8, precision="float64")
        found = Trainer([config], PackPaths(tmp_path), Ranks.here(), None).losses()[0]
        torch.testing.assert_close(found, expected)


def test_the_gradient_penalty_is_double_backpropagation(tmp_path):
    config = TOY.run(term("gradient_penalty", strength=0.7), 0, steps=8, precision="float64")
    trainer = Trainer([config], PackPaths(tmp_path), Ranks.here(), None)
    batch = trainer.step_batches.at(0)
    x = batch.x.clone().requires_grad_()
    z = trainer.model(x)
    ce = F.cross_entropy(z.flatten(0, 1), batch.labels.flatten(), reduction="sum")
    (slope,) = torch.autograd.grad(ce, x, create_graph=True)
    expected = ce / 7 + 0.35 * slope.square().sum() / 7
    found = trainer.losses().sum()
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(loss, trainer.parameters) for loss in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("steps", [1, 3])
def test_adversarial_examples_are_the_signs_of_the_gradient(steps, tmp_path):
    epsilon = 0.1
    config = TOY.run(term("adversarial", epsilon=epsilon, steps=steps), 0, steps=8, precision="float64")
    trainer = Trainer([config], PackPaths(tmp_path), Ranks.here(), None)
    batch = trainer.step_batches.at(0)
    at, labels = batch.x[0], batch.labels[0]
    for _ in range(steps):
        x = at.clone().requires_grad_()
        z = trainer.model(torch.stack([x, x]))[0]
        (slope,) = torch.autograd.grad(F.cross_entropy(z, labels), x)
        length = epsilon if steps == 1 else 2.5 * epsilon / steps
        at = (at + length * slope.sign()).clamp(batch.x[0] - epsilon, batch.x[0] + epsilon)
    expected = F.cross_entropy(trainer.model(torch.stack([at, at]))[0], labels)
    torch.testing.assert_close(trainer.losses()[0], expected)


def test_adversarial_pixels_stay_in_their_range():
    black, white = torch.full((1, 1, 1), -0.4), torch.full((1, 1, 1), 2.8)
    x = torch.rand(1, 5, 1, 6, 6) * 3.2 - 0.4
    found = batch_hook("adversarial", batch_of(x, bounds=(black, white)), epsilon=0.5).x
    assert (found >= black - 1e-6).all()
    assert (found <= white + 1e-6).all()
    assert ((found - x).abs() <= 0.5 * 3.2 + 1e-6).all()


def draws(runs=1, count=1):
    return Draws(seeds=range(runs), step=3, global_batch=count, local=slice(None))


def batch_of(x, bounds=None):
    """Whose mates are its own examples."""
    labels = torch.arange(x.shape[1]).expand(x.shape[:2]) % 3

    def mates(positions):
        index = positions.view(*x.shape[:2], *[1] * (x.ndim - 2)).expand_as(x)
        found = batch_of(x, bounds)
        return Batch(**vars(found) | {"x": x.gather(1, index), "labels": labels.gather(1, positions)})

    pixel = torch.full((1,) * (x.ndim - 2), 3.2) if x.ndim > 3 else torch.ones(x.shape[2])
    slope = lambda batch: torch.sin(97 * batch.x)  # noqa: E731
    return Batch(x=x, labels=labels, pixel=pixel, bounds=bounds, mates=mates, slope=slope)


def batch_hook(technique, batch, **parameters):
    runs = [TOY.run(term(technique, **parameters), seed) for seed in range(len(batch.x))]
    (bound,) = bind(runs, "cpu")
    return bound.hooks.batch(batch, bound.given, draws(len(runs), batch.x.shape[1]))


def test_mixup_mixes_inputs_and_losses_alike():
    x = torch.randn(2, 40, 5)
    found = batch_hook("mixup", batch_of(x), alpha=1.0)
    order = draws(2, 40).permutation("mixup/partners")
    assert [sorted(each) for each in order.tolist()] == [list(range(40))] * 2
    for run in range(2):
        share = found.kept[run, 0]
        assert (found.kept[run] == share).all()
        torch.testing.assert_close(found.x[run], share * x[run] + (1 - share) * x[run][order[run]])
        assert torch.equal(found.other[run], found.labels[run][order[run]])
    each = found.over_labels(lambda labels: labels.float() + 1)
    torch.testing.assert_close(each, found.kept * (found.labels + 1) + (1 - found.kept) * (found.other + 1))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_shares_of_mixup_are_those_of_a_beta_distribution(alpha):
    quantile = torch.rand(2000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = beta(torch.full((2000,), alpha), quantile)
    assert stats.kstest(found.numpy(), stats.beta(alpha, alpha).cdf).pvalue > 0.01
    torch.testing.assert_close(found, torch.from_numpy(stats.beta(alpha, alpha).ppf(quantile.numpy())))


def test_cutmix_takes_whole_boxes_and_counts_their_pixels():
    x = torch.rand(1, 60, 2, 9, 9)
    found = batch_hook("cutmix", batch_of(x), p=1.0)
    order = draws(1, 60).permutation("cutmix/partners")[0]
    changed = (found.x != x)[0].any(1)
    mates = x[0][order]
    assert torch.equal(found.x[0], torch.where(changed.unsqueeze(1), mates, x[0]))
    for image, kept, own in zip(changed, found.kept[0], order.tolist(), strict=True):
        rows, columns = image.any(1).sum().item(), image.any(0).sum().item()
        assert image.sum() == rows * columns, "a box"
        if own != int((order == own).nonzero()[0]):
            assert kept == pytest.approx(1 - rows * columns / 81)
    assert found.kept.min() < 0.4
    assert found.kept.max() > 0.9


def test_boxes_are_where_they_are_said_to_be():
    source = torch.Generator().manual_seed(0)
    centre, side = torch.rand(1, 50, 2, generator=source), torch.rand(1, 50, generator=source)
    found = boxes(centre, side, (12, 10))[0]
    for image, (row, column), s in zip(found, centre[0].tolist(), side[0].tolist(), strict=True):
        middle, length = (int(row * 12), int(column * 10)), (round(s * 12), round(s * 10))
        lows = [m - n // 2 for m, n in zip(middle, length, strict=True)]
        for place in product(range(12), range(10)):
            ends = zip(place, lows, length, strict=True)
            assert image[place] == all(low <= at < low + n for at, low, n in ends)


def test_shifts_are_crops_of_a_padded_image():
    x, by = torch.rand(1, 7, 2, 5, 5), torch.tensor([[-3, -2, -1, 0, 1, 2, 3]])
    black = torch.tensor([-1.0, -2.0]).view(2, 1, 1)
    found = shifted(x, by, -2, black)
    for image, shift, whole in zip(found[0], by[0].tolist(), x[0], strict=True):
        for channel, fill in enumerate((-1.0, -2.0)):
            padded = F.pad(whole[channel], (0, 0, 3, 3), value=fill)
            assert torch.equal(image[channel], padded[3 - shift : 8 - shift])


def test_a_quarter_turn_is_one_and_half_of_the_images_are_mirrored():
    x = torch.rand(1, 200, 1, 6, 6)
    quarter = torch.full((1, 200), torch.pi / 2)
    torch.testing.assert_close(turned(x, quarter), torch.rot90(x, 1, (3, 4)), rtol=0, atol=1e-5)
    flipped = batch_hook("augment", batch_of(x), shift=0, flip="horizontal").x
    same = (flipped == x).flatten(2).all(2)[0]
    assert torch.equal(flipped[0][~same], x.flip(-1)[0][~same])
    assert 70 < same.sum() < 130


def test_random_shifts_are_uniform_over_whole_pixels():
    x = torch.zeros(1, 900, 1, 9, 9)
    x[..., 4, 4] = 1
    found = batch_hook("augment", batch_of(x), shift=2).x[0, :, 0].flatten(1).argmax(1)
    counts = torch.bincount(found, minlength=81).view(9, 9)
    assert counts[2:7, 2:7].sum() == 900
    assert stats.chisquare(counts[2:7, 2:7].flatten().numpy()).pvalue > 0.01


def test_what_is_dropped_is_dropped_as_often_as_it_is_said_and_the_rest_is_scaled():
    p = {"p": 0.25}
    (inputs,), (weight,), (channels,) = (
        bind([TOY.run(term(name, **p), 0)], "cpu")
        for name in ("input_dropout", "dropconnect", "spatial_dropout")
    )
    ones = torch.ones(1, 50, 3, 8, 8)
    of_image = channels.hooks.channels("conv1", ones.flatten(3), channels.given, draws(1, 50))
    assert of_image.shape == (1, 50, 3, 1), "one for a channel"
    for found in (
        inputs.hooks.inputs(ones, None, inputs.given, draws(1, 50)),
        weight.hooks.weight("fc1.weight", torch.ones(1, 60, 80), weight.given, draws()),
        of_image,
    ):
        assert {round(value, 4) for value in found.unique().tolist()} == {0.0, round(1 / 0.75, 4)}
        share = (found == 0).double().mean().item()
        assert abs(share - 0.25) < 4 * (0.25 * 0.75 / found.numel()) ** 0.5
    kernel = torch.ones(1, 6, 1, 5, 5)
    assert weight.hooks.weight("conv1.weight", kernel, weight.given, draws()) is kernel


def test_what_is_dropped_of_channels_leaves_a_batchs_gradient_the_sum_of_its_parts():
    """Of torch's layers: there the gradient of the second convolution once hung on how examples lay."""
    network = models.build("lenet5", [0, 1], shape=(1, 28, 28), classes=10).double()
    (bound,) = bind([TOY.run(term("spatial_dropout", p=0.4), 0)], "cpu")
    x = torch.randn(2, 3, 1, 28, 28, dtype=torch.float64)

    def gradients(positions):
        here = Draws(seeds=[0, 1], step=0, global_batch=3, local=positions, dtype=torch.float64)
        loss = network(x[:, positions], Factors([replace(bound, given=given)], here)).square().sum()
        return torch.autograd.grad(loss, list(network.parameters()))

    given = replace(bound.given, strengths={"p": torch.tensor([0.4, 0.4], dtype=torch.float64)})
    whole = gradients(slice(0, 3))
    parts = zip(gradients(slice(0, 1)), gradients(slice(1, 3)), strict=True)
    for one, (first, rest) in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, first + rest, rtol=0, atol=1e-12)


def test_the_power_method_follows_the_largest_singular_value(tmp_path):
    strength = 0.05
    config = TOY.run(term("spectral_penalty", strength=strength), 0, steps=60, precision="float64")
    trainer = Trainer([config], PackPaths(tmp_path), Ranks.here(), None)
    trainer.start()

    def expected():
        weights = trainer.model.weights().values()
        return sum(strength / 2 * torch.linalg.svdvals(w[0])[0] ** 2 for w in weights)

    bare = Trainer([TOY.run((), 0, steps=60, precision="float64")], PackPaths(tmp_path), Ranks.here(), None)
    torch.testing.assert_close((trainer.losses() - bare.losses())[0], expected())
    for _ in range(59):
        trainer.advance()
    bare.model.load_state_dict(trainer.model.state_dict())
    bare.step = trainer.step
    torch.testing.assert_close((trainer.losses() - bare.losses())[0], expected(), rtol=0.06, atol=0)


def test_spectral_norm_leaves_layers_of_that_norm(tmp_path):
    found = ours(tmp_path, term("spectral_norm", bound=1.5), steps=20)
    for name in ("fc1.weight", "fc2.weight", "fc3.weight"):
        assert torch.linalg.matrix_norm(found[name], 2) == pytest.approx(1.5)
    (row,) = read_table(tmp_path / "results.parquet").to_pylist()
    assert row["evaluated"] == "spectral_norm"


def test_spectral_norm_trains_what_torchs_own_parametrization_does(tmp_path):
    """One step of SGD through W/σ(W), σ with its gradient."""
    config = TOY.run(term("spectral_norm", bound=1.0), 0, steps=8, precision="float64")
    trainer = Trainer([config], PackPaths(tmp_path), Ranks.here(), None)
    trainer.start()
    named = {name: p.detach()[0].clone().requires_grad_() for name, p in trainer.model.named_parameters()}
    batch = trainer.step_batches.at(0)
    h = batch.x[0]
    for layer in ("fc1", "fc2", "fc3"):
        w = named[f"{layer}.weight"]
        h = F.linear(h, w / torch.linalg.matrix_norm(w, 2), named[f"{layer}.bias"])
        h = torch.tanh(h) if layer != "fc3" else h
    loss = F.cross_entropy(h, batch.labels[0])
    found = torch.autograd.grad(trainer.losses()[0], trainer.parameters)
    torch.testing.assert_close(trainer.losses()[0], loss)
    for gradient, expected in zip(found, torch.autograd.grad(loss, named.values()), strict=True):
        torch.testing.assert_close(gradient[0], expected)


CONVOLUTIONS = {
    "padded": nn.Conv2d(2, 3, 3, padding=1),
    "plain": nn.Conv2d(2, 3, 5),
    "same": nn.Conv2d(2, 3, (3, 5), padding="same"),
    "strided": nn.Conv2d(2, 4, 3, stride=2, padding=1, dilation=2, groups=2),
    "circular": nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"),
    "reflected": nn.Conv2d(2, 3, 3, padding=2, padding_mode="reflect"),
}


def dense_norm(conv, weight, image):
    """The largest singular value of a convolution's matrix, a row an input pixel."""
    units = torch.eye(math.prod(image), dtype=weight.dtype).view(-1, *image)
    matrix = conv(units, weight).flatten(1)
    return torch.linalg.eigvalsh(matrix @ matrix.T)[-1].sqrt()


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_the_norm_of_a_convolution_is_that_of_its_dense_matrix(kind):
    """σ within two percent at once, and nearer later on, with its gradient; for any padding and stride."""
    layer, image = CONVOLUTIONS[kind], (2, 9, 8)
    size = layer(torch.zeros(1, *image)).numel()
    module = nn.Sequential(layer, nn.Flatten(), nn.Linear(size, 4)).double()
    (found,) = convolutions(Foreign(module), image).values()
    source = torch.Generator().manual_seed(1)
    kernel = torch.randn(2, *layer.weight.shape, generator=source, dtype=torch.float64)
    assert (found.image, found.kernel) == (image, tuple(layer.weight.shape))
    begin, early = found.begin(kernel.flatten(2))
    _, late = found.follow(begin, kernel.flatten(2), 1000)
    for weight, first, slope in zip(kernel, early, late, strict=True):
        own = weight.clone().requires_grad_()
        sigma = dense_norm(lambda x, w: layer._conv_forward(x, w, None), own, image)
        (expected,) = torch.autograd.grad(sigma, own)
        assert (weight.flatten(1) * first).sum().item() == pytest.approx(sigma.item(), rel=0.02)
        assert (weight.flatten(1) * slope).sum().item() == pytest.approx(sigma.item(), rel=1e-3)
        assert torch.cosine_similarity(slope.flatten(), expected.flatten(), dim=0) > 0.99


def test_spectral_norm_of_operators_leaves_convolutions_of_that_norm(tmp_path):
    """On the network's own images and padding; every layer's largest singular value is what was asked for."""
    lenet = Case(weak=(), strong=(), model="lenet5_tanh", data="digits", per_class=2)
    terms = term("spectral_norm", bound=1.5, convolutions="operator")
    found = ours(tmp_path, terms, steps=20, case=lenet)
    for name, (image, padding) in {"conv1": ((1, 28, 28), 2), "conv2": ((6, 14, 14), 0)}.items():
        weight = found[f"{name}.weight"]
        assert dense_norm(partial(F.conv2d, padding=padding), weight, image) == pytest.approx(1.5, rel=0.01)
        assert torch.linalg.matrix_norm(weight.flatten(1), 2) < 1.4
    assert torch.linalg.matrix_norm(found["fc1.weight"], 2) == pytest.approx(1.5)


def test_the_penalty_of_operators_follows_their_norm(tmp_path):
    strength, lenet = 1e-3, Case(weak=(), strong=(), model="lenet5_tanh", data="digits", per_class=2)
    terms = term("spectral_penalty", strength=strength, convolutions="operator")
    trainer, bare = (
        Trainer([lenet.run(each, 0, steps=20, precision="float64")], PackPaths(tmp_path), Ranks.here(), None)
        for each in (terms, ())
    )
    trainer.start()

    def expected():
        squares = 0.0
        images = {"conv1": ((1, 28, 28), 2), "conv2": ((6, 14, 14), 0)}
        for layer in trainer.model.weight_layers:
            weight = trainer.model.get_parameter(f"{layer}.weight").detach()[0]
            if layer in images:
                image, padding = images[layer]
                norm = dense_norm(partial(F.conv2d, padding=padding), weight, image)
            else:
                norm = torch.linalg.matrix_norm(weight, 2)
            squares += norm.item() ** 2
        return strength / 2 * squares

    for steps in (0, 19):
        for _ in range(steps):
            trainer.advance()
        bare.model.load_state_dict(trainer.model.state_dict())
        bare.step = trainer.step
        assert (trainer.losses() - bare.losses())[0].item() == pytest.approx(expected(), rel=0.06)


def test_operators_are_refused_where_there_are_none(tmp_path):
    with pytest.raises(UserError, match="convolutions is 'operator', which changes nothing: the model has"):
        trained([TOY.run(term("spectral_norm", bound=1, convolutions="operator"), 0)], tmp_path)


def test_two_that_say_which_weights_are_evaluated_are_refused(tmp_path):
    terms = (*term("ema", decay=0.9), *term("swa", begin=0.5))
    with pytest.raises(
        Exception, match="ema and swa cannot be composed: each says which weights are evaluated"
    ):
        trained([TOY.run(terms, 0)], tmp_path)


def test_hard_svb_holds_for_averages_too(tmp_path):
    terms = (*term("ema", decay=0.9), *term("hard_svb", epsilon=0.1, every=7))
    found = ours(tmp_path, terms, steps=20)
    values = torch.cat([torch.linalg.svdvals(w) for name, w in found.items() if name.endswith("weight")])
    assert values.max() <= 1.1 + 1e-9
    assert values.min() >= 1 / 1.1 - 1e-9
