"""TRADES against the formula, one example after the other, and alike in every executor."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from byrote.engine.many import Many
from byrote.engine.one import One
from byrote.errors import BadInput
from byrote.recipes import noise
from byrote.recipes.batch import Batch
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.networks.network import Network
from byrote.recipes.objectives.trades import Trades, divergence
from byrote.recipes.optimizers import SGD
from byrote.recipes.recipe import Recipe
from byrote.recipes.schedules import Constant
from engine.toys import RECIPES, bound, data

RNG = np.random.default_rng(0)
INPUTS, WEIGHTS, TARGETS = RNG.random((6, 4)), RNG.normal(size=(4, 3)), RNG.integers(0, 3, 6)
IDS = torch.arange(6)
SEEDS = [11, 2**32 - 1, 0]
RANGE = {"low": 0.0, "high": 1.0}


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def kl(p, q):
    return float((p * np.log(p / q)).sum())


def slow(x, y, jitter, trades):
    """Eq. 5 of arXiv:1901.08573 for one example of a linear network; the gradient of KL to x' is W (q - p)."""
    p = softmax(x @ WEIGHTS)
    least, most = np.clip(x - trades.radius, 0, 1), np.clip(x + trades.radius, 0, 1)
    moved = np.clip(x + trades.start * jitter, least, most)
    for _ in range(trades.steps):
        slope = WEIGHTS @ (softmax(moved @ WEIGHTS) - p)
        moved = np.clip(moved + 2.5 * trades.radius / trades.steps * np.sign(slope), least, most)
    return -np.log(p[y]) + trades.beta * kl(p, softmax(moved @ WEIGHTS)), moved


def asked(trades, weights):
    stream = noise.Stream(torch.tensor([3]), 7, IDS[None])
    batch = Batch(inputs=torch.tensor(INPUTS)[None], targets=torch.tensor(TARGETS)[None], ids=IDS[None], noise=stream)
    modes = []

    def forward(inputs, *, train):
        modes.append(train)
        return inputs @ weights

    logits, loss, memory = trades.loss(forward, batch, None)
    assert memory is None
    return logits[0], loss[0], modes, noise.normal(stream.keys, 4, salt=2**17)[0].double().numpy()


def test_against_the_formula_and_its_gradient():
    trades = Trades(beta=2.0, radius=0.2, steps=4, **RANGE)
    weights = torch.tensor(WEIGHTS, requires_grad=True)
    logits, loss, modes, jitter = asked(trades, weights)
    found = [slow(*each, trades) for each in zip(INPUTS, TARGETS, jitter, strict=True)]
    np.testing.assert_allclose(loss.detach().numpy(), [value for value, _ in found], rtol=1e-10)
    np.testing.assert_allclose(logits.detach().numpy(), INPUTS @ WEIGHTS)
    assert modes.count(True) == 1, "one pass in training mode"
    loss.sum().backward()
    moved = np.array([there for _, there in found])

    def total(w):  # the attack is fixed; both answers of the divergence move with the weights
        return sum(
            -np.log(softmax(x @ w)[y]) + 2.0 * kl(softmax(x @ w), softmax(there @ w))
            for x, y, there in zip(INPUTS, TARGETS, moved, strict=True)
        )

    for place in np.ndindex(4, 3):
        step = np.zeros((4, 3))
        step[place] = 1e-6
        slope = (total(WEIGHTS + step) - total(WEIGHTS - step)) / 2e-6
        np.testing.assert_allclose(weights.grad[place].item(), slope, rtol=1e-5, atol=1e-8)


def test_without_the_divergence_it_is_cross_entropy():
    _, loss, _, _ = asked(Trades(beta=0.0, **RANGE), torch.tensor(WEIGHTS))
    np.testing.assert_allclose(
        loss, [-np.log(softmax(x @ WEIGHTS)[y]) for x, y in zip(INPUTS, TARGETS, strict=True)], rtol=1e-10
    )


