"""Stacked models against the plain loop, recipe by recipe."""

import shutil

import numpy as np
import pytest
import torch
from torch import nn

from byrote.engine.many import Many
from byrote.engine.one import One
from byrote.recipes.algorithm import Batch, Shape
from byrote.recipes.networks.network import Network
from engine.telling import telling_recipes
from engine.toys import RECIPES, ROW, bound, data, recipe

SEEDS = [11, 2**32 - 1, 0]
STEPS = 6


def orders(steps=STEPS, examples=40, size=10):
    rng = np.random.default_rng(1)
    shown = [[rng.choice(examples, size, replace=False) for _ in range(steps)] for _ in SEEDS]
    return torch.from_numpy(np.array(shown))


def stepped(learner, order, inputs, targets):
    """Losses `[step, model, batch]` and logits of the steps along `order[model, step, batch]`."""
    learner.begin(order.shape[1])
    seen = [learner.step(Batch(inputs=inputs[ids], targets=targets[ids], ids=ids)) for ids in order.unbind(1)]
    return torch.stack([one.loss for one in seen]), torch.stack([one.logits for one in seen])


def both(name, steps, **options):
    inputs, targets = data(RECIPES[name][0]).tensors(torch.device("cpu"))
    order = orders(steps)
    many = Many(bound(name), SEEDS, **options)
    together = stepped(many, order, inputs, targets)
    loop, alone = [], []
    for row, seed in enumerate(SEEDS):
        loop.append(One(bound(name), seed))
        alone.append(stepped(loop[-1], order[row : row + 1], inputs, targets))
    return many, loop, together, [torch.cat(part, 1) for part in zip(*alone, strict=True)], inputs


@pytest.mark.parametrize("name", RECIPES)
def test_initial_weights_are_equal(name):
    many = Many(bound(name), SEEDS)
    for seed, state in zip(SEEDS, many.states(), strict=True):
        alone = One(bound(name), seed).state
        found, expected = state.network.state_dict(), alone.network.state_dict()
        assert found.keys() == expected.keys()
        for key in expected:
            assert torch.equal(found[key], expected[key]), key
        learned = [key for key, weight in state.network.named_parameters() if weight.requires_grad]
        assert learned == [key for key, weight in alone.network.named_parameters() if weight.requires_grad]


