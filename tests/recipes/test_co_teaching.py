from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from byrote.errors import BadInput
from byrote.recipes.algorithm import Batch, Shape
from byrote.recipes.co_teaching import CoTeaching
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.objectives.early_learning_regularization import EarlyLearningRegularization
from byrote.recipes.optimizers import SGD
from byrote.recipes.recipe import Recipe
from byrote.recipes.schedules import Constant

CPU = torch.device("cpu")
GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(60, 5, generator=GENERATOR)
TARGETS = (INPUTS[:, :3] * 3).argmax(1)
SHAPE = Shape(inputs=(5,), classes=3, examples=60)
RECIPE = Recipe(network=MLP(hidden=(8,)), epochs=4, batch_size=20, optimizer=SGD(lr=0.1), schedule=Constant())


def weights_of(state):
    return nn.utils.parameters_to_vector(state.network.parameters()).detach().clone()


def batches(epochs):
    for epoch in range(epochs):
        order = torch.randperm(60, generator=torch.Generator().manual_seed(epoch))
        for ids in order.split(20):
            yield Batch(inputs=INPUTS[ids], targets=TARGETS[ids], ids=ids)


def test_without_noise_two_plain_networks_on_the_full_batches():
    both = CoTeaching(recipe=RECIPE, noise_rate=0.0).bind(SHAPE, CPU)
    pair = both.begin(both.init(5), 12)
    plain = [both.single.begin(both.single.init(seed), 12) for seed in (5, 6)]
    for batch in batches(4):
        both.step(pair, batch)
        for one in plain:
            both.single.step(one, batch)
    for one, alone in zip(pair, plain, strict=True):
        torch.testing.assert_close(weights_of(one), weights_of(alone), atol=1e-5, rtol=1e-5)
    assert torch.equal(both.predict(pair, INPUTS), both.single.predict(pair[0], INPUTS))
    assert both.network(pair) is pair[0].network


@pytest.mark.parametrize(("noise_rate", "ramp"), [(0.5, 2), (0.3, 10)])
def test_the_exchange_against_a_slow_reference(noise_rate, ramp):
    both = CoTeaching(recipe=RECIPE, noise_rate=noise_rate, ramp=ramp).bind(SHAPE, CPU)
    pair = both.begin(both.init(5), 12)
    plain = [both.single.begin(both.single.init(seed), 12) for seed in (5, 6)]
    kept = []
    for step, batch in enumerate(batches(4)):
        _, seen = both.step(pair, batch)
        rate = noise_rate * min((step / 3) / ramp, 1)
        keep = round((1 - rate) * 20)
        kept.append(keep)
        losses = []
        for one in plain:
            logits = both.single.predict(one, batch.inputs).double().numpy()
            p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            losses.append(-np.log(p[np.arange(20), batch.targets.numpy()]))
        np.testing.assert_allclose(seen.loss.numpy(), losses[0], rtol=1e-4, atol=1e-5)
        for one, peer in ((plain[0], losses[1]), (plain[1], losses[0])):
            easy = torch.from_numpy(np.sort(np.argsort(peer)[:keep]))
            chosen = Batch(inputs=batch.inputs[easy], targets=batch.targets[easy], ids=batch.ids[easy])
            both.single.step(one, chosen)
    assert kept[0] == 20 > kept[-1]
    for one, alone in zip(pair, plain, strict=True):
        torch.testing.assert_close(weights_of(one), weights_of(alone), atol=1e-4, rtol=1e-4)


def test_learns_and_fits_less_of_planted_noise_than_the_recipe_alone():
    noisy = TARGETS.clone()
    noisy[:12] = (noisy[:12] + 1) % 3
    recipe = replace(RECIPE, network=MLP(hidden=(64,)), epochs=30, optimizer=SGD(lr=0.1))
    fitted = {}
    for kind, slot in (("plain", recipe), ("co", CoTeaching(recipe=recipe, noise_rate=0.2, ramp=3))):
        bound = slot.bind(SHAPE, CPU)
        state = bound.begin(bound.init(0), 90)
        for batch in batches(30):
            state, _ = bound.step(state, replace(batch, targets=noisy[batch.ids]))
        predicted = bound.predict(state, INPUTS).argmax(1)
        fitted[kind] = (predicted == noisy)[:12].float().mean()
        assert (predicted == noisy)[12:].float().mean() > 0.9
    assert fitted["plain"] > fitted["co"] + 0.3


def test_works_with_a_memory():
    both = CoTeaching(recipe=replace(RECIPE, objective=EarlyLearningRegularization()), noise_rate=0.4, ramp=1)
    bound = both.bind(SHAPE, CPU)
    pair = bound.begin(bound.init(0), 12)
    for batch in batches(2):
        pair, seen = bound.step(pair, batch)
    assert seen.loss.isfinite().all()
    assert pair[0].memory.any()


def test_at_least_one_example_is_kept():
    bound = CoTeaching(recipe=RECIPE, noise_rate=0.99, ramp=1).bind(SHAPE, CPU)
    pair = bound.begin(bound.init(0), 4)
    ids = torch.tensor([3])
    before = weights_of(pair[0])
    for _ in range(4):
        bound.step(pair, Batch(inputs=INPUTS[ids], targets=TARGETS[ids], ids=ids))
    assert not torch.equal(weights_of(pair[0]), before)


def test_networks_start_apart():
    first, second = CoTeaching(recipe=RECIPE).bind(SHAPE, CPU).init(3)
    assert not torch.equal(weights_of(first), weights_of(second))
    assert torch.equal(weights_of(first), weights_of(RECIPE.bind(SHAPE, CPU).init(3)))


def test_cannot_be_stacked():
    assert "two networks" in CoTeaching(recipe=RECIPE).bind(SHAPE, CPU).why_not_stackable()


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_rates_out_of_range(rate):
    with pytest.raises(BadInput, match=rf"'noise_rate' argument of CoTeaching must lie in \[0, 1\)\. Got {rate}\."):
        CoTeaching(recipe=RECIPE, noise_rate=rate)
