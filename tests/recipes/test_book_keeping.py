"""Clipped sums by book-keeping against those of gradients that are made one by one, and against Opacus'."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from byrote.recipes import by_example
from byrote.recipes.algorithm import Shape
from byrote.recipes.batch import Batch
from byrote.recipes.dropout import Dropout
from byrote.recipes.networks.network import Network
from byrote.recipes.objectives.early_learning_regularization import EarlyLearningRegularization
from byrote.recipes.private import ClipByExample, Poisson
from byrote.recipes.recipe import Recipe

EXAMPLES = 9


class Scale(nn.Module):
    """A layer that no rule knows, with a weight that is frozen and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.linspace(0.5, 1.5, 12))
        self.shift = nn.Parameter(torch.ones(12), requires_grad=False)
        self.register_buffer("power", torch.tensor(2.0))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs * self.factor**self.power + self.shift


class Tied(nn.Module):
    """One layer that is passed twice."""

    def __init__(self) -> None:
        super().__init__()
        self.again, self.head = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.again(torch.tanh(self.again(inputs)))))


class Functional(nn.Module):
    """A layer's weight is used a second time behind the layer's back."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.first(inputs)) @ self.first.weight)


class Reads(nn.Module):
    """Tokens, some of which stand twice in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(4, 5), nn.Linear(5, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.table((inputs * 7).long().remainder(4))).sum(1))


def frozen() -> nn.Module:
    network = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
    network[0].weight.requires_grad_(False)
    network[2].bias.requires_grad_(False)
    return network


def convolving(*, inplace: bool = True) -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (2, 3, 1)),
        nn.Conv2d(2, 4, 3, padding=1, groups=2),
        nn.GroupNorm(2, 4),
        nn.ReLU(inplace=inplace),
        nn.Flatten(),
        nn.Linear(12, 3),
    )


KEPT = {
    "linear": lambda: nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3, bias=False)),
    "tokens": lambda: nn.Sequential(
        nn.Unflatten(1, (3, 2)), nn.Linear(2, 9), nn.GELU(), nn.Flatten(), nn.Linear(27, 3)
    ),
    "layer norm": lambda: nn.Sequential(nn.Linear(6, 12), nn.LayerNorm(12), nn.Tanh(), nn.Linear(12, 3)),
    "convolution": convolving,
    "no rule": lambda: nn.Sequential(nn.Linear(6, 12), Scale(), nn.Tanh(), nn.Linear(12, 3)),
    "frozen": frozen,
    "dropout": lambda: nn.Sequential(nn.Linear(6, 12), nn.ReLU(), Dropout(0.5), nn.Linear(12, 3)),
    "embedding": Reads,
}


class Padded(nn.Module):
    """Tokens, one of which is padding and has no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(4, 5, padding_idx=0), nn.Linear(5, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.table((inputs * 7).long().remainder(4))).sum(1))


def padding(**settings) -> nn.Module:
    return nn.Sequential(nn.Unflatten(1, (1, 3, 2)), nn.Conv2d(1, 2, 3, **settings), nn.Flatten(), nn.Linear(12, 3))


MADE = {
    "passed twice": Tied,
    "used twice": Functional,
    "padding that keeps the size": lambda: padding(padding="same"),
    "padding that reflects": lambda: padding(padding=1, padding_mode="reflect"),
    "a token that pads": Padded,
    "a slope that is learned": lambda: nn.Sequential(nn.Linear(6, 12), nn.PReLU(), nn.Linear(12, 3)),
}


def bound(make, **settings):
    recipe = Recipe(
        network=Network(make), batch_size=5, batches=Poisson(rate=0.5), example_gradients=ClipByExample(0.7), **settings
    )
    return recipe.bind(Shape(inputs=(6,), classes=3, examples=EXAMPLES), torch.device("cpu"))


def stepped(algorithm, models: int, monkeypatch, *, made: bool) -> dict[str, torch.Tensor]:
    """The weights of so many models, stacked, after two steps on batches with rows that do not count."""
    with monkeypatch.context() as patch:
        if made:
            patch.setattr(by_example, "kept", lambda *_: None)
        generator = torch.Generator().manual_seed(1)
        state = algorithm.begin(algorithm.stack(range(models)), 2)
        for _ in range(2):
            ids = torch.stack([torch.randperm(EXAMPLES, generator=generator) for _ in range(models)])
            mask = torch.rand(ids.shape, generator=generator) < 0.8
            inputs = torch.randn(*ids.shape, 6, generator=generator)
            algorithm.step(state, Batch(inputs=inputs, targets=ids % 3, ids=ids, mask=mask))
    return {name: weight.detach() for name, weight in state.weights.items()}


@pytest.mark.parametrize("name", [*KEPT, *MADE])
def test_the_step_is_that_of_gradients_that_are_made(name, monkeypatch):
    algorithm = bound({**KEPT, **MADE}[name])
    expected = stepped(algorithm, 3, monkeypatch, made=True)
    found = stepped(algorithm, 3, monkeypatch, made=False)
    for weight, after in expected.items():
        torch.testing.assert_close(found[weight], after, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", KEPT)
def test_gradients_are_made_of_two_examples_of_each_model_alone(name, monkeypatch):
    sizes, make = [], by_example._gradients

    def noted(slots, parts, batch, memory):
        sizes.append(tuple(batch.ids.shape))
        return make(slots, parts, batch, memory)

    monkeypatch.setattr(by_example, "_gradients", noted)
    stepped(bound(KEPT[name]), 2, monkeypatch, made=False)
    assert sizes == [(2, 2)]


def test_a_memory_by_example_is_kept(monkeypatch):
    algorithm = bound(KEPT["linear"], objective=EarlyLearningRegularization())
    ids = torch.arange(6).reshape(2, 3)
    batch = Batch(inputs=torch.randn(2, 3, 6), targets=ids % 3, ids=ids)
    memories = []
    for made in (True, False):
        with monkeypatch.context() as patch:
            if made:
                patch.setattr(by_example, "kept", lambda *_: None)
            state = algorithm.begin(algorithm.stack((0, 1)), 1)
            algorithm.step(state, batch)
            memories.append(state.memory)
    assert memories[0].any()
    torch.testing.assert_close(memories[1], memories[0])


@pytest.mark.filterwarnings("ignore")  # of opacus' hooks
def test_the_clipped_sum_is_that_of_opacus():
    opacus = pytest.importorskip("opacus", reason="the accountant is opacus', an extra")
    algorithm = bound(lambda: convolving(inplace=False))  # opacus knows nothing that works in place
    inputs, targets = torch.randn(EXAMPLES, 6), torch.arange(EXAMPLES) % 3
    theirs = opacus.GradSampleModule(algorithm.build(4), loss_reduction="sum")
    optimizer = opacus.optimizers.DPOptimizer(
        torch.optim.SGD(theirs.parameters(), lr=1.0), noise_multiplier=0.0, max_grad_norm=0.7, expected_batch_size=1
    )
    nn.functional.cross_entropy(theirs(inputs), targets, reduction="sum").backward()
    optimizer.clip_and_accumulate()
    state = algorithm.init(4)
    by_example.backward_by_example(
        algorithm.recipe,
        state,
        Batch(inputs=inputs[None], targets=targets[None], ids=torch.arange(EXAMPLES)[None], normaliser=1.0),
        None,
    )
    for name, weight in theirs._module.named_parameters():
        torch.testing.assert_close(state.gradients()[name][0], weight.summed_grad, rtol=0, atol=1e-6)