@pytest.mark.parametrize("name", RECIPES)
def test_one_step(name):
    many, loop, together, alone, _ = both(name, 1)
    for found, expected in zip(together, alone, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    for state, one in zip(many.states(), loop, strict=True):
        expected = one.state.network.state_dict()
        start = bound(name).init(int(one.state.seeds)).network.state_dict()
        assert any(not torch.equal(expected[key], start[key]) for key in expected), "the step did something"
        for key, tensor in state.network.state_dict().items():
            torch.testing.assert_close(tensor, expected[key], atol=1e-5, rtol=1e-5, msg=key)
        if one.state.memory is not None:
            torch.testing.assert_close(state.memory, one.state.memory, atol=1e-5, rtol=1e-5)
        assert (state.memory is None) == (one.state.memory is None)


@telling_recipes
def test_predictions_after_a_few_steps(name):
    many, loop, together, alone, inputs = both(name, STEPS)
    torch.testing.assert_close(together[0], alone[0], atol=1e-4, rtol=1e-4)
    found = many.predict(inputs)
    torch.testing.assert_close(found, torch.cat([one.predict(inputs) for one in loop]), atol=1e-4, rtol=1e-4)
    for row, state in enumerate(many.states()):
        torch.testing.assert_close(bound(name).predict(state, inputs), found[row], atol=1e-5, rtol=1e-5)


@telling_recipes
def test_states_go_on_in_the_loop_as_the_stack_would(name):
    inputs, targets = data(RECIPES[name][0]).tensors(torch.device("cpu"))
    order = orders(2 * STEPS)
    algorithm = bound(name)
    many = Many(algorithm, SEEDS)
    stepped(many, order[:, :STEPS], inputs, targets)
    rest = order[:, STEPS:]
    states = many.states()
    kept = [{key: tensor.clone() for key, tensor in state.network.state_dict().items()} for state in states]
    expected = stepped(many, rest, inputs, targets)[0]
    for row, state in enumerate(states):
        for key, tensor in state.network.state_dict().items():
            assert torch.equal(tensor, kept[row][key]), "a state is no view of the stack"
        one = One(algorithm, SEEDS[row])
        one.state = state
        torch.testing.assert_close(
            stepped(one, rest[row : row + 1], inputs, targets)[0], expected[:, row : row + 1], atol=1e-4, rtol=1e-4
        )


def test_a_model_hangs_on_its_own_seed_alone():
    name = "mlp with dropout and masks"
    inputs, targets = data().tensors(torch.device("cpu"))
    order = orders()
    several, two = Many(bound(name), SEEDS), Many(bound(name), SEEDS[1:])
    stepped(several, order, inputs, targets)
    stepped(two, order[1:], inputs, targets)
    torch.testing.assert_close(several.predict(inputs)[1:], two.predict(inputs), atol=1e-5, rtol=1e-5)


def test_frozen_weights_stay():
    many, *_ = both("frozen backbone", 3)
    start = bound("frozen backbone").build(0).state_dict()
    for state in many.states():
        for key, tensor in state.network.backbone.state_dict().items():
            assert torch.equal(tensor, start[f"backbone.{key}"])


class Tied(nn.Module):
    """Two layers share a weight, and it is also used outside of them."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 40), nn.Linear(40, 40), nn.Linear(40, 3)
        self.third = nn.Linear(40, 40)
        self.third.weight = self.second.weight

    def forward(self, inputs):
        hidden = self.third(self.second(self.first(inputs)).relu()).relu()
        return self.last(nn.functional.linear(hidden, self.second.weight))


class Tokens(nn.Module):
    """Linear layers over more axes than batch and feature."""

    def __init__(self):
        super().__init__()
        self.each, self.mix, self.last = nn.Linear(1, 40), nn.Linear(6, 6), nn.Linear(40, 3)

    def forward(self, inputs):
        tokens = self.each(inputs[:, :, None]).relu()
        return self.last((tokens + self.mix(tokens.mT).mT).mean(1))


class HiddenBuffer(nn.Module):
    """Random features that are not saved with the weights."""

    def __init__(self):
        super().__init__()
        self.register_buffer("random", torch.randn(6, 8), persistent=False)
        self.last = nn.Linear(8, 3)

    def forward(self, inputs):
        return self.last((inputs @ self.random).cos())


@pytest.mark.parametrize("kind", [Tied, Tokens, HiddenBuffer])
def test_networks_of_other_makes(kind):
    algorithm = recipe(Network(kind)).bind(Shape(inputs=ROW, classes=3, examples=40), torch.device("cpu"))
    inputs, targets = data().tensors(torch.device("cpu"))
    many = Many(algorithm, SEEDS)
    stepped(many, orders(), inputs, targets)
    answers = many.predict(inputs)
    for row, (seed, state) in enumerate(zip(SEEDS, many.states(), strict=True)):
        torch.testing.assert_close(algorithm.predict(state, inputs), answers[row], atol=1e-5, rtol=1e-5)
        one = One(algorithm, seed)
        stepped(one, orders()[row : row + 1], inputs, targets)
        torch.testing.assert_close(one.predict(inputs)[0], answers[row], atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["mlp", "mlp with dropout and masks"])
def test_compiled(name):
    many, loop, together, alone, inputs = both(name, STEPS, compiled=True)
    torch.testing.assert_close(together[0], alone[0], atol=1e-4, rtol=1e-4)
    expected = torch.cat([one.predict(inputs) for one in loop])
    torch.testing.assert_close(many.predict(inputs), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", RECIPES)
def test_unstacking_in_mid_training_leaves_torchs_generator_alone(name):
    many = Many(bound(name), SEEDS)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    many.states()
    assert torch.equal(torch.get_rng_state(), before)