def test_divergence_is_that_of_the_two_distributions():
    a, b = RNG.normal(size=(5, 3)) * 3, RNG.normal(size=(5, 3)) * 3
    found = divergence(torch.tensor(a), torch.tensor(b))
    np.testing.assert_allclose(found, [kl(softmax(x), softmax(y)) for x, y in zip(a, b, strict=True)], rtol=1e-9)


@pytest.mark.parametrize("name", ["mlp", "mlp with dropout and masks", "resnet with batch norm"])
def test_stacked_is_the_loop(name):
    algorithm = bound(name)
    slots = replace(algorithm.recipe, objective=Trades(steps=2))
    algorithm = slots.bind(algorithm.shape, algorithm.device)
    inputs, targets = data(RECIPES[name][0]).tensors(torch.device("cpu"))
    order = torch.from_numpy(np.array([[RNG.choice(40, 10, replace=False) for _ in range(3)] for _ in SEEDS]))
    many = Many(algorithm, SEEDS)
    many.begin(3)
    together = [many.step(Batch(inputs=inputs[i], targets=targets[i], ids=i)).loss for i in order.unbind(1)]
    for row, seed in enumerate(SEEDS):
        one = One(algorithm, seed)
        one.begin(3)
        for step, ids in enumerate(order[row : row + 1].unbind(1)):
            loss = one.step(Batch(inputs=inputs[ids], targets=targets[ids], ids=ids)).loss
            torch.testing.assert_close(loss[0], together[step][row], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(one.predict(inputs)[0], many.predict(inputs)[row], atol=1e-3, rtol=1e-3)


def test_batch_norm_counts_one_batch_a_step():
    def make():
        return nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))

    slots = Recipe(network=Network(make), optimizer=SGD(lr=0.1), schedule=Constant(), objective=Trades(**RANGE))
    algorithm = slots.bind(replace(bound("mlp").shape, inputs=(4,), extent=None), torch.device("cpu"))
    one, inputs = One(algorithm, 0), torch.tensor(INPUTS, dtype=torch.float32)
    one.begin(3)
    for _ in range(3):
        one.step(Batch(inputs=inputs, targets=torch.tensor(TARGETS), ids=IDS).with_axis())
    norm = one.state.network[0]
    assert int(norm.num_batches_tracked) == 3
    expected = inputs.mean(0) * (1 - 0.9**3)
    torch.testing.assert_close(norm.running_mean, expected), "and only of the examples as they are"


@pytest.mark.slow
def test_makes_answers_move_less_than_cross_entropy_does():
    inputs, targets = data().tensors(torch.device("cpu"))
    moved = {}
    for name, objective in (("trades", Trades(radius=0.5)), ("plain", Trades(radius=0.5, beta=0.0))):
        algorithm = replace(bound("mlp").recipe, objective=objective, network=MLP(hidden=(40,)))
        algorithm = algorithm.bind(bound("mlp").shape, torch.device("cpu"))
        one = One(algorithm, 0)
        one.begin(200)
        whole = Batch(inputs=inputs, targets=targets, ids=torch.arange(40)).with_axis()
        for _ in range(200):
            one.step(whole)
        state = one.state
        ready = replace(whole, noise=noise.Stream(state.seeds, 0, whole.ids), extent=bound("mlp").shape.extent)
        forward = lambda x, *, train, state=state: state.forward(x, None, train=False)  # noqa: E731
        there = Trades(radius=0.5).attacked(forward, ready)
        moved[name] = divergence(one.predict(inputs), one.predict(there[0])).mean().item()
    assert moved["trades"] < moved["plain"] / 2, moved


@pytest.mark.parametrize("settings", [{"beta": -1.0}, {"radius": float("nan")}, {"start": -0.1}, {"steps": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(BadInput, match=f"{next(iter(settings))!r}.*Got"):
        Trades(**settings)


def test_without_a_range_it_is_refused():
    with pytest.raises(BadInput, match="not given the range") as refusal:
        asked(Trades(), torch.tensor(WEIGHTS))
    assert "byrote.Trades(low=" in refusal.value.hint
